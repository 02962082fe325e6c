// The container images: built FROM scratch by the engine, started, joined, healthy.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ROOT, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const tag = engine.prefix;
const name = (what) => `${engine.prefix}-${what}`;
const HARDENED = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true', '--health-interval', '1s'];
const inServer = (...words) => engine.docker('exec', name('server'), '/dockmond', ...words);
const health = (what) => engine.docker('inspect', '-f', '{{.State.Health.Status}}', name(what));

before(
  async () => {
    const r = await run(`${ROOT}/script/images`, [tag], { timeout: 900000, env: { DOCKMON_NO_HOOKS: '1' } });
    assert.equal(r.code, 0, r.stdout + r.stderr);
    await engine.docker('network', 'create', name('net'));
  },
  { timeout: 900000 },
);
after(async () => {
  await engine.cleanup();
  await run('docker', ['network', 'rm', name('net')], { env: engine.env });
  await run('docker', ['rmi', `dockmond:${tag}`, `dockmon-agent:${tag}`], { env: engine.env });
});

test('the images hold one program and nothing else', async () => {
  for (const image of ['dockmond', 'dockmon-agent']) {
    const id = await engine.docker('create', '--name', name(`look-${image}`), `${image}:${tag}`);
    const files = await run('sh', ['-c', `docker export ${id} | tar -t`], { env: engine.env });
    const ours = files.stdout.split('\n').filter((f) => f && !/^(\.dockerenv|dev|etc|proc|sys)(\/|$)/.test(f));
    assert.deepEqual(ours.sort(), ['data/', image, 'tmp/']);
    assert.match(await engine.docker('run', '--rm', '--network', 'none', '--name', name('version'), `${image}:${tag}`, '--version'), /^dockmon\S* \d+\.\d+/);
  }
});

test('server and agent start with next to no rights, find each other by name and key, and are healthy', { timeout: 120000 }, async () => {
  await engine.docker('run', '-d', '--name', name('server'), '--network', name('net'), '-p', '127.0.0.1::8001', ...HARDENED, `dockmond:${tag}`);
  await eventually(async () => (await health('server')) === 'healthy');
  assert.equal((await engine.inspect(name('server'))).Config.User, '65532:65532');
  const pin = await inServer('fingerprint');
  const token = await inServer('token', 'create');

  await engine.docker(
    'run', '-d', '--name', name('agent'), '--network', name('net'), ...HARDENED,
    '-v', `${engine.host.replace('unix://', '')}:/var/run/docker.sock:ro`,
    '-e', `DOCKMON_URL=https://${name('server')}:8001`, '-e', `DOCKMON_PIN=${pin}`, '-e', `REGISTRATION_TOKEN=${token}`,
    `dockmon-agent:${tag}`,
  );
  await eventually(async () => JSON.parse(await inServer('health')).components.agents.online === 1);
  await eventually(async () => (await health('agent')) === 'healthy');

  const { Id: id } = await engine.inspect(name('agent'));
  const log = await run('docker', ['logs', name('agent')], { env: engine.env });
  assert.match(log.stderr, new RegExp(`"container":"${id}"`), 'the agent knows its own container');

  const url = `https://${await engine.docker('port', name('server'), '8001')}`;
  const key = await inServer('apikey', 'create', '--name', 'test', '--role', 'admin');
  const cli = (...words) => dockmon({ url }, key, words, { env: { DOCKMON_PIN: pin } });
  const list = await cli('ps');
  assert.equal(list.code, 0, list.stderr);
  assert.ok(list.stdout.includes(name('agent')));
  for (const what of ['agent', 'server']) {
    const stop = await cli('stop', name(what));
    assert.notEqual(stop.code, 0);
    assert.match(stop.stderr, /dockmon\.protect/, 'the images are protected by their label');
    assert.equal(await engine.state(name(what)), 'running');
  }
});

test('what does not work is unhealthy, and a restart keeps everything', { timeout: 120000 }, async () => {
  await engine.docker('stop', name('server'));
  await eventually(async () => (await health('agent')) === 'unhealthy', { timeout: 60000, interval: 500 });
  await engine.docker('start', name('server'));
  await eventually(async () => JSON.parse(await inServer('health')).components.agents.online === 1, { timeout: 60000 });
  await eventually(async () => (await health('agent')) === 'healthy');
  const backup = await engine.docker('exec', name('server'), '/dockmond', 'backup', '/data/backup');
  assert.equal(backup, '');
});

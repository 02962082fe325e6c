// The container images: built FROM scratch by the engine, started, joined, healthy.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { Relay } from './lib/relay.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const tag = engine.prefix;
const name = (what) => `${engine.prefix}-${what}`;
const HARDENED = ['--read-only', '--tmpfs', '/tmp', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true', '--health-interval', '1s'];
/* Reads JSON from a server whose certificate nobody signed. */
async function get(url, key) {
  const request = https.get(url, { rejectUnauthorized: false, headers: { authorization: `Bearer ${key}` } });
  const [answer] = await once(request, 'response', { signal: AbortSignal.timeout(20000) });
  const text = (await answer.setEncoding('utf8').toArray()).join('');
  assert.equal(answer.statusCode, 200, text);
  return JSON.parse(text);
}
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

test('the images contain one program and nothing else, but its libraries and the public authorities', async () => {
  for (const image of ['dockmond', 'dockmon-agent']) {
    const id = await engine.docker('create', '--name', name(`look-${image}`), `${image}:${tag}`);
    const files = await run('sh', ['-c', `docker export ${id} | tar -t`], { env: engine.env });
    const ours = files.stdout.split('\n').filter((f) => f && !/^(\.dockerenv|dev|etc|proc|sys)(\/|$)/.test(f));
    const offered = image === 'dockmond' ? files.stdout.match(/^libexec\/.*$/gm) : []; // agents for other hosts
    assert.ok(image !== 'dockmond' || offered.some((f) => /^libexec\/dockmon\/agents\/agent-linux-/.test(f)));
    assert.match(files.stdout, /^etc\/ssl\/certs\/ca-certificates\.crt$/m);
    // libcurl cannot be linked statically: the server brings its shared libraries.
    const libraries = image === 'dockmond' ? files.stdout.match(/^(usr\/)?lib(64)?\/.*$/gm) : [];
    assert.ok(image !== 'dockmond' || libraries.some((f) => /\/libcurl\.so\.4$/.test(f)));
    assert.deepEqual(libraries.filter((f) => !/(\/|\.so(\.\d+)*)$/.test(f)), []);
    assert.deepEqual(ours.filter((f) => f !== 'usr/').sort(), ['data/', image, ...offered, ...libraries, 'tmp/'].sort());
    assert.match(await engine.docker('run', '--rm', '--network', 'none', '--name', name('version'), `${image}:${tag}`, '--version'), /^dockmon\S* \d+\.\d+/);
  }
});

test("the server's image checks itself: all libraries are there", async () => {
  const r = await run('docker', ['run', '--rm', '--network', 'none', '--name', name('check'), `dockmond:${tag}`, '--check'], { env: engine.env });
  assert.equal(r.code, 0, r.stdout + r.stderr);
});

test('server and agent start with minimal rights, connect by name and key, and are healthy', { timeout: 120000 }, async () => {
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

  const [host] = await get(`${url}/api/hosts`, key);
  const agent = await get(`${url}/api/hosts/${host.id}/agent`, key);
  assert.deepEqual([agent.is_container_mode, agent.capabilities.in_container], [true, true]);
  for (const [what, reason] of [['agent', /dockmon\.protect/], ['server', /belongs to DockMon/]]) {
    const stop = await cli('stop', name(what));
    assert.notEqual(stop.code, 0);
    assert.match(stop.stderr, reason);
    assert.equal(await engine.state(name(what)), 'running');
  }
});

test('a broken container is unhealthy, and a restart keeps everything', { timeout: 120000 }, async () => {
  await engine.docker('stop', name('server'));
  await eventually(async () => (await health('agent')) === 'unhealthy', { timeout: 60000, interval: 500 });
  await engine.docker('start', name('server'));
  await eventually(async () => JSON.parse(await inServer('health')).components.agents.online === 1, { timeout: 60000 });
  await eventually(async () => (await health('agent')) === 'healthy');
  const backup = await engine.docker('exec', name('server'), '/dockmond', 'backup', '/data/backup');
  assert.equal(backup, '');
});

// The first steps, as the compose file describes them. Only names and the published port are changed.
test('the steps in the compose file work', { timeout: 180000 }, async (t) => {
  const dir = await temporaryDirectory();
  const text = await readFile(join(ROOT, 'packaging/docker/compose.yaml'), 'utf8');
  const env = { ...engine.env, COMPOSE_PROJECT_NAME: tag, COMPOSE_FILE: 'compose.yaml' };
  const sh = async (line) => {
    const r = await run('sh', ['-euc', `cd ${dir}\n${line.replaceAll('docker compose', 'docker-compose')}`], { env, timeout: 120000 });
    assert.equal(r.code, 0, `${line}: ${r.stdout}${r.stderr}`);
    return r.stdout.trim();
  };
  const socket = `${dir}/run/docker.sock`;
  await mkdir(`${dir}/run`);
  let relay = await Relay.start({ listen: { path: socket }, to: { path: engine.host.replace('unix://', '') } });
  t.after(async () => {
    await sh('docker compose down -v');
    await relay.stop();
    await rm(dir, { recursive: true, force: true });
  });
  const ours = text.replaceAll(':latest', `:${tag}`).replace('"8001:8001"', '"127.0.0.1::8001"').replace('- /var/run/docker.sock:', `- ${socket}:`).replace('- /run:/host/run:ro,rslave', `- ${dir}/run:/host/run:ro`);
  assert.equal(ours.split(tag).length - 1, 2);
  await writeFile(join(dir, 'compose.yaml'), ours);

  const steps = text.slice(0, text.indexOf('\nservices:')).split('\n').filter((l) => l.startsWith('#     ')).map((l) => l.slice(6));
  assert.ok(steps.length >= 5);
  let password;
  for (const step of steps) password = await sh(step);
  assert.match(await readFile(join(dir, '.env'), 'utf8'), /^DOCKMON_PIN=sha256:\S+\nREGISTRATION_TOKEN=\S+\n$/);
  await eventually(async () => JSON.parse(await sh('docker compose exec -T server /dockmond health')).components.agents.online === 1);

  for (const service of ['server', 'agent']) {
    const { HostConfig: got, Mounts: mounts, Config: config } = await engine.inspect(await sh(`docker compose ps -q ${service}`));
    assert.ok(got.ReadonlyRootfs && !got.Privileged && got.SecurityOpt.includes('no-new-privileges:true'));
    assert.deepEqual([got.CapDrop, got.CapAdd ?? [], got.RestartPolicy.Name], [['ALL'], [], 'unless-stopped']);
    assert.ok(mounts.some((m) => m.Destination === '/data' && m.Type === 'volume') && mounts.every((m) => m.Destination === '/data' || !m.RW));
    assert.equal(config.Labels['dockmon.protect'], 'true');
  }
  const url = `https://${await sh('docker compose port server 8001')}`;
  const pin = /DOCKMON_PIN=(\S+)/.exec(await readFile(join(dir, '.env'), 'utf8'))[1];
  const key = await sh('docker compose exec -T server /dockmond apikey create --name test --role viewer');
  const list = await dockmon({ url }, key, ['ps'], { env: { DOCKMON_PIN: pin } });
  assert.ok(list.code === 0 && list.stdout.includes(`${tag}_agent_1`), list.stdout + list.stderr);
  assert.match(password, /^\S{20,}$/);

  // With the lines about a secret enabled. Nothing more is needed: the agent has its own token now.
  const [, secrets] = ours.split('# umask 077; openssl rand -hex 32 >token-key\n');
  await sh('umask 077; openssl rand -hex 32 >token-key; sed -i /REGISTRATION_TOKEN/d .env');
  await writeFile(join(dir, 'compose.yaml'), ours.replace('# secrets: [', 'secrets: [') + secrets.replaceAll(/^# /gm, ''));
  await sh('docker compose up -d --force-recreate 2>&1');
  await eventually(async () => JSON.parse(await sh('docker compose exec -T server /dockmond health')).components.agents.online === 1, { timeout: 60000 });
  assert.match(await sh('docker compose exec -T agent /dockmon-agent --check'), /sealed/);

  // An engine that is upgraded under its running containers creates a new socket.
  const replaceSocket = async () => {
    await relay.stop();
    relay = await Relay.start({ listen: { path: socket }, to: { path: engine.host.replace('unix://', '') } });
  };
  const check = () => sh('docker compose exec -T agent /dockmon-agent --check || true');
  await replaceSocket();
  await eventually(async () => /nothing listens on this socket: .*restart the container/.test(await sh('docker compose logs agent 2>&1')), { timeout: 30000 });
  assert.match(await check(), /^WRONG +engine .*nothing listens on this socket/m);
  await sh('docker compose restart agent 2>&1');
  assert.match(await check(), /^ok +engine /m);

  const folder = (await readFile(join(dir, 'compose.yaml'), 'utf8'))
    .replace(`      - ${socket}:/var/run/docker.sock:ro\n`, '').replace(`# - ${dir}/run`, `- ${dir}/run`).replace('# DOCKER_HOST:', 'DOCKER_HOST:');
  await writeFile(join(dir, 'compose.yaml'), folder);
  await sh('docker compose up -d 2>&1');
  assert.match(await check(), /^ok +engine /m);
  await replaceSocket();
  assert.match(await check(), /^ok +engine /m);
});

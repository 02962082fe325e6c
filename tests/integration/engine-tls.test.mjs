// An engine over tcp and TLS that demands client certificates: a real dockerd that the test starts.
import assert from 'node:assert/strict';
import { mkdir, copyFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Authority } from './lib/authority.mjs';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { OwnEngine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let dir, server, client, engine, agent, host;

function freePort() {
  return new Promise((resolve) => {
    const s = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = s.address();
      s.close(() => resolve(port));
    });
  });
}

// A directory as DOCKER_CERT_PATH, with the given files of the PKI.
async function certPath(name, files) {
  const path = join(dir, name);
  await mkdir(path);
  for (const [to, from] of Object.entries(files)) await copyFile(join(dir, from), join(path, to));
  return path;
}

before(async () => {
  dir = await temporaryDirectory();
  const authority = await Authority.make(dir);
  const stranger = await Authority.make(dir, 'stranger');
  const pair = (name) => [join(dir, `${name}.pem`), join(dir, `${name}-key.pem`)];
  await authority.sign(...pair('engine'), { usage: 'serverAuth' });
  await authority.sign(...pair('client'), { usage: 'clientAuth' });
  await authority.sign(...pair('wrong-usage'), { usage: 'serverAuth' });
  await stranger.sign(...pair('foreign'), { usage: 'clientAuth' });

  engine = new OwnEngine(`tcp://127.0.0.1:${await freePort()}`);
  engine.dir = await temporaryDirectory();
  engine.flags = ['--tlsverify', '--tlscacert', authority.cert, '--tlscert', pair('engine')[0], '--tlskey', pair('engine')[1]];
  const path = await certPath('good', { 'ca.pem': 'ca.pem', 'cert.pem': 'client.pem', 'key.pem': 'client-key.pem' });
  engine.env = { DOCKER_HOST: engine.host, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: path };
  await engine.up();
  await engine.ensureImage();

  server = await Server.start();
  client = await server.client('operator');
  agent = await Agent.start(server, engine, { env: { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: path } });
  host = await client.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine?.remove();
  await rm(dir, { recursive: true });
});

test('ordinary calls: containers are listed, stopped and started', async () => {
  const c = await engine.run('plain');
  await client.container(c.name);
  await client.post(`/api/hosts/${host.id}/containers/${c.id.slice(0, 12)}/stop`, { timeout: 1 });
  await eventually(async () => (await engine.state(c.id)) === 'exited');
  await client.post(`/api/hosts/${host.id}/containers/${c.id.slice(0, 12)}/start`, {});
  await eventually(async () => (await engine.state(c.id)) === 'running');
});

test('streams: events arrive without polling, logs are complete', async () => {
  const c = await engine.run('chatty', { command: ['sh', '-c', 'seq 1 5000; sleep 3600'] });
  await client.container(c.name);
  await eventually(async () => {
    const { events } = await client.get(`/api/events?host_id=${host.id}&limit=100`);
    return JSON.stringify(events).includes(c.id.slice(0, 12));
  });
  const r = await dockmon(server, client.key, ['logs', c.name]);
  assert.equal(r.code, 0, r.stderr);
  assert.deepEqual(r.stdout.trimEnd().split('\n'), Array.from({ length: 5000 }, (_, i) => String(i + 1)));
});

test('hijacked connections: exec with input and output', async () => {
  const c = await engine.run('exec');
  await client.container(c.name);
  const input = Array.from({ length: 20000 }, (_, i) => `line ${i}`).join('\n');
  const r = await dockmon(server, client.key, ['exec', '-i', c.name, 'cat'], { input });
  assert.equal(r.code, 0, r.stderr);
  assert.equal(r.stdout, input);
});

async function check(env) {
  const data = await temporaryDirectory();
  const r = await run(bin('dockmon-agent'), ['--check'], {
    env: { DOCKMON_URL: server.url, REGISTRATION_TOKEN: await server.token(), DATA_PATH: data, DOCKER_HOST: engine.host, DOCKER_TLS_VERIFY: '', DOCKER_CERT_PATH: '', ...env },
  });
  await rm(data, { recursive: true });
  return r;
}

test('missing, foreign and unsuitable certificates are reported by the agent', async () => {
  const good = await check({ DOCKER_CERT_PATH: join(dir, 'good') });
  assert.equal(good.code, 0, good.stdout);
  const cases = [
    ['no client certificate', { 'ca.pem': 'ca.pem' }, {}, /certificate required|bad certificate/],
    ['a foreign one', { 'ca.pem': 'ca.pem', 'cert.pem': 'foreign.pem', 'key.pem': 'foreign-key.pem' }, {}, /the agent's certificate|certificate required/],
    ['one for servers', { 'ca.pem': 'ca.pem', 'cert.pem': 'wrong-usage.pem', 'key.pem': 'wrong-usage-key.pem' }, {}, /the agent's certificate/],
    ['a foreign engine', { 'ca.pem': 'stranger.pem', 'cert.pem': 'client.pem', 'key.pem': 'client-key.pem' }, {}, /check that ca\.pem in DOCKER_CERT_PATH is the authority/],
  ];
  for (const [name, files, env, pattern] of cases) {
    const r = await check({ DOCKER_CERT_PATH: await certPath(name.replaceAll(' ', '-'), files), ...env });
    assert.equal(r.code, 1, `${name}: ${r.stdout}`);
    assert.match(r.stdout, pattern, name);
  }
  const plain = await check({});
  assert.equal(plain.code, 1);
  assert.match(plain.stdout, /set DOCKER_CERT_PATH/);
  const unverified = await check({ DOCKER_CERT_PATH: join(dir, 'a-foreign-engine'), DOCKER_TLS_VERIFY: '0' });
  assert.equal(unverified.code, 0, unverified.stdout);
  assert.match(unverified.stdout, /DOCKER_TLS_VERIFY is off/);
  const mixed = await certPath('mixed', { 'ca.pem': 'ca.pem', 'cert.pem': 'client.pem', 'key.pem': 'foreign-key.pem' });
  const mismatch = await check({ DOCKER_CERT_PATH: mixed });
  assert.equal(mismatch.code, 1);
  assert.match(mismatch.stdout, /key .*: it is not the key of the certificate/);
  const empty = join(dir, 'empty');
  await mkdir(empty);
  await writeFile(join(empty, 'README'), '');
  assert.equal((await check({ DOCKER_CERT_PATH: empty })).code, 2);
});

test('the agent reconnects after a restart of the engine', async () => {
  await engine.down();
  await engine.up();
  const c = await engine.run('later');
  await client.container(c.name, { timeout: 60000 });
});

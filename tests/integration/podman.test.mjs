// Podman as the engine: join, list, operations, logs, events, statistics, exec, images, networks, volumes, and the
// reconnect after its service, the agent and the server were restarted. Asserted on Podman's own state.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Podman } from './lib/podman.mjs';
import { Process } from './lib/process.mjs';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let engine, server, client, agent, host;

before(async () => {
  engine = await Podman.start();
  later(() => engine.remove());
  await engine.ensureImage();
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('operator');
  agent = await Agent.start(server, engine);
  later(() => agent.remove());
  host = await client.onlineHost();
});

const listed = async (name, options) => {
  const c = await engine.run(name, options);
  await client.container(c.name);
  return c;
};
const path = (c, action = '') => `/api/hosts/${host.id}/containers/${c.id}${action && `/${action}`}`;
const container = async (c) => (await client.get('/api/containers')).find((x) => x.full_id === c.id);
const cli = (...args) => dockmon(server, client.key, args);
const events = async (c) => (await client.get(`/api/events?container_id=${c.id.slice(0, 12)}&limit=100`)).events;

test('the host is known as Podman, with its version', async () => {
  const h = (await client.get('/api/hosts')).find((x) => x.id === host.id);
  assert.equal(h.is_podman, true);
  assert.equal(h.docker_version, await engine.docker('version', '--format', '{{.Server.Version}}'));
});

test('list and inspect', async () => {
  const c = await listed('list');
  const entry = await container(c);
  assert.equal(entry.state, 'running');
  assert.match(entry.image, /dockmon-test:busybox$/);
  assert.equal((await client.get(path(c, 'inspect'))).Id, c.id);
});

test('operations', async () => {
  const c = await listed('operations');
  const steps = [
    ['stop?timeout=0', 'exited'], ['start', 'running'], ['restart?timeout=0', 'running'], ['pause', 'paused'], ['unpause', 'running'], ['kill', 'exited'],
  ];
  for (const [action, state] of steps) {
    await client.post(path(c, action));
    await eventually(async () => (await engine.state(c.id)) === state, { what: `${action} on the engine` });
    await eventually(async () => (await container(c)).state === state, { what: `${action} in the list` });
  }
  await client.post(path(c, 'rename'), { name: `${c.name}-2` });
  assert.equal((await engine.inspect(c.id)).Name.replace('/', ''), `${c.name}-2`);
  await client.delete(path(c));
  assert.equal(await engine.exists(c.id), false);
  await eventually(async () => !(await container(c)));
});

test('events: Podman\'s words are those of Docker, and a health check is an event when its result changes', async () => {
  const c = await listed('events', { args: ['--health-cmd', 'test -e /ok', '--health-retries', '1', '--health-interval', '1h'] });
  const check = () => engine.podman('healthcheck', 'run', c.id).catch(() => {});
  const health = async () => (await events(c)).filter((e) => e.event_type === 'health_status').map((e) => /\w+$/.exec(e.title)[0]).reverse();

  await engine.docker('exec', c.id, 'sh', '-c', 'echo >/ok');
  for (let i = 0; i < 3; i++) await check();
  await eventually(async () => (await health()).includes('healthy'));
  await engine.docker('exec', c.id, 'busybox', 'rm', '/ok');
  for (let i = 0; i < 3; i++) await check();
  await eventually(async () => (await health()).includes('unhealthy'));
  await engine.docker('rm', '-f', c.id);
  const types = await eventually(async () => {
    const all = (await events(c)).map((e) => e.event_type);
    return all.includes('deleted') && all;
  });
  assert.ok(types.includes('created') && types.includes('started'), types.join());
  const results = await health();
  assert.deepEqual(results, results.filter((r, i) => r !== results[i - 1]), 'each result once');
});

test('logs, once and followed', async () => {
  const c = await listed('logs', { command: ['sh', '-c', 'i=0; while :; do i=$((i + 1)); echo n$i; busybox usleep 200000; done'] });
  await eventually(async () => /^n1\nn2\n/.test((await cli('logs', c.name)).stdout));
  const p = new Process(bin('dockmon'), ['logs', '-f', c.name], { env: { DOCKMON_URL: server.url, DOCKMON_API_KEY: client.key } });
  await p.line(/^n12$/);
  assert.deepEqual(p.lines.slice(0, 12), Array.from({ length: 12 }, (_, i) => `n${i + 1}`));
  await p.stop('SIGINT');
});

test('statistics', async () => {
  const c = await listed('stats', { command: ['sh', '-c', 'while :; do :; done'] });
  const entry = await eventually(async () => {
    const e = await container(c);
    return e.cpu_percent > 10 && e.memory_usage > 0 && e;
  }, { timeout: 30000, what: 'samples arrive' });
  assert.ok(entry.memory_usage < 64 << 20, `${entry.memory_usage}`);
});

test('exec', async () => {
  const c = await listed('exec');
  const shell = await Shell.open(server, client.key, host.id, c.id, { start: { cmd: ['sh', '-c', 'cat; exit 3'], tty: false } });
  shell.write('input\n');
  shell.send({ type: 'eof' });
  await shell.closed;
  assert.equal(shell.stdout, 'input\n');
  assert.deepEqual(shell.messages.at(-1), { type: 'exit', code: 3 });
});

test('networks: users are listed, the default network cannot be removed, another can be by force', async () => {
  const name = `${engine.prefix}-net`;
  await engine.docker('network', 'create', name);
  const id = await engine.docker('run', '-d', '--name', `${engine.prefix}-net-user`, '--network', name, 'dockmon-test:busybox', 'sleep', '3600');
  const plain = await engine.docker('run', '-d', '--name', `${engine.prefix}-bridged`, 'dockmon-test:busybox', 'sleep', '3600');
  const networks = () => client.get(`/api/hosts/${host.id}/networks`);
  const used = async (n) => (await networks()).find((x) => x.name === n).containers.map((c) => c.id);

  await client.container(`${engine.prefix}-net-user`);
  assert.deepEqual(await used(name), [id.slice(0, 12)]);
  assert.ok((await used('bridge')).includes(plain.slice(0, 12)));
  for (const built of ['bridge', 'podman', (await networks()).find((x) => x.name === 'bridge').id]) {
    const r = await client.delete(`/api/hosts/${host.id}/networks/${built}?force=true`, { status: 400 });
    assert.match(JSON.stringify(r), /built-in network/);
  }
  assert.notEqual((await engine.inspect(plain)).NetworkSettings.Networks.podman, undefined, 'it is still connected');
  await client.delete(`/api/hosts/${host.id}/networks/${name}`, { status: 409 });
  await client.delete(`/api/hosts/${host.id}/networks/${name}?force=true`);
  assert.ok(!(await networks()).some((x) => x.name === name));
});

test('images and volumes', async () => {
  await engine.podman('tag', 'dockmon-test:busybox', 'localhost/two:a');
  assert.equal((await cli('rmi', 'two:a')).code, 0);
  assert.doesNotMatch(await engine.podman('images'), /two/);
  await engine.docker('volume', 'create', `${engine.prefix}-unused`);
  const pruned = await client.post(`/api/hosts/${host.id}/volumes/prune`, {});
  assert.equal(pruned.removed_count, 1, JSON.stringify(pruned));
});

test('the host comes back after restarts of Podman\'s service, the agent and the server', { timeout: 180000 }, async () => {
  const back = (what) => eventually(async () => {
    const hosts = await client.get('/api/hosts');
    return hosts.length === 1 && hosts[0].id === host.id && hosts[0].status === 'online';
  }, { timeout: 40000, what });
  const c = await listed('survivor');

  await engine.down();
  await engine.up();
  await engine.docker('stop', '-t', '0', c.id);
  await eventually(async () => (await container(c)).state === 'exited', { timeout: 40000, what: 'a change after the restart of the service' });
  await agent.down();
  await agent.up();
  await back('the agent was restarted');
  await server.down();
  await server.up();
  await back('the server was restarted');
});

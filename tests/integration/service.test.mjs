// Running as a service: notifications to the service manager, reload, log level, health.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { Manager } from './lib/manager.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let dir;

before(async () => {
  dir = await temporaryDirectory();
});
after(() => rm(dir, { recursive: true, force: true }));

async function withManager(name, body) {
  const own = await temporaryDirectory();
  const manager = await Manager.start(own);
  try {
    await body(manager, own);
  } finally {
    await manager.stop();
    await rm(own, { recursive: true, force: true });
  }
}

const startServer = (data, args, env) => new Process(bin('dockmond'), ['--listen', '127.0.0.1:0', '--data-dir', data, ...args], { env, name: 'dockmond' });

const startAgent = (data, url, env, args = []) =>
  new Process(bin('dockmon-agent'), args, {
    name: 'dockmon-agent',
    env: { DOCKMON_URL: url, REGISTRATION_TOKEN: 'none', DATA_PATH: data, DOCKER_HOST: new Engine().host, LOG_JSON: 'false', ...env },
  });

test('the server reports ready, alive, reloading and stopping', async () => {
  await withManager('server', async (manager, own) => {
    const p = startServer(join(own, 'data'), [], manager.env({ WATCHDOG_USEC: '400000' }));
    await manager.heard(/^READY=1;STATUS=0 of 0 agents online, database ok$/);
    assert.match(p.lines.join('\n'), /listening on/, 'ready only when it listens');
    await eventually(() => manager.messages.filter((m) => m === 'WATCHDOG=1').length >= 4);
    p.child.kill('SIGHUP');
    await manager.heard(/^RELOADING=1;MONOTONIC_USEC=\d+$/);
    const at = manager.process.lines.findIndex((l) => l.startsWith('RELOADING'));
    await manager.heard(/^READY=1;STATUS=/, { from: at });
    assert.deepEqual(await p.stop(), { code: 0, signal: null });
    await manager.heard(/^STOPPING=1/);
    assertClean(p);
  });
});

test('the agent is ready when the engine answers, and reports its status', async () => {
  await withManager('agent', async (manager, own) => {
    const p = startAgent(join(own, 'data'), 'http://127.0.0.1:1', manager.env({ WATCHDOG_USEC: '400000' }));
    await manager.heard(/^READY=1;STATUS=engine ok, not connected to the server/);
    await manager.heard(/^WATCHDOG=1$/);
    assert.deepEqual(await p.stop(), { code: 0, signal: null });
    await manager.heard(/^STOPPING=1/);
    assertClean(p);
  });
});

test('an agent without engine and server becomes ready later: a restart would not help', { timeout: 40000 }, async () => {
  await withManager('agent', async (manager, own) => {
    const begin = Date.now();
    const p = startAgent(join(own, 'data'), 'http://127.0.0.1:1', manager.env({ DOCKER_HOST: 'unix:///nowhere.sock' }));
    await manager.heard(/^STATUS=no answer from the engine, not connected/);
    await manager.heard(/^READY=1;STATUS=no answer from the engine/, { timeout: 30000 });
    assert.ok(Date.now() - begin > 8000);
    await p.stop();
    assertClean(p);
  });
});

test('an invalid environment is an error that names the variable', async () => {
  const p = startServer(join(dir, 'nonsense'), [], { NOTIFY_SOCKET: 'relative' });
  assert.deepEqual(await p.exited, { code: 1, signal: null });
  assert.match(p.lines.join('\n'), /NOTIFY_SOCKET=relative: expected a path/);
});

test('SIGHUP reads the log level from the configuration file again, in both daemons', async () => {
  const file = join(dir, 'conf');
  const cases = [
    ['DOCKMOND_LOG_LEVEL', () => startServer(join(dir, 'reload'), ['--config', file], {}), /listening/],
    ['LOG_LEVEL', () => startAgent(join(dir, 'reload-agent'), 'http://127.0.0.1:1', { LOG_LEVEL: '' }, ['--config', file]), /starts/],
  ];
  for (const [key, start, up] of cases) {
    await writeFile(file, `${key}=info\n`);
    const p = start();
    try {
      await p.line(up);
      await writeFile(file, `${key}=debug\n`);
      p.child.kill('SIGHUP');
      await p.line(/reloaded.*log_level=debug/);
      if (key === 'LOG_LEVEL') await p.line(/ debug msg/); // an idle server logs nothing
      await writeFile(file, `${key}=loud\n`);
      p.child.kill('SIGHUP');
      await p.line(/could not reload the configuration.*loud/);
      await writeFile(file, `${key}=error\n`);
      p.child.kill('SIGHUP');
    } finally {
      await p.stop();
    }
    assert.ok(!/level=error|stopping"/.test(p.lines.join('\n')), 'no info lines at level error');
    assertClean(p);
  }
});

test('the log level of the server can be changed by an administrator', async () => {
  const server = await Server.start();
  const [admin, viewer] = [await server.client('admin'), await server.client('viewer')];
  const path = '/api/admin/log-level';
  assert.deepEqual(await admin.get(path), { level: 'debug' });
  assert.deepEqual(await admin.call('PUT', path, { body: { level: 'WARN' } }), { level: 'warning' });
  assert.deepEqual(await admin.get(path), { level: 'warning' });
  for (const body of [{ level: 'loud' }, { level: 3 }, {}]) await admin.call('PUT', path, { body, status: 422 });
  await viewer.get(path, { status: 403 });
  await viewer.call('PUT', path, { body: { level: 'debug' }, status: 403 });
  await new Client(server).get(path, { status: 401 });
  assert.match(JSON.stringify(await admin.get('/api/audit?action=log_level')), /"warning"/);
  await server.remove();
});

test('GET /health reports components and counts, and no secrets', async () => {
  const server = await Server.start();
  const open = new Client(server);
  const h = await open.get('/health');
  assert.equal(h.status, 'healthy');
  assert.deepEqual(Object.keys(h).sort(), ['components', 'service', 'status', 'uptime_seconds', 'version']);
  assert.equal(h.components.database.status, 'ok');
  assert.deepEqual(h.components.agents, { online: 0, total: 0 });
  assert.equal(typeof h.components.store_queue.waiting, 'number');
  assert.ok(!JSON.stringify(h).includes(server.dir));
  const agent = await Agent.start(server, new Engine());
  await eventually(async () => (await open.get('/health')).components.agents.online === 1);
  await agent.remove();
  await eventually(async () => (await open.get('/health')).components.agents.online === 0);
  assert.equal((await open.get('/health')).components.agents.total, 1);
  await server.remove();
});

test('dockmond health queries the running server, also over TLS', async () => {
  for (const flags of [[], ['--tls']]) {
    const own = await temporaryDirectory();
    const p = startServer(own, flags, {});
    const port = /127\.0\.0\.1:(\d+)/.exec(await p.line(/listening/))[1];
    const ask = (...words) => run(bin('dockmond'), ['--listen', `127.0.0.1:${port}`, '--data-dir', own, ...flags, 'health', ...words]);
    const good = await ask();
    assert.equal(good.code, 0, good.stderr);
    assert.equal(JSON.parse(good.stdout).status, 'healthy');
    assert.equal((await ask('extra')).code, 2);
    await p.stop();
    assertClean(p);
    const gone = await ask();
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /the server does not answer/);
    await rm(own, { recursive: true, force: true });
  }
});

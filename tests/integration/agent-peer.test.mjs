// Our agent against servers written by hand at both eras, on the real engine.
import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { closing, eventually, sleep } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
later(() => engine.cleanup());

before(() => engine.ensureImage());

async function pair({ era = 'head', authorize, ...agentOptions } = {}) {
  const server = await HandServer.start({ era, authorize });
  later(() => server.stop());
  const agent = await Agent.start(server, engine, { token: 'registration-token', ...agentOptions });
  later(() => agent.remove());
  return { server, agent };
}

for (const era of ['seed', 'head']) {
  test(`the agent registers with a ${era}-era server, and every operation works`, async () => {
    const { server, agent } = await pair({ era });
    const c = await engine.run(`peer-${era}`, { args: ['-e', 'COLOUR=blue'] });
    await server.session();

    const sent = server.registrations.at(-1);
    assert.equal(sent.type, 'register');
    assert.equal(sent.token, 'registration-token');
    assert.equal(sent.engine_id, (await engine.docker('info', '--format', '{{.ID}}')).trim());
    assert.equal(sent.capabilities.container_operations, true);
    if (era === 'head') assert.equal(sent.agent_os, 'linux');
    assert.equal(await readFile(join(agent.dir, 'permanent_token'), 'utf8'), 'permanent-1');
    assert.equal((await stat(join(agent.dir, 'permanent_token'))).mode & 0o777, 0o600);

    const ok = async (fields, members) => {
      const reply = await server.operation({ container_id: c.id, ...fields });
      assert.equal(reply.success, true, JSON.stringify(reply));
      assert.equal('type' in reply, false);
      for (const [k, v] of Object.entries(members)) assert.deepEqual(reply[k], v);
      return reply;
    };
    await ok({ action: 'stop', timeout: 0 }, { status: 'stopped', container_id: c.id });
    assert.equal(await engine.state(c.id), 'exited');
    await ok({ action: 'start' }, { status: 'started' });
    assert.equal(await engine.state(c.id), 'running');
    await ok({ action: 'restart', timeout: 0.0 }, { status: 'restarted' });
    await ok({ action: 'pause' }, { status: 'paused' });
    assert.equal(await engine.state(c.id), 'paused');
    await ok({ action: 'unpause' }, { status: 'unpaused' });
    await ok({ action: 'rename', new_name: `${c.name}-2` }, { status: 'renamed' });
    const inspect = await ok({ action: 'inspect' }, {});
    assert.deepEqual(inspect.container, await engine.inspect(c.id));
    await ok({ action: 'kill' }, { status: 'killed' });
    assert.equal(typeof (await ok({ action: 'get_logs', tail: 10 }, {})).logs, 'string');
    await ok({ action: 'remove', force: true }, { removed: true });
    assert.equal(await engine.exists(c.id), false);
  });
}

test('list_containers gives the elements of the engine with digests, start time and environment', async () => {
  const { server } = await pair();
  const c = await engine.run('list', { args: ['-e', 'COLOUR=blue=green', '-l', 'k=v'] });
  const created = await engine.docker('create', '--network', 'none', '--name', `${engine.prefix}-created`, 'dockmon-test:busybox', 'true');
  await server.session();

  // Other files have containers on this engine, too, and change them meanwhile.
  const ids = async () => (await engine.docker('ps', '-aq', '--no-trunc')).split('\n');
  const before = await ids();
  const { payload } = await server.command('list_containers');
  const now = await ids();
  const mine = payload.find((e) => e.Id === c.id);
  const inspect = await engine.inspect(c.id);
  assert.deepEqual(mine.Names, [`/${c.name}`]);
  assert.equal(mine.State, 'running');
  assert.equal(mine.StartedAt, inspect.State.StartedAt);
  assert.equal(mine.Env.COLOUR, 'blue=green');
  assert.deepEqual(mine.Labels['k'], 'v');
  assert.deepEqual(mine.RepoDigests, []);
  const never = payload.find((e) => e.Id === created);
  assert.equal('StartedAt' in never, false);
  const listed = payload.map((e) => e.Id);
  for (const id of before.filter((each) => now.includes(each))) assert.ok(listed.includes(id), id);
  assert.equal(new Set(listed).size, listed.length);

  await engine.docker('restart', '-t', '0', c.id);
  const after = await eventually(async () => {
    const again = (await server.command('list_containers')).payload.find((e) => e.Id === c.id);
    return again.StartedAt !== mine.StartedAt && again;
  });
  assert.equal(after.StartedAt, (await engine.inspect(c.id)).State.StartedAt, 'the cached start time follows restarts');
});

test('the other commands and the old aliases work', async () => {
  const { server } = await pair();
  const c = await engine.run('aliases');
  await server.session();

  assert.deepEqual((await server.command('ping')).payload, { status: 'pong' });
  const info = (await server.command('get_system_info')).payload;
  const registered = server.registrations.at(-1);
  for (const key of ['os_type', 'os_version', 'kernel_version', 'docker_version', 'daemon_started_at', 'total_memory', 'num_cpus', 'host_ip'])
    assert.deepEqual(info[key], registered[key], key);
  assert.ok(info.host_ips.includes(info.host_ip)); // the others come and go with the engines of other tests
  const container = { container_id: c.id };
  assert.deepEqual((await server.command('stop_container', container)).payload, { status: 'stopped' });
  assert.deepEqual((await server.command('start_container', container)).payload, { status: 'started' });
  assert.deepEqual((await server.command('restart_container', container)).payload, { status: 'restarted' });
  assert.equal(typeof (await server.command('container_logs', container)).payload.logs, 'string');
  assert.deepEqual((await server.command('delete_container', container)).payload, { status: 'deleted' });
  assert.equal(await engine.exists(c.id), false);
});

test('every request gets an answer, even a malformed one', async () => {
  const { server, agent } = await pair();
  await server.session();
  const failed = async (fields, pattern) => {
    const reply = await server.operation(fields);
    assert.equal(reply.success, false);
    assert.match(reply.error, pattern);
  };

  await failed({ action: 'fly' }, /^unknown action: fly$/);
  await failed({}, /action/);
  await failed({ action: 'start' }, /container_id/);
  await failed({ action: 'start', container_id: 7 }, /container_id/);
  await failed({ action: 'start', container_id: '../../info' }, /container/);
  await failed({ action: 'start', container_id: 'a/b' }, /container/);
  await failed({ action: 'start', container_id: 'f'.repeat(64) }, /[Nn]o such container/);
  await failed({ action: 'rename', container_id: 'f'.repeat(64), new_name: '' }, /name/);
  assert.equal((await server.command('dance')).error, 'unknown command: dance');
  server.send({ type: 'container_operation', payload: 'x', id: 'p1', correlation_id: 'p1' });
  assert.equal((await server.message((m) => m.correlation_id === 'p1')).success, false);
  server.send({ type: 'command', id: 'c1', correlation_id: 'c1' });
  assert.ok((await server.message((m) => m.id === 'c1')).error);
  server.send('{"type": "command", "command": ');
  server.send({ type: 'nonsense' });
  for (const type of ['health_check_configs_sync', 'health_check_config', 'health_check_configs_sync', 'health_check_config_remove']) server.send({ type, payload: { configs: [] } });
  assert.deepEqual((await server.command('ping')).payload, { status: 'pong' }, 'the session continues');
  server.ws.terminate();
  await server.session({ count: 2 });
  server.send({ type: 'health_check_configs_sync', payload: { configs: [] } });
  await server.command('ping');
  assert.equal(agent.process.lines.filter((l) => /the server asks for HTTP health checks/.test(l)).length, 1, 'the warning of a process');
});

test('commands of one container run in order, those of several containers in parallel', async () => {
  const { server } = await pair();
  const [a, b] = [await engine.run('order-a', { command: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'] }), await engine.run('order-b')];
  await server.session();

  const slow = server.operation({ action: 'stop', container_id: a.id, timeout: 2 });
  const queued = server.operation({ action: 'start', container_id: a.id });
  const begin = Date.now();
  await server.operation({ action: 'restart', container_id: b.id, timeout: 0 });
  assert.ok(Date.now() - begin < 2000, 'another container does not wait');
  await Promise.all([slow, queued]);
  assert.equal(await engine.state(a.id), 'running', 'the start came after the stop');
});

test('each container event arrives once, without those of execs', async () => {
  const { server } = await pair();
  await server.session();
  const c = await engine.run('events');
  await engine.docker('exec', c.id, 'true');
  await engine.docker('rename', c.id, `${c.name}-x`);
  await engine.docker('kill', '-s', 'HUP', c.id);
  await engine.docker('stop', '-t', '0', c.id);
  await engine.docker('rm', c.id);
  const mine = await eventually(() => {
    const events = server.events('container_event').filter((e) => e.container_id === c.id);
    return events.some((e) => e.action === 'destroy') && events;
  });

  const actions = mine.map((e) => e.action);
  assert.ok(!actions.some((a) => a.startsWith('exec_')), actions.join(' '));
  for (const action of ['create', 'start', 'rename', 'die', 'destroy'])
    assert.equal(actions.filter((x) => x === action).length, 1, `${action} in ${actions.join(' ')}`);
  const start = mine.find((e) => e.action === 'start');
  assert.equal(start.container_name, c.name);
  assert.equal(start.image, 'dockmon-test:busybox');
  assert.ok(!Number.isNaN(Date.parse(start.timestamp)));
});

test('events during a disconnect arrive exactly once', async () => {
  const { server } = await pair();
  await server.session();
  const c = await engine.run('gap');
  await eventually(() => server.events('container_event').some((e) => e.container_id === c.id && e.action === 'start'));
  server.ws.terminate();
  for (let i = 0; i < 3; i++) await engine.docker('restart', '-t', '0', c.id);
  await server.session({ count: 2 });
  await engine.docker('pause', c.id);

  const actions = await eventually(() => {
    const list = server.events('container_event').filter((e) => e.container_id === c.id).map((e) => e.action);
    return list.includes('pause') && list;
  });
  assert.equal(actions.filter((a) => a === 'restart').length, 3, actions.join(' '));
  assert.equal(actions.filter((a) => a === 'start').length, 4, actions.join(' '));
});

test('after a refused permanent token the agent registers with a new registration token', async () => {
  const tokens = [];
  const { agent } = await pair({
    authorize(m) {
      tokens.push(m.token);
      return m.token === 'fresh'
        ? { type: 'auth_success', agent_id: 'a', host_id: 'h', permanent_token: 'new-permanent' }
        : { type: 'auth_error', error: 'Invalid registration token' };
    },
    token: 'fresh',
    env: { PERMANENT_TOKEN: 'stale' },
  });
  await eventually(async () => (await readFile(join(agent.dir, 'permanent_token'), 'utf8').catch(() => '')) === 'new-permanent');

  assert.deepEqual(tokens.slice(0, 2), ['stale', 'fresh']);
});

test('a refused token is logged clearly and not retried in a tight loop', async () => {
  const { server, agent } = await pair({
    authorize: () => ({ type: 'auth_error', error: 'Registration token has expired' }),
    env: { RECONNECT_INITIAL: '10ms', RECONNECT_MAX: '60s' },
  });
  await agent.process.line(/Registration token has expired/);
  await sleep(1500);
  assert.ok(server.connections <= 3, `${server.connections} connections`);
});

test('a server that accepts and drops is retried with backoff', async () => {
  const { server } = await pair({ env: { RECONNECT_INITIAL: '500ms', RECONNECT_MAX: '60s' } });
  const drop = setInterval(() => server.wss.clients.forEach((c) => c.terminate()), 20);
  await sleep(4000);
  clearInterval(drop);
  assert.ok(server.connections <= 14, `${server.connections} connections in 4 s`);
});

test('on SIGTERM a running command finishes and is answered', async () => {
  const { server, agent } = await pair();
  const c = await engine.run('graceful', { command: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'] });
  const ws = await server.session();
  const closed = closing(ws);

  const pending = server.operation({ action: 'stop', container_id: c.id, timeout: 3 });
  await sleep(300);
  const exit = agent.process.stop('SIGTERM');
  assert.equal((await pending).success, true);
  assert.equal((await exit).code, 0);
  assert.equal((await closed).code, 1001);
});

test('a token file may end with a newline, and an unwritable data directory is reported', async () => {
  const { agent } = await pair();
  await eventually(async () => (await readFile(join(agent.dir, 'permanent_token'), 'utf8').catch(() => '')) === 'permanent-1');
  await agent.down();
  await writeFile(join(agent.dir, 'permanent_token'), 'permanent-1\n');
  agent.token = '';
  await agent.up();
  await eventually(() => agent.server.registrations.length >= 2);
  assert.equal(agent.server.registrations.at(-1).token, 'permanent-1');
});

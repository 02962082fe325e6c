// Each failure is in the log of the server once, with the identity of every object involved.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Client, Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { closing, eventually } from './lib/wait.mjs';

let server, client, agent, element, base;

before(async () => {
  server = await Server.start({ args: ['--log-format', 'json', '--log-level', 'info'] });
  client = await server.client('operator');
  agent = new HandAgent(server);
  assert.equal((await agent.connect(await server.token())).type, 'auth_success');
  element = containerElement({ name: 'failing' });
  agent.containers = [element];
  await client.container('failing');
  base = `/api/hosts/${agent.hostId}/containers/${element.Id}`;
});

after(async () => {
  agent?.ws.terminate();
  await server?.remove();
});

// The lines above debug level that `doing` adds to the log.
async function lines(doing) {
  const from = server.process.lines.length;
  await doing();
  await client.get('/health');
  return server.process.lines.slice(from).map((l) => JSON.parse(l));
}

const idOf = (action) => agent.commands.findLast((c) => c.payload?.action === action).id;

test('a command that fails at the agent: host, agent, container and correlation id, once', async () => {
  agent.operations.start = () => ({ success: false, error: 'disk on fire', error_type: 'docker_error', status: 500 });
  const said = await lines(() => client.post(`${base}/start`, undefined, { status: 500 }));

  assert.equal(said.length, 1, JSON.stringify(said));
  const { level, msg, host, agent: id, container, id: correlation } = said[0];
  assert.deepEqual({ level, host, id, container, correlation }, {
    level: 'warning', host: agent.hostId, id: agent.agentId, container: element.Id, correlation: idOf('start'),
  });
  assert.match(msg, /start failed: disk on fire/);
});

// The engine quotes command lines and options of drivers, which are not for viewers: docs/policy.md.
test('the text of the engine about a failed change is for its caller and the audit log, not for the event log', async () => {
  const viewer = await server.client('viewer');
  const admin = await server.client('admin');
  const failure = (status) => ({ success: false, error: `exec: "mysql -ps3cret-${status}" not found`, error_type: 'docker_error', status });
  const statuses = [400, 404, 409, 500];
  for (const status of statuses) {
    agent.operations.start = () => failure(status);
    assert.match(JSON.stringify(await client.post(`${base}/start`, undefined, { status })), /s3cret/);
  }
  agent.onNamedCommand = function (message) {
    if (message.command === 'create_volume') this.send({ type: 'response', id: message.id, error: failure('volume').error });
    else HandAgent.prototype.onNamedCommand.call(this, message);
  };
  await client.fetch('POST', `/api/hosts/${agent.hostId}/volumes`, { body: { name: 'share' } });
  await client.post('/api/bulk', { action: 'start', containers: [{ host_id: agent.hostId, container_id: element.Id }] }, { status: 202 });
  const events = await eventually(async () => {
    const list = (await viewer.get('/api/events?limit=200')).events.filter((e) => / failed: /.test(e.message ?? ''));
    return list.length >= statuses.length + 2 && list;
  }, { what: 'an event of each failure' });
  assert.ok(events.some((e) => e.message === 'start failed: The Docker engine reports an error'), JSON.stringify(events));
  assert.doesNotMatch(JSON.stringify(events), /s3cret/);
  assert.match(JSON.stringify(await admin.get('/api/audit?limit=50')), /s3cret-500/);
});

test('refusals of the engine are not logged as failures', async () => {
  agent.operations.start = () => ({ success: false, error: 'No such container: x', error_type: 'docker_error', status: 404 });
  const said = await lines(() => client.post(`${base}/start`, undefined, { status: 404 }));

  assert.deepEqual(said.map((l) => [l.level, l.id]), [['info', idOf('start')]]);
});

test('the code decides, of agents without codes the words, and of unknown codes status and words', async () => {
  const cases = [
    [{ error: 'reworded', code: 'container_paused' }, 409, 'container_paused'],
    [{ error: 'reworded', code: 'policy_denied' }, 403, 'policy_denied'],
    [{ error: 'reworded', code: 'unknown_operation' }, 501, 'unknown_operation'],
    [{ error: 'reworded', code: 'agent_stopping' }, 503, 'agent_stopping'],
    [{ error: 'No such container: x' }, 404, 'no_such_container'],
    [{ error: 'refused', error_type: 'permission_denied' }, 403, 'policy_denied'],
    [{ error: 'unknown action: start' }, 501, 'unknown_operation'],
    [{ error: 'it broke' }, 500, 'engine_error'],
    [{ error: 'container x is not running', code: 'of_the_future', status: 409 }, 409, 'container_not_running'],
    [{ error: 'log in first', code: 'not_authenticated' }, 500, 'engine_error'],
  ];

  for (const [failure, status, code] of cases) {
    agent.operations.start = () => ({ success: false, ...failure });
    const body = await client.post(`${base}/start`, undefined, { status });

    assert.equal(body.code, code, JSON.stringify(failure));
    assert.ok(body.detail.includes(failure.error), body.detail);
  }
});

test('an invalid reply: host and container, once', async () => {
  agent.operations.inspect = () => ({ container: 'x' });
  const said = await lines(() => client.get(`${base}/inspect`, { status: 502 }));

  assert.equal(said.length, 1, JSON.stringify(said));
  assert.deepEqual([said[0].host, said[0].container, said[0].peer], [agent.hostId, element.Id, '127.0.0.1']);
  assert.match(said[0].msg, /^GET .*\/inspect failed: /);
});

test('jobs: each failed item, once', async () => {
  agent.operations.stop = () => ({ success: false, error: 'stuck', error_type: 'docker_error', status: 500 });
  const said = await lines(async () => {
    const job = await client.post('/api/bulk', { action: 'stop', containers: [{ host_id: agent.hostId, container_id: element.Id }] }, { status: 202 });
    await eventually(async () => (await client.get(`/api/bulk/${job.id}`)).status === 'failed', { what: 'the job is done' });
  });

  assert.equal(said.length, 1, JSON.stringify(said));
  assert.deepEqual([said[0].host, said[0].container, said[0].id], [agent.hostId, element.Id, idOf('stop')]);
});

test('an agent that disconnects meanwhile: the session and each pending command, once', async () => {
  agent.operations.start = undefined;
  agent.isSilent = true;
  const before = agent.commands.filter((c) => c.payload?.action === 'start').length;
  const said = await lines(async () => {
    const answer = client.post(`${base}/start`, undefined, { status: 503 });
    await eventually(() => agent.commands.filter((c) => c.payload?.action === 'start').length > before);
    agent.ws.terminate();
    await answer;
  });

  assert.equal(said.length, 2, JSON.stringify(said));
  const of = (pattern) => said.find((l) => pattern.test(l.msg));
  assert.deepEqual([of(/disconnected \(/).agent, of(/disconnected \(/).host], [agent.agentId, agent.hostId]);
  assert.deepEqual([of(/start failed/).host, of(/start failed/).id], [agent.hostId, idOf('start')]);
});

test('reads are tried again, and an agent whose answers cannot be read is left alone for a while', async () => {
  const bad = new HandAgent(server);
  const own = containerElement({ name: 'unreadable' });
  bad.containers = [own];
  assert.equal((await bad.connect(await server.token())).type, 'auth_success');
  await client.container('unreadable');
  const host = `/api/hosts/${bad.hostId}`;
  const path = `${host}/containers/${own.Id}`;
  const count = (action) => bad.commands.filter((c) => c.payload?.action === action).length;
  const circuit = async () => [
    (await client.get(`${host}/agent`)).circuit,
    /dockmon_host_circuit_open\{[^}]*\} (\d)/.exec((await (await client.fetch('GET', '/metrics')).text()).split('\n').find((l) => l.startsWith('dockmon_host_circuit_open{') && l.includes(bad.hostname)))?.[1],
  ];
  assert.deepEqual(await circuit(), ['closed', '0']);

  let answers = 0;
  bad.operations.inspect = () => (++answers < 3 ? { success: undefined } : { container: { Id: own.Id } });
  await client.call('GET', `${path}/inspect`).catch(() => {});
  assert.equal(count('inspect'), 3, 'twice again');

  bad.operations.stop = () => ({ success: undefined });
  const changes = (said) => said.filter((l) => /^commands to the agent are /.test(l.msg)).map(({ level, msg, host }) => ({ level, msg, host }));
  const opening = await lines(async () => {
    for (let i = 0; i < 3; i++) await client.post(`${path}/stop`, undefined, { status: 502 });
    await client.post(`${path}/stop`, undefined, { status: 503 });
  });
  assert.deepEqual(changes(opening), [
    { level: 'warning', msg: 'commands to the agent are held back: 5 commands were not answered properly within a minute', host: bad.hostId },
  ], 'the change is logged once');
  assert.equal(count('stop'), 3, 'what changes something is not tried again');
  assert.deepEqual(await circuit(), ['open', '1']);
  const refused = await client.fetch('POST', `${path}/stop`);
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  assert.equal((await refused.json()).code, 'circuit_open');
  assert.equal(count('stop'), 3);

  const closing = await lines(async () => {
    bad.ws.terminate();
    await eventually(async () => (await circuit())[0] === 'closed', { what: 'the connection has ended' });
  });
  assert.deepEqual(changes(closing), [
    { level: 'info', msg: 'commands to the agent are sent again: the connection of the agent has ended', host: bad.hostId },
  ]);
  const again = new HandAgent(server, { engineId: bad.engineId, hostname: bad.hostname });
  again.containers = [own];
  again.operations.stop = () => ({ status: 'stopped' });
  assert.equal((await again.connect(bad.permanentToken)).type, 'auth_success');
  await client.post(`${path}/stop`);
  assert.deepEqual(await circuit(), ['closed', '0'], 'a new connection begins closed');
  again.ws.terminate();
  await eventually(async () => (await client.get('/api/hosts')).find((h) => h.id === bad.hostId).status === 'offline', { what: 'the agent has gone' });
});

test('unauthenticated clients cannot fill the log', async () => {
  const said = await lines(async () => {
    for (let i = 0; i < 60; i++) {
      const ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/agent/ws`);
      ws.on('open', () => ws.send('{"type":"register"}'));
      await closing(ws);
    }
  });

  assert.ok(said.length >= 10 && said.length <= 20, `${said.length} lines`);
  assert.ok(said.every((l) => l.peer === '127.0.0.1' && /^agent refused: /.test(l.msg)));
});

test('unauthenticated clients cannot fill the audit log or hide a failed login', async () => {
  const nobody = new Client(server);
  const admin = await server.client('admin');
  const rows = async (action) => (await admin.get(`/api/audit?who=-&limit=1000&action=${action}`)).entries;
  for (let n = 0; n < 300; n += 50) await Promise.all(Array.from({ length: 50 }, () => nobody.fetch('POST', '/api/agent/generate-token')));
  await nobody.fetch('POST', '/api/v2/auth/login', { body: { username: 'mallory', password: 'wrong' } });
  await eventually(async () => (await rows('login')).some((e) => e.target === 'mallory' && e.result.startsWith('401')), { what: 'the login in the audit log' });
  const n = (await rows('token_create')).length;
  assert.ok(n >= 100 && n <= 250, `${n} rows`);
});

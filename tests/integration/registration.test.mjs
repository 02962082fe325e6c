// Tokens, identities and sessions, with agents written by hand on npm `ws` at both eras.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Server } from './lib/dockmon.mjs';
import { eventually } from './lib/wait.mjs';

let server, client;
const agents = [];

const hand = (options) => {
  const a = new HandAgent(server, options);
  agents.push(a);
  return a;
};

before(async () => {
  server = await Server.start();
  client = await server.client('admin');
});

after(async () => {
  for (const a of agents) a.ws?.terminate();
  await server?.remove();
});

const hostOf = async (a) => (await client.get('/api/hosts')).find((h) => h.id === a.hostId);

for (const era of ['seed', 'head']) {
  test(`an agent of the ${era} era registers, is polled, and every operation reaches it`, async () => {
    const a = hand({ era });
    const element = containerElement({ name: `web-${era}` });
    a.containers = [element];
    const reply = await a.connect(await server.token());

    assert.equal(reply.type, 'auth_success');
    assert.match(reply.agent_id, /^[0-9a-f-]{36}$/);
    assert.match(reply.host_id, /^[0-9a-f-]{36}$/);
    assert.match(reply.permanent_token, /^[A-Za-z0-9_:-]{1,255}$/);
    assert.notEqual(reply.permanent_token, reply.agent_id, 'the id is listed by the API, so it must not be the secret');
    const host = await eventually(() => hostOf(a));
    assert.equal(host.name, a.hostname);
    assert.equal(host.agent.version, era === 'seed' ? '2.2.0' : '1.1.2');

    const listed = await client.container(`web-${era}`);
    assert.deepEqual([listed.id, listed.full_id], [element.Id.slice(0, 12), element.Id]);
    assert.deepEqual(listed.ports, ['8080:80/tcp', '443/tcp']);
    assert.deepEqual(listed.repo_digests, element.RepoDigests);

    const done = { start: 'started', stop: 'stopped', restart: 'restarted', kill: 'killed', rename: 'renamed' };
    for (const [action, status] of Object.entries(done)) {
      a.operations[action] = () => ({ status });
      const body = action === 'rename' ? { name: 'other' } : undefined;
      await client.post(`/api/hosts/${a.hostId}/containers/${element.Id}/${action}`, body);
      const sent = a.commands.filter((c) => c.type === 'container_operation').at(-1);
      assert.equal(sent.payload.action, action);
      assert.equal(sent.payload.container_id, element.Id);
      assert.equal(sent.id, sent.correlation_id);
      assert.equal(sent.id.length, 36);
    }
    a.operations.get_logs = (f) => ({ logs: `2025-11-05T08:00:00.123456789Z tail ${f.tail}\n2025-11-05T09:00:01.5+01:00 of the driver local\n` });
    const logs = await client.get(`/api/hosts/${a.hostId}/containers/${element.Id}/logs?tail=7`);
    assert.deepEqual(logs.logs, [
      { timestamp: '2025-11-05T08:00:00.123456Z', log: 'tail 7', stream: null },
      { timestamp: '2025-11-05T08:00:01.500000Z', log: 'of the driver local', stream: null },
    ]);
    a.operations.inspect = () => ({ container: { Id: element.Id, Name: `/web-${era}`, Config: { Env: ['A=b'] } } });
    const inspect = await client.get(`/api/hosts/${a.hostId}/containers/${element.Id}/inspect`);
    assert.deepEqual(inspect.Config.Env, ['A=b']);
    a.operations.remove = () => ({ removed: true });
    await client.delete(`/api/hosts/${a.hostId}/containers/${element.Id}`);
    assert.equal(a.commands.at(-1).payload?.force ?? a.commands.filter((c) => c.payload?.action === 'remove').at(-1).payload.force, true);
  });

  test(`operations that an agent of the ${era} era does not support are refused with the reason`, async () => {
    const a = hand({ era });
    a.containers = [containerElement({ name: `old-${era}` })];
    await a.connect(await server.token());
    const c = await client.container(`old-${era}`);

    await client.post(`/api/hosts/${a.hostId}/containers/${c.id}/pause`, undefined, { status: 501 });
    a.operations.start = () => {
      throw new Error('Error response from daemon: driver failed');
    };
    const failed = await client.post(`/api/hosts/${a.hostId}/containers/${c.id}/start`, undefined, { status: 500 });
    assert.match(failed.detail, /driver failed/);
  });
}

test('a single-use token registers one host; a used or unknown token none', async () => {
  const token = await server.token();

  assert.equal((await hand().connect(token)).type, 'auth_success');
  const second = hand();
  const reply = await second.connect(token);
  assert.equal(reply.type, 'auth_error');
  assert.match(reply.error, /already been used|maximum uses/);
  assert.deepEqual(await second.closed, { code: 1008, reason: 'Authentication failed' });
  assert.equal((await hand().connect('00000000-0000-4000-8000-000000000000')).error, 'Invalid registration token');
});

test('twenty agents at once with one single-use token: exactly one is registered', async () => {
  const token = await server.token();
  const replies = await Promise.all(Array.from({ length: 20 }, () => hand().connect(token)));

  assert.equal(replies.filter((r) => r.type === 'auth_success').length, 1);
});

test('a multi-use token registers several hosts', async () => {
  const { token, multi_use: isMultiUse } = await client.post('/api/agent/generate-token', { multi_use: true });

  assert.equal(isMultiUse, true);
  for (let i = 0; i < 3; i++) assert.equal((await hand().connect(token)).type, 'auth_success');
});

test('a refused registration leaves the token usable', async () => {
  const token = await server.token();
  const bad = await hand({ fields: { total_memory: 0 } }).connect(token);

  assert.match(bad.error, /^Invalid registration data: .*\(field: total_memory\)/);
  assert.equal((await hand().connect(token)).type, 'auth_success');
});

test('a second registration with the same engine id is refused with a remedy', async () => {
  const first = hand();
  await first.connect(await server.token());
  const clash = await hand({ engineId: first.engineId }).connect(await server.token());

  assert.equal(clash.type, 'auth_error');
  assert.match(clash.error, /already registered/);
  assert.match(clash.error, /FORCE_UNIQUE_REGISTRATION/);
  assert.match(clash.error, /engine-id/);
});

test('cloned machines can register side by side', async () => {
  const first = hand();
  await first.connect(await server.token());
  const fields = { force_unique_registration: true, hostname_source: 'daemon' };
  const refused = await hand({ engineId: first.engineId, fields }).connect(await server.token());
  assert.match(refused.error, /AGENT_NAME/);

  const second = hand({ engineId: first.engineId, fields: { ...fields, hostname_source: 'agent_name' } });
  const reply = await second.connect(await server.token());
  assert.equal(reply.type, 'auth_success');
  assert.notEqual(second.hostId, first.hostId);
  assert.notEqual(second.agentId, first.agentId);
});

test('the permanent token reconnects to the same host; another engine id is an event', async () => {
  const a = hand();
  await a.connect(await server.token());
  const { hostId, permanentToken, engineId } = a;
  await a.close();
  await eventually(async () => (await hostOf(a)).status === 'offline');

  a.engineId = randomUUID();
  assert.equal((await a.connect(permanentToken)).type, 'auth_success');
  assert.equal(a.hostId, hostId);
  assert.equal(a.permanentToken, permanentToken);
  assert.equal((await hostOf(a)).status, 'online');
  const event = await eventually(
    async () => (await client.get(`/api/events?host_id=${hostId}`)).events.find((e) => e.event_type === 'engine_changed'),
    { what: 'the event engine_changed' },
  );
  assert.equal(event.details.old_engine_id, engineId);
  assert.equal(event.details.new_engine_id, a.engineId);
  assert.equal((await client.get(`/api/agent/${a.agentId}/status`)).agent.engine_id, a.engineId);
});

test('the agent id that the API lists is not a credential', async () => {
  const a = hand();
  await a.connect(await server.token());
  const imposter = await hand({ engineId: a.engineId }).connect(a.agentId);

  assert.equal(imposter.type, 'auth_error');
});

test('a newer connection supersedes the older, whose close changes nothing', async () => {
  const old = hand();
  await old.connect(await server.token());
  const young = hand({ engineId: old.engineId, hostname: old.hostname });
  await young.connect(old.permanentToken);

  assert.deepEqual(await old.closed, { code: 1000, reason: 'New connection established' });
  assert.equal(young.hostId, old.hostId);
  assert.equal((await hostOf(young)).status, 'online');
  young.containers = [containerElement({ name: 'after-supersede' })];
  await client.container('after-supersede');
});

test('a name in use is refused at registration, and a reconnect with it keeps the old name', async () => {
  const a = hand({ hostname: 'taken-name' });
  await a.connect(await server.token());
  const b = hand({ hostname: 'taken-name' });
  assert.match((await b.connect(await server.token())).error, /A host named 'taken-name' already exists/);

  b.hostname = 'other-name';
  await b.connect(await server.token());
  await b.close();
  b.hostname = 'taken-name';
  assert.equal((await b.connect(b.permanentToken)).type, 'auth_success');
  assert.equal((await hostOf(b)).name, 'other-name');
});

test('an invalid first frame ends the connection with a reason', async () => {
  const cases = [
    ['not json', 1008],
    ['[]', 1008],
    ['{"type":"register"', 1008],
    [Buffer.from([1, 2, 3]), 1008],
    [{ type: 'hello' }, 1008],
    [{ type: 'register' }, 1008],
    ['x'.repeat(70 * 1024), 1009],
  ];
  for (const [first, code] of cases) {
    const a = hand();
    await a.dial(first);
    assert.equal((await a.closed).code, code, JSON.stringify(first).slice(0, 60));
  }
  assert.equal((await hand().dial({ type: 'hello' })).error, 'Invalid authentication type: hello');
});

test('unknown fields of a register message are ignored', async () => {
  const reply = await hand({ fields: { colour: 'blue', nested: { deep: [1, 2, 3] } } }).connect(await server.token());

  assert.equal(reply.type, 'auth_success');
});

test('a reply counts only from the agent that was asked, and only once', async () => {
  const asked = hand();
  const other = hand();
  const element = containerElement({ name: 'asked' });
  asked.containers = [element];
  await asked.connect(await server.token());
  await other.connect(await server.token());
  await client.container('asked');
  asked.isSilent = true;

  const pending = client.fetch('POST', `/api/hosts/${asked.hostId}/containers/${element.Id}/start`);
  const command = await eventually(() => asked.commands.find((c) => c.payload?.action === 'start'));
  other.send({ correlation_id: command.id, success: false, error: 'forged' });
  asked.send({ correlation_id: command.id, success: true, status: 'started' });
  asked.send({ correlation_id: command.id, success: false, error: 'again' });
  assert.equal((await pending).status, 200);
  asked.isSilent = false;
  assert.equal((await hostOf(asked)).status, 'online', 'late and duplicate replies are harmless');
});

test('a disconnect fails pending commands at once', async () => {
  const a = hand();
  const element = containerElement({ name: 'leaving' });
  a.containers = [element];
  await a.connect(await server.token());
  await client.container('leaving');
  a.isSilent = true;

  const begin = Date.now();
  const pending = client.fetch('POST', `/api/hosts/${a.hostId}/containers/${element.Id}/start`);
  await eventually(() => a.commands.find((c) => c.payload?.action === 'start'));
  a.ws.terminate();
  const answer = await pending;
  assert.equal(answer.status, 503);
  assert.ok(Date.now() - begin < 10000);
  const offline = await client.post(`/api/hosts/${a.hostId}/containers/${element.Id}/start`, undefined, { status: 503 });
  assert.match(offline.detail, /offline/);
  assert.equal((await client.container('leaving')).host_online, false, 'the containers of an offline host stay listed');
});

test('deleting a host closes its socket and invalidates its token', async () => {
  const a = hand();
  await a.connect(await server.token());
  await client.delete(`/api/hosts/${a.hostId}`);

  await a.closed;
  assert.equal(await hostOf(a), undefined);
  assert.equal((await a.connect(a.permanentToken)).type, 'auth_error');
  await client.delete(`/api/hosts/${a.hostId}`, { status: 404 });
});

test('a binary frame ends only its session, and invalid messages end none', { timeout: 30000 }, async () => {
  const good = hand();
  await good.connect(await server.token());
  const bad = hand();
  await bad.connect(await server.token());
  bad.send(Buffer.from([0, 1, 2]));
  assert.equal((await bad.closed).code, 1008);
  good.send('{');
  good.send('[1]');
  good.send({ type: 'no-such-type' });
  good.send({ type: 'event', command: 'no-such-event', payload: {} });
  good.send({ type: 'event', command: 'container_event', payload: { container_id: 7 } });
  good.send({ correlation_id: 'nobody-waits', success: true });
  good.containers = [containerElement({ name: 'still-good' })];
  await client.container('still-good');
});

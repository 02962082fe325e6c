// Hosts through REST: names and tags, the description of the agent, migration of hosts that were reached over
// mTLS, expiry of tokens, the time an agent was last seen, and the limits of one agent.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Server } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';
import { eventually, opening, sleep } from './lib/wait.mjs';

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
let server, client;
const agents = [];

before(async () => {
  server = await Server.start({ args: ['--poll-interval', '500ms'] });
  client = await server.client('admin');
});

after(async () => {
  for (const a of agents) a.ws?.terminate();
  await server?.remove();
});

async function joined(options) {
  const a = new HandAgent(server, options);
  agents.push(a);
  const reply = await a.connect(await server.token());
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  return a;
}

const hostOf = async (id) => (await client.get('/api/hosts')).find((h) => h.id === id);
const put = (id, body, status = 200) => client.call('PUT', `/api/hosts/${id}`, { body, status });
const patch = (id, body, status = 200) => client.call('PATCH', `/api/hosts/${id}/tags`, { body, status });

// Rows that the API no longer creates, such as hosts without an agent, are written into the database.
async function sql(text) {
  const r = await run('sqlite3', ['-cmd', '.timeout 5000', '-cmd', 'PRAGMA foreign_keys=ON', join(server.dir, 'dockmon.db'), text]);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout.trim();
}

const quoted = (v) => (v === null ? 'NULL' : typeof v === 'number' ? String(v) : `'${v.replaceAll("'", "''")}'`);

function insert(table, row) {
  return sql(`INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES (${Object.values(row).map(quoted).join(', ')})`);
}

const oldHost = (id, name, engineId, more = {}) =>
  insert('hosts', {
    id, name, url: 'tcp://192.0.2.9:2376', connection: 'remote', is_active: 1, engine_id: engineId, total_memory: 1, num_cpus: 1,
    is_podman: 0, created_at_ms: 1762300000000, updated_at_ms: 1762300000000, ...more,
  });

test('changes of name, description and tags survive a restart and a re-registration', async () => {
  const a = await joined();
  const changed = await put(a.hostId, { name: 'renamed', description: 'in the cellar', tags: ['prod', 'db'] });
  assert.equal(changed.name, 'renamed');
  assert.equal(changed.description, 'in the cellar');
  assert.deepEqual(changed.tags, ['prod', 'db']);
  assert.deepEqual(await patch(a.hostId, { tags_to_add: ['eu', 'db'], tags_to_remove: ['prod'] }), { tags: ['db', 'eu'] });
  assert.deepEqual(await patch(a.hostId, {}), { tags: ['db', 'eu'] });
  const many = Array.from({ length: 20 }, (_, i) => `t${i}`);
  await Promise.all(many.map((t) => patch(a.hostId, { tags_to_add: [t] }))); // at the same time: all take effect
  assert.equal((await patch(a.hostId, {})).tags.length, 22);
  await patch(a.hostId, { tags_to_remove: many });
  // DockMon's web UI sends no tags with every change, and all of them in their order when one is moved.
  for (const tags of [[], null]) assert.deepEqual((await put(a.hostId, { name: 'renamed', tags })).tags, ['db', 'eu']);
  assert.deepEqual(await patch(a.hostId, { ordered_tags: ['EU', 'Db', 'eu', 'Shop'] }), { tags: ['eu', 'db', 'shop'] });
  assert.deepEqual(await patch(a.hostId, { tags_to_add: ['SHOP', 'X'], tags_to_remove: ['Eu'] }), { tags: ['db', 'shop', 'x'] });
  assert.deepEqual((await put(a.hostId, { tags: ['DB', 'db', 'Eu'] })).tags, ['db', 'eu']);
  assert.deepEqual(await patch(a.hostId, { ordered_tags: [] }), { tags: [] });
  assert.deepEqual(await patch(a.hostId, { ordered_tags: ['db', 'eu'] }), { tags: ['db', 'eu'] });
  await put(a.hostId, { description: null });

  await server.down();
  await server.up();
  const host = await hostOf(a.hostId);
  assert.equal(host.name, 'renamed');
  assert.equal(host.description, 'in the cellar', 'null keeps the value');
  assert.deepEqual(host.tags, ['db', 'eu']);
});

// A client of the feed; `query` as in the URL. Its messages are collected.
async function watching(query) {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws${query}`, { headers: { authorization: `Bearer ${client.key}` } });
  ws.messages = [];
  ws.on('message', (d) => ws.messages.push(JSON.parse(d)));
  agents.push({ ws });
  await opening(ws);
  return ws;
}

async function again(a) {
  await a.close();
  return a.connect(a.permanentToken);
}

test('a name that a user has given stays; a change by the agent is an event', async () => {
  const a = await joined({ hostname: 'by-agent' });
  a.hostname = 'renamed-by-agent';
  assert.equal((await again(a)).type, 'auth_success');
  assert.equal((await hostOf(a.hostId)).name, 'renamed-by-agent');
  const renamed = await eventually(async () => (await client.get(`/api/events?host_id=${a.hostId}`)).events.find((e) => e.event_type === 'host_renamed'));
  assert.equal(renamed.details.old_name, 'by-agent');
  assert.equal(renamed.details.new_name, 'renamed-by-agent');

  await put(a.hostId, { name: 'by-user' });
  a.hostname = 'attacker-chosen';
  assert.equal((await again(a)).type, 'auth_success');
  assert.equal((await hostOf(a.hostId)).name, 'by-user');
  const thief = await joined({ hostname: 'thief' });
  thief.hostname = 'renamed-by-agent';
  assert.equal((await again(thief)).type, 'auth_success');
  assert.equal((await hostOf(thief.hostId)).name, 'thief', 'a former name of another host is not taken');
  await client.delete(`/api/hosts/${a.hostId}`);
  thief.hostname = 'by-user';
  assert.equal((await again(thief)).type, 'auth_success');
  assert.equal((await hostOf(thief.hostId)).name, 'thief', 'nor that of a deleted one');
});

test('changes of a host by REST are pushed to the clients of the feed', async () => {
  const a = await joined();
  const ws = await watching('?subscribe=true');
  ws.send(JSON.stringify({ type: 'subscribe', id: 1, topics: ['hosts'] }));
  const seen = (check) => eventually(() => ws.messages.some((m) => (m.hosts ?? []).some((h) => h.id === a.hostId && check(h))), { timeout: 5000 });
  await seen(() => true);
  await put(a.hostId, { name: 'pushed-name' });
  await seen((h) => h.name === 'pushed-name');
  await patch(a.hostId, { tags_to_add: ['pushed-tag'] });
  await seen((h) => h.tags.includes('pushed-tag'));
});

test('clients of the feed learn of a migrated host', async () => {
  await oldHost('old-frame', 'legacy-frame', 'MIGR:ATED:FRAME');
  const ws = await watching('');
  const a = new HandAgent(server, { engineId: 'MIGR:ATED:FRAME', hostname: 'own-name' });
  agents.push(a);
  assert.equal((await a.connect(await server.token())).type, 'auth_success');
  const { data } = await eventually(() => ws.messages.find((m) => m.type === 'host_migrated'), { what: 'the frame host_migrated' });
  assert.deepEqual(data, { old_host_id: 'old-frame', old_host_name: 'legacy-frame', new_host_id: a.hostId, new_host_name: 'legacy-frame' });
  const { events } = await client.get(`/api/events?host_id=${a.hostId}`);
  assert.equal(events.filter((e) => e.event_type === 'host_migrated').length, 1);
});

test('an invalid change is refused by name and changes nothing', async () => {
  const a = await joined({ hostname: 'first-of-two' });
  const b = await joined({ hostname: 'second-of-two' });
  assert.match((await put(b.hostId, { name: 'first-of-two' }, 409)).detail, /first-of-two/);
  for (const [body, word] of [
    [{ name: '' }, 'name'],
    [{ name: 7 }, 'name'],
    [{ name: 'all' }, 'all hosts'],
    [{ name: 'a\nb' }, 'printable'],
    [{ name: 'a\u202eb' }, 'printable'],
    [{ name: UNKNOWN }, 'UUID'],
    [{ name: 'x'.repeat(256) }, 'name'],
    [{ description: 7 }, 'description'],
    [{ description: 'x'.repeat(1001) }, 'description'],
    [{ tags: 'x' }, 'tags'],
    [{ tags: [''] }, 'tag'],
    [{ tags: [7] }, 'tag'],
    [{ tags: Array.from({ length: 51 }, (_, i) => `t${i}`) }, 'tags'],
  ])
    assert.match((await put(b.hostId, body, 422)).detail, new RegExp(word), JSON.stringify(body).slice(0, 60));
  for (const body of [{ tags_to_add: 'x' }, { tags_to_add: ['x'.repeat(65)] }, { tags_to_remove: [null] }]) await patch(b.hostId, body, 422);
  await put(b.hostId, 'no json', 400);
  await put(UNKNOWN, { name: 'x' }, 404);
  await patch(UNKNOWN, {}, 404);
  const host = await hostOf(b.hostId);
  assert.equal(host.name, 'second-of-two');
  assert.deepEqual(host.tags, []);
  assert.equal((await hostOf(a.hostId)).name, 'first-of-two');
});

test('the number of tags is limited', async () => {
  const a = await joined();
  const some = (from) => Array.from({ length: 30 }, (_, i) => `t${from + i}`);
  await patch(a.hostId, { tags_to_add: some(0) });
  assert.match((await patch(a.hostId, { tags_to_add: some(30) }, 422)).detail, /50/);
  assert.equal((await hostOf(a.hostId)).tags.length, 30);
});

test('the API describes an agent', async () => {
  const a = await joined();
  const { agents: list, total, connected_count: connected } = await client.get('/api/agent/list');
  assert.equal(total, list.length);
  assert.equal(connected, list.filter((x) => x.connected).length);
  const listed = list.find((x) => x.agent_id === a.agentId);
  assert.deepEqual(Object.keys(listed).sort(), [
    'agent_id', 'capabilities', 'connected', 'engine_id', 'host_id', 'host_name', 'last_seen_at', 'policy', 'proto_version', 'registered_at', 'revoked', 'stats',
    'status', 'version',
  ]);
  const { agent, success } = await client.get(`/api/agent/${a.agentId}/status`);
  assert.equal(success, true);
  assert.ok(agent.last_seen_at >= listed.last_seen_at, 'it may have been seen meanwhile');
  assert.deepEqual({ ...agent, last_seen_at: '' }, { ...listed, last_seen_at: '' });
  await client.get(`/api/agent/${UNKNOWN}/status`, { status: 404 });

  const byHost = await client.get(`/api/hosts/${a.hostId}/agent`);
  assert.equal(byHost.id, a.agentId);
  assert.equal(byHost.arch, 'arm64');
  assert.equal(byHost.os, 'linux');
  assert.equal(byHost.status, 'online');
  assert.equal(byHost.version, '1.1.2');
  assert.equal(byHost.capabilities.container_operations, true);
  assert.equal(byHost.stats, null); // this agent has not reported the source of its statistics
  assert.deepEqual([byHost.update_available, byHost.latest_version], [false, null]); // no program for arm64 is offered
  assert.equal(byHost.is_container_mode, false); // DockMon's agents say whether they can update themselves
  assert.ok(Date.parse(byHost.last_seen_at));
  assert.equal((await hostOf(a.hostId)).security_status, 'secure');
  await client.get(`/api/hosts/${UNKNOWN}/agent`, { status: 404 });
  assert.ok(!JSON.stringify([list, byHost, await client.get('/api/hosts')]).includes(a.permanentToken), 'the token is in no answer');
});

test('last_seen_at follows heartbeats and pongs, not only connects', { timeout: 60000 }, async () => {
  const a = await joined();
  const seen = async () => Date.parse((await client.get(`/api/agent/${a.agentId}/status`)).agent.last_seen_at);
  const first = await seen();
  await sleep(20);
  a.send({ type: 'heartbeat' });
  const second = await eventually(async () => (await seen()) > first && seen(), { what: 'a heartbeat counts' });
  assert.ok(Math.abs(Date.now() - second) < 10000);
  a.ws.pong();
  await eventually(async () => (await seen()) > second, { what: 'a pong counts', timeout: 40000 });
});

test('a path takes the name of a host or a prefix of its id, as `hosts` prints them; an unknown member of a change of tags is refused', async () => {
  const a = await joined({ hostname: 'named-in-a-path' });
  for (const ref of [a.hostId, 'named-in-a-path', a.hostId.slice(0, 8)]) {
    await client.get(`/api/hosts/${ref}/agent`);
    const { tags } = await client.call('PATCH', `/api/hosts/${ref}/tags`, { body: { tags_to_add: [`by-${ref}`] } });
    assert.ok(tags.includes(`by-${ref}`));
    assert.ok(Array.isArray(await client.get(`/api/containers?host_id=${ref}`)));
    assert.equal(typeof (await client.get(`/api/events?host_id=${ref}`)).total_count, 'number');
  }
  assert.ok((await client.get('/api/events?host_id=named-in-a-path')).total_count > 0);
  await client.get(`/api/hosts/${a.hostId.slice(0, 3)}/agent`, { status: 404 });
  await joined({ hostname: a.hostId.slice(0, 8) }); // a name comes before a prefix
  assert.notEqual((await client.get(`/api/hosts/${a.hostId.slice(0, 8)}/agent`)).agent_id, a.agentId);
  const refused = await client.call('PATCH', `/api/hosts/${a.hostId}/tags`, { body: { tags_to_ad: ['x'] }, status: 422 });
  assert.match(refused.detail, /unknown member `tags_to_ad`/);
});

test('an expired registration token is refused', async () => {
  const token = await server.token();
  await sql(`UPDATE registration_tokens SET expires_at_ms = 1000 WHERE id = (SELECT max(id) FROM registration_tokens)`);
  const reply = await new HandAgent(server).connect(token);
  assert.equal(reply.type, 'auth_error');
  assert.match(reply.error, /expired/);
});

test('a registration token is valid for fifteen minutes', async () => {
  const before = Date.now();
  const { token, expires_at: at } = await client.post('/api/agent/generate-token', {});
  assert.match(token, /^[0-9a-f-]{36}$/);
  assert.ok(Math.abs(Date.parse(at) - before - 15 * 60 * 1000) < 2000, at);
  assert.match(at, /Z$/);
});

test('tokens and keys are not in the database in plain text', async () => {
  const token = await server.token();
  const a = await joined();
  const dump = await sql('.dump');
  for (const secret of [token, a.permanentToken, client.key, await server.adminPassword()]) assert.ok(!dump.includes(secret), secret);
});

test('one mTLS host with the same engine is migrated when its agent registers', async () => {
  const engineId = 'MIGR:ATED:0001';
  await oldHost('old-1', 'legacy', engineId, { tags: '["kept"]' });
  await insert('container_settings', { host_id: 'old-1', subject: 'web', kind: 'desired_state', data: '{"x":1}', updated_at_ms: 1 });
  await insert('container_settings', { host_id: 'old-1', subject: 'web', kind: 'tags', data: '[]', updated_at_ms: 1 });
  const a = new HandAgent(server, { engineId, hostname: 'agents-own-name' });
  agents.push(a);
  const reply = await a.connect(await server.token());

  assert.equal(reply.type, 'auth_success');
  assert.notEqual(a.hostId, 'old-1');
  assert.equal((await hostOf(a.hostId)).name, 'legacy', 'the name of the old host is kept');
  assert.equal(await sql(`SELECT is_active || ' ' || replaced_by || ' ' || name FROM hosts WHERE id = 'old-1'`), `0 ${a.hostId} legacy (migrated)`);
  for (const kind of ['desired_state', 'tags'])
    assert.equal(await sql(`SELECT host_id || ' ' || subject FROM container_settings WHERE kind = '${kind}'`), `${a.hostId} web`, kind);
});

test('with several candidates the user chooses one', async () => {
  const engineId = 'MIGR:ATED:0002';
  await oldHost('old-2a', 'legacy-a', engineId);
  await oldHost('old-2b', 'legacy-b', engineId);
  await oldHost('old-other', 'legacy-other', 'ANOTHER:ENGINE');
  await insert('container_settings', { host_id: 'old-2b', subject: 'web', kind: 'auto_restart', data: '{}', updated_at_ms: 1 });
  const a = await joined({ engineId });
  const migrate = (from, status) => client.post(`/api/agent/${a.agentId}/migrate-from/${from}`, undefined, { status });

  assert.match((await migrate('old-other', 400)).detail, /another Docker engine/);
  assert.match((await migrate(a.hostId, 400)).detail, /mTLS/);
  assert.ok([400, 404].includes((await client.fetch('POST', `/api/agent/${a.agentId}/migrate-from/${UNKNOWN}`)).status));
  assert.ok([400, 404].includes((await client.fetch('POST', `/api/agent/${UNKNOWN}/migrate-from/old-2b`)).status));
  const done = await migrate('old-2b', 200);
  assert.deepEqual(done, {
    success: true, agent_id: a.agentId, host_id: a.hostId, migrated_from: { host_id: 'old-2b', host_name: 'legacy-b' }, transferred_count: 1,
  });
  assert.equal(await sql(`SELECT host_id FROM container_settings WHERE kind = 'auto_restart'`), a.hostId);
  assert.equal(await sql(`SELECT is_active FROM hosts WHERE id = 'old-2a'`), '1', 'the other candidate is left alone');
  assert.match((await migrate('old-2b', 400)).detail, /already/);
});

test('a local host with the same engine prevents a registration', async () => {
  const engineId = 'LOCA:LHOS:T001';
  await oldHost('local-1', 'local', engineId, { connection: 'local', url: 'unix:///var/run/docker.sock' });
  const fields = { force_unique_registration: true, hostname_source: 'agent_name' };
  for (const f of [{}, fields]) {
    const reply = await new HandAgent(server, { engineId, fields: f }).connect(await server.token());
    assert.equal(reply.type, 'auth_error');
    assert.match(reply.error, /local/);
    assert.match(reply.error, /not supported/);
  }
});

test('an agent of an old database can use its id as token, once', async () => {
  const id = '11111111-2222-4333-8444-555555555555';
  await oldHost('legacy-host', 'legacy-agent', 'LEGA:CYAG:ENT1', { connection: 'agent', url: 'agent://' });
  await insert('agents', {
    id, host_id: 'legacy-host', engine_id: 'LEGA:CYAG:ENT1', version: '1.0', proto_version: '1.0', capabilities: '{}', force_unique: 0,
    last_seen_at_ms: 1, registered_at_ms: 1,
  });
  await server.down();
  await server.up();
  const a = new HandAgent(server, { engineId: 'LEGA:CYAG:ENT1' });
  agents.push(a);
  const reply = await a.connect(id);
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  assert.equal(a.hostId, 'legacy-host');
  assert.notEqual(a.permanentToken, id);
  await a.close();
  assert.equal((await a.connect(a.permanentToken)).type, 'auth_success', 'the new secret is valid');
  await a.close();
  assert.equal((await a.connect(id)).type, 'auth_error', 'the id is refused from now on');
});

test('64 commands may wait for one agent; the next is refused at once, other agents are not affected', async () => {
  const [busy, free] = [await joined(), await joined()];
  // Of many containers, because the same operation on one container is refused with 409.
  const elements = Array.from({ length: 65 }, (_, i) => containerElement({ name: `busy-${i}` }));
  const other = containerElement({ name: 'free' });
  busy.containers = elements;
  free.containers = [other];
  free.operations.start = () => ({ status: 'started' });
  await client.container('busy-64');
  await client.container('free');
  busy.isSilent = true;
  await eventually(() => busy.commands.length > 0);

  const start = (a, c) => client.fetch('POST', `/api/hosts/${a.hostId}/containers/${c.Id}/start`);
  const waiting = elements.slice(0, 64).map((element) => start(busy, element));
  await eventually(() => busy.commands.filter((c) => c.payload?.action === 'start').length >= 63, { what: 'the agent has received them' });
  const begin = Date.now();
  const refused = await start(busy, elements[64]);
  assert.ok([429, 503].includes(refused.status), `${refused.status}`);
  assert.match((await refused.json()).detail, /pending|too many|busy/i);
  assert.ok(Date.now() - begin < 5000);
  assert.equal((await start(free, other)).status, 200);
  busy.ws.terminate();
  for (const answer of await Promise.all(waiting)) assert.ok([429, 503].includes(answer.status), `${answer.status}`);
});

test('an agent that does not answer: 504 with a reason, and the session continues', { timeout: 60000 }, async () => {
  const a = await joined();
  const element = containerElement({ name: 'mute' });
  a.containers = [element];
  await client.container('mute');
  a.isSilent = true;
  const answer = await client.post(`/api/hosts/${a.hostId}/containers/${element.Id}/stop?timeout=0`, undefined, { status: 504 });
  assert.match(answer.detail, /timed out|did not answer|within/i);
  assert.equal((await hostOf(a.hostId)).status, 'online');
});

test('invalid replies are 502 with a reason, and nothing else is affected', async () => {
  const a = await joined();
  const element = containerElement({ name: 'odd' });
  a.containers = [element];
  await client.container('odd');
  const base = `/api/hosts/${a.hostId}/containers/${element.Id}`;
  a.operations.get_logs = () => ({ logs: 7 });
  assert.match((await client.get(`${base}/logs`, { status: 502 })).detail, /log/);
  a.operations.inspect = () => ({ container: 'x' });
  assert.ok((await client.get(`${base}/inspect`, { status: 502 })).detail);
  a.operations.start = () => ({ success: undefined });
  assert.ok((await client.post(`${base}/start`, undefined, { status: 502 })).detail);
  a.operations.start = () => ({ success: false, error: '' });
  assert.ok((await client.fetch('POST', `${base}/start`)).status >= 500, 'a failure without a text is still a failure');
  a.operations.start = () => ({ status: 'started' });
  await client.post(`${base}/start`);
});

test('an unknown container whose name cannot be determined is not touched: it may be DockMon\'s own', async () => {
  const a = await joined();
  const base = `/api/hosts/${a.hostId}/containers/0123456789ab`;
  const done = [];
  for (const action of ['stop', 'kill', 'remove']) a.operations[action] = () => (done.push(action), {});
  const Id = '0123456789ab'.padEnd(64, '0');
  for (const container of ['x', {}, { Id }, { Id, Name: 7 }, { Id, Config: { Labels: {} } }, { Name: '/other' }, { Id: 'x', Name: '/other' }]) {
    a.operations.inspect = () => ({ container });
    assert.equal((await client.fetch('POST', `${base}/stop`)).status, 502);
    assert.equal((await client.fetch('DELETE', base)).status, 502);
  }
  a.operations.inspect = () => ({ container: { Id, Name: '/DockMon', Config: { Labels: {} } } });
  assert.match((await client.post(`${base}/kill`, undefined, { status: 403 })).detail, /belongs to DockMon/);
  assert.deepEqual(done, []);
  a.operations.inspect = () => ({ container: { Id, Name: '/other', Config: { Labels: {} } } });
  await client.post(`${base}/kill`);
  assert.deepEqual(done, ['kill']);
});

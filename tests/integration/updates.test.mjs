// Updates of containers on the server: records of agents with a journal, and progress of agents of DockMon, arrive in
// one model, in the event log, the feed and REST. The agents are made by hand.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement, containerId } from './lib/hand-agent.mjs';
import { JournalAgent, previewOf } from './lib/journal-agent.mjs';
import { eventually, opening } from './lib/wait.mjs';

const later = cleanups();
let server, admin, viewer;

class GoAgent extends HandAgent {
  onNamedCommand(message) {
    if (message.command === 'update_container') this.send({ type: 'response', id: message.id, payload: { status: 'update_started' } });
    else super.onNamedCommand(message);
  }
}

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  admin = await server.client('operator');
  viewer = await server.client('viewer');
});

async function join(Kind, ...names) {
  const agent = new Kind(server);

  agent.containers = names.map((name) => containerElement({ name }));
  await agent.connect(await server.token());
  later(() => agent.close());
  await eventually(async () => (await admin.get('/api/containers')).filter((c) => c.host_id === agent.hostId).length === names.length,
    { what: 'the list of containers' });
  return agent;
}

const path = (agent, name, action) => `/api/hosts/${agent.hostId}/containers/${name}/${action}`;
const asked = (agent, command) => eventually(() => agent.commands.findLast((m) => m.command === command), { what: command });
const history = async (agent) => (await admin.get(`/api/updates/history?host_id=${agent.hostId}`)).updates;
const events = async (agent, type) =>
  (await admin.get(`/api/events?host_id=${agent.hostId}&event_type=${type}`)).events.filter((e) => e.event_type === type);

const record = (agent, ...args) => agent.record(...args);
const journal = (agent, update) => agent.journal(update);

test('an update from the request to the rollback', async () => {
  const agent = await join(JournalAgent, 'web');
  const old = agent.containers[0].Id;
  const made = containerId();
  const waiting = admin.post(path(agent, 'web', 'execute-update'), { image: 'nginx:1.28', keep_s: 60 });
  const order = await asked(agent, 'update_container');

  assert.equal(order.payload.container_id, old);
  assert.deepEqual([order.payload.new_image, order.payload.keep_s, order.payload.stop_timeout, order.payload.health_timeout],
    ['nginx:1.28', 60, 30, 120]);
  journal(agent, record(agent, order));
  const one = `/api/updates/${order.payload.update_id}`;
  agent.event('update_progress', { container_id: old.slice(0, 12), stage: 'pulling', message: 'Pulling image nginx:1.28' });
  agent.event('update_layer_progress', {
    container_id: old.slice(0, 12), overall_progress: 40, total_layers: 1, remaining_layers: 1, summary: '1 layer', speed_mbps: 2.5,
    layers: [{ id: 'abc', status: 'Downloading', current: 4, total: 10, percent: 40 }],
  });
  const shown = await eventually(async () => { const u = await admin.get(one); return u.layers && u; }, { what: 'the layers' });
  assert.deepEqual([shown.state, shown.step, shown.message, shown.layers.layers[0].percent], ['running', 'pull', 'Pulling image nginx:1.28', 40]);
  assert.deepEqual([shown.container_id, shown.host_id, shown.ended_at], [old.slice(0, 12), agent.hostId, null]);

  const second = await admin.post(path(agent, 'web', 'execute-update'), {}, { status: 409 });
  assert.equal(second.code, 'update_in_progress');
  assert.ok(second.detail.includes(order.payload.update_id), second.detail);

  const kept = record(agent, order, { state: 'kept', step: 'probation', new_container_id: made, ended_at: Date.now(), expires_at: Date.now() + 60000, downtime_ms: 300 });
  journal(agent, kept);
  const result = await waiting;
  assert.deepEqual([result.status, result.state, result.new_container_id, result.downtime_ms], ['success', 'kept', made.slice(0, 12), 300]);
  await eventually(async () => (await events(agent, 'update_completed')).length === 1, { what: 'update_completed' });
  journal(agent, kept); // again after a reconnect: nothing new

  journal(agent, { ...kept, probation_failed: true });
  await eventually(async () => (await events(agent, 'update_probation_failed')).length === 1, { what: 'update_probation_failed' });

  agent.containers = [containerElement({ id: made, name: 'web' })];
  await eventually(async () => (await admin.get('/api/containers')).some((c) => c.full_id === made), { what: 'the new container' });
  const back = admin.post(path(agent, 'web', 'update/rollback'));
  const wish = await asked(agent, 'update_rollback');
  assert.deepEqual(wish.payload, { update_id: order.payload.update_id });
  journal(agent, { ...kept, state: 'running', step: 'rollback', is_rolling_back: true });
  journal(agent, { ...kept, state: 'rolled_back', step: 'end', is_rolling_back: false });
  assert.deepEqual((await back).status, 'success');
  await eventually(async () => (await events(agent, 'update_rolled_back')).length === 1, { what: 'update_rolled_back' });
  assert.equal((await events(agent, 'update_completed')).length, 1);
  assert.equal((await events(agent, 'update_failed')).length, 0);

  const past = await eventually(async () => { const h = await history(agent); return h[0]?.state === 'rolled_back' && h; }, { what: 'the history' });
  assert.equal(past.length, 1);
  assert.match(past[0].triggered_by, /^test-operator-/);
  assert.equal((await admin.get('/api/updates')).updates.filter((u) => u.host_id === agent.hostId).length, 0);
  await admin.post(path(agent, 'web', 'update/rollback'), undefined, { status: 409 });
});

test('a failed update is a failure, and a refused one never was', async () => {
  const agent = await join(JournalAgent, 'web');

  agent.refusal = { error: 'web is locked by the file /run/lock', status: 409, code: 'update_locked' };
  const refused = await admin.post(path(agent, 'web', 'execute-update'), {}, { status: 409 });
  assert.equal(refused.code, 'update_locked');
  agent.refusal = null;
  agent.commands = [];
  const waiting = admin.post(path(agent, 'web', 'execute-update'));
  const order = await asked(agent, 'update_container');
  journal(agent, record(agent, order));
  journal(agent, record(agent, order, {
    state: 'rolled_back', step: 'end', ended_at: Date.now(), error: { code: 'not_healthy', text: 'the new container exited with code 1' },
  }));
  const result = await waiting;
  assert.deepEqual([result.status, result.message, result.error.code], ['failed', 'the new container exited with code 1', 'not_healthy']);
  await eventually(async () => (await events(agent, 'update_failed')).length === 1, { what: 'update_failed' });
  assert.equal((await events(agent, 'update_rolled_back')).length, 1);
  assert.equal((await history(agent)).length, 1);
});

test('a preview is passed on, and checked', async () => {
  const agent = await join(JournalAgent, 'web');
  const preview = previewOf(agent.containers[0]);

  agent.results.update_preview = preview;
  assert.deepEqual(await admin.post(path(agent, 'web', 'update/preview'), { image: 'nginx:1.28' }), preview);
  assert.equal((await asked(agent, 'update_preview')).payload.new_image, 'nginx:1.28');
  agent.results.update_preview = { ...preview, changes: [1] };
  await admin.post(path(agent, 'web', 'update/preview'), {}, { status: 502 });
  agent.results.update_preview = preview;
  assert.equal((await viewer.post(path(agent, 'web', 'update/preview'), {})).name, 'web', 'a preview changes nothing');
  await viewer.post(path(agent, 'web', 'update/rollback'), {}, { status: 403 });
  await viewer.delete(path(agent, 'web', 'update'), { status: 403 });
  await viewer.post(path(agent, 'web', 'execute-update'), {}, { status: 403 });
  await admin.post(path(agent, 'web', 'execute-update'), { fingerprint: 'x' }, { status: 422 });
});

test('credentials go with the pull of their registry, and with no other', async () => {
  const agent = await join(JournalAgent, 'web');
  const keeper = await server.client('admin');
  const { id } = await keeper.post('/api/registry-credentials', { registry_url: 'ghcr.io', username: 'deploy', password: 'hunter2' }, { status: 201 });
  const order = async (image) => {
    agent.commands = [];
    await admin.post(`${path(agent, 'web', 'execute-update')}?wait=false`, { image }, { status: 202 });
    const o = await asked(agent, 'update_container');
    journal(agent, record(agent, o, { state: 'failed', step: 'end', ended_at: Date.now(), error: { code: 'engine_error', text: 'x' } }));
    await eventually(async () => (await history(agent)).find((u) => u.update_id === o.payload.update_id), { what: 'its end' });
    return o.payload.registry_auth;
  };

  assert.deepEqual(await order('ghcr.io/a/web:2'), { username: 'deploy', password: 'hunter2', serveraddress: 'ghcr.io' });
  assert.equal(await order('nginx:1.28'), null);
  assert.equal(await order('ghcr.io.example.com/a/web:2'), null);
  agent.results.update_preview = previewOf(agent.containers[0]);
  await admin.post(path(agent, 'web', 'update/preview'), { image: 'ghcr.io/a/web:2' });
  assert.equal((await asked(agent, 'update_preview')).payload.registry_auth.password, 'hunter2');
  await keeper.delete(`/api/registry-credentials/${id}`);
});

test('a caller does not wait for an agent that has gone, and an update that it has lost is over', async () => {
  const agent = await join(JournalAgent, 'web');
  const waiting = admin.post(path(agent, 'web', 'execute-update'), {}, { status: 503 });
  const order = await asked(agent, 'update_container');

  journal(agent, record(agent, order));
  await eventually(async () => (await history(agent)).length === 1, { what: 'the record' });
  agent.ws.terminate();
  assert.match((await waiting).detail, new RegExp(order.payload.update_id));
  assert.equal((await history(agent))[0].state, 'running', 'it goes on without the connection');

  agent.results.update_list = { updates: [record(agent, order)], strangers: [] };
  await agent.connect(agent.permanentToken);
  await asked(agent, 'update_list');
  assert.equal((await history(agent))[0].state, 'running', 'the agent has it');
  agent.ws.terminate();
  await eventually(async () => (await admin.get('/api/hosts')).find((h) => h.id === agent.hostId).status === 'offline', { what: 'the end of the connection' });
  agent.results.update_list = { updates: [], strangers: [] };
  await agent.connect(agent.permanentToken);
  const lost = await eventually(async () => { const [u] = await history(agent); return u.state === 'failed' && u; }, { what: 'the end of the update' });
  assert.match(lost.error.text, /data directory/);
  await eventually(async () => (await events(agent, 'update_failed')).length === 1, { what: 'update_failed' });
});

test('an update is cancelled', async () => {
  const agent = await join(JournalAgent, 'web');

  await admin.delete(path(agent, 'web', 'update'), { status: 404 });
  const started = await admin.post(`${path(agent, 'web', 'execute-update')}?wait=false`, {}, { status: 202 });
  const order = await asked(agent, 'update_container');
  assert.deepEqual(started, { status: 'update_started', update_id: order.payload.update_id });
  journal(agent, record(agent, order));
  await admin.delete(path(agent, 'web', 'update'), { status: 202 });
  assert.deepEqual((await asked(agent, 'update_cancel')).payload, { update_id: order.payload.update_id });
  journal(agent, record(agent, order, { state: 'cancelled', step: 'end', ended_at: Date.now() }));
  await eventually(async () => (await events(agent, 'update_cancelled')).length === 1, { what: 'update_cancelled' });
});

test('invalid records are left out, and the connection stays', async () => {
  const agent = await join(JournalAgent, 'web');
  const good = record(agent, { payload: { update_id: '5cdd3953-05f3-424f-8b49-abe4e58138b8', container_id: agent.containers[0].Id } });

  for (const bad of [null, [], {}, { ...good, state: 'lost' }, { ...good, kept_volumes: ['v'.repeat(60000), 'v'.repeat(9000)] }]) journal(agent, bad);
  journal(agent, good);
  await eventually(async () => (await history(agent)).length === 1, { what: 'the good record' });
});

test("updates of DockMon's agents: success with a dependent that failed, and a failure that was rolled back", async () => {
  const agent = await join(GoAgent, 'web');
  const old = agent.containers[0].Id;
  const step = (stage, message) => agent.event('update_progress', { container_id: old.slice(0, 12), stage, message });

  await admin.post(path(agent, 'web', 'update/preview'), {}, { status: 501 });
  const waiting = admin.post(path(agent, 'web', 'execute-update'), { image: 'nginx:1.28' });
  const order = await asked(agent, 'update_container');
  assert.equal(order.payload.container_id, old.slice(0, 12));
  assert.equal(order.payload.registry_auth, null);
  for (const stage of ['pulling', 'configuring', 'backup', 'creating', 'starting', 'health_check', 'cleanup', 'completed']) step(stage, stage);
  agent.event('update_complete', { old_container_id: old.slice(0, 12), new_container_id: '5a410e18c6d9', container_name: 'web', failed_dependents: ['dep'] });
  const result = await waiting;
  assert.deepEqual([result.status, result.state], ['success', 'done']);
  assert.deepEqual(result.dependents.map((d) => [d.name, d.state]), [['dep', 'failed']]);

  const failing = admin.post(path(agent, 'web', 'execute-update'), { image: 'nginx:1.29' });
  await eventually(() => agent.commands.filter((m) => m.command === 'update_container').length === 2);
  step('pulling', 'Pulling image nginx:1.29');
  step('failed', 'manifest unknown');
  assert.deepEqual([(await failing).status, (await failing).message], ['failed', 'manifest unknown']);
  step('rollback', 'restored');
  await eventually(async () => (await history(agent))[0].state === 'rolled_back', { what: 'the rollback' });
  assert.equal((await history(agent)).length, 2);
});

test('a viewer of the feed sees the record, and a restarted server still has it', async () => {
  const agent = await join(JournalAgent, 'web');
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${viewer.key}` } });
  const messages = [];

  ws.on('message', (data) => messages.push(JSON.parse(data)));
  await opening(ws);
  await admin.post(`${path(agent, 'web', 'execute-update')}?wait=false`, {}, { status: 202 });
  const order = await asked(agent, 'update_container');
  journal(agent, record(agent, order, { state: 'kept', step: 'probation', ended_at: Date.now() }));
  await eventually(() => messages.some((m) => m.type === 'container_update' && m.data.state === 'kept'), { what: 'the record in the feed' });
  ws.close();
  await eventually(async () => (await history(agent))[0]?.state === 'kept', { what: 'the stored record' });
  await server.down();
  await server.up();
  const kept = (await admin.get('/api/updates')).updates.filter((u) => u.host_id === agent.hostId);
  assert.deepEqual(kept.map((u) => [u.update_id, u.state]), [[order.payload.update_id, 'kept']]);
});

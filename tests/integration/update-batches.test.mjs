// Batches of updates: rings, the stop at the first failure, cancel, limits, rights and the restart of the server. The first test has a
// real agent, engine and registry; elsewhere updates have to stand still, and the agents are made by hand.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { containerElement } from './lib/hand-agent.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { JournalAgent } from './lib/journal-agent.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let server, admin, operator, v1, v2, bad, host;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  const registry = await ImageRegistry.start();
  later(() => registry.remove());
  v1 = await registry.push(engine, 'shop:1', ['CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'shop:2', ['CMD ["sleep", "3602"]']);
  bad = await registry.push(engine, 'shop:bad', ['CMD ["sh", "-c", "exit 1"]']);
  server = await Server.start();
  later(() => server.remove());
  operator = await server.client('operator');
  admin = await server.client('admin');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  host = await operator.onlineHost();
});

const create = (c, containers, more = {}) => c.post('/api/updates/batches', { containers, ...more }, { status: 202 });
const show = (b) => operator.get(`/api/updates/batches/${b.id}`);
const states = (b) => b.items.map((i) => i.state);
const reaches = (b, ...wanted) => eventually(async () => {
  const now = await show(b);
  return wanted.includes(now.state) && now;
}, { what: `the batch is ${wanted.join(' or ')}` });

async function hand(name, containers) {
  const agent = new JournalAgent(server, { hostname: `${name}-host` });

  agent.containers = containers.map((c) => containerElement({ name: c }));
  await agent.connect(await server.token());
  later(() => agent.close());
  for (const c of containers) await operator.container(c);
  return agent;
}

const orders = (agent) => agent.commands.filter((m) => m.command === 'update_container');
const nameOf = (agent, order) => agent.containers.find((c) => c.Id.startsWith(order.payload.container_id.slice(0, 12))).Names[0].slice(1);
const asked = (agent, n) => eventually(() => orders(agent).length >= n && orders(agent), { what: `${n} updates are asked for` });
const end = (agent, order, state, more = {}) => agent.journal(agent.record(order, {
  container_name: nameOf(agent, order), state, new_container_id: 'f'.repeat(64), ended_at: Date.now(), ...more,
}));
const of = (agent, ...names) => names.map((n) => ({ host_id: agent.hostId, container_id: n }));

test('real containers: one ring after the other, and a failure stops the rest', async () => {
  const names = ['a', 'b', 'c'].map((n) => `${engine.prefix}-${n}`);
  for (const name of names) {
    await engine.docker('run', '-d', '--network', 'none', '--name', name, v1);
    await operator.container(name);
  }
  const containers = names.map((n) => ({ host_id: host.id, container_id: n }));
  const good = await create(operator, containers, { rings: '1,rest', options: { image: v2, stop_timeout: 1, stays_up_s: 1 } });
  assert.deepEqual([good.total, good.n_rings, good.queued], [3, 2, 3]);
  const done = await reaches(good, 'completed', 'failed');

  assert.equal(done.state, 'completed', JSON.stringify(done));
  assert.deepEqual(states(done), ['success', 'success', 'success']);
  for (const name of names) assert.deepEqual((await engine.inspect(name)).Config.Cmd, ['sleep', '3602']);
  const { updates } = await operator.get(`/api/updates/history?host_id=${host.id}`);
  const at = (i) => updates.find((u) => u.update_id === done.items[i].update_id);
  assert.ok(Date.parse(at(0).ended_at) <= Date.parse(at(1).started_at), 'the second ring began after the end of the first one');

  const failing = await reaches(await create(operator, containers, { rings: 'canary', options: { image: bad, stop_timeout: 1 } }), 'failed');
  assert.deepEqual(states(failing), ['failed', 'cancelled', 'cancelled']);
  assert.match(failing.reason, new RegExp(names[0]));
  for (const name of names) assert.deepEqual((await engine.inspect(name)).Config.Cmd, ['sleep', '3602'], 'the old container is back');
  const audit = await admin.get('/api/audit?limit=20');
  assert.ok(audit.entries.some((e) => e.action === 'container_update' && e.target.endsWith(names[0]) && e.result.startsWith(`batch ${failing.id}`)), JSON.stringify(audit));
});

test('several side by side up to the limit, a failed one lets the others end, and the feed has the steps', async () => {
  const agent = await hand('limit', ['l1', 'l2', 'l3', 'l4']);
  const b = await create(operator, of(agent, 'l1', 'l2', 'l3', 'l4'), { max_parallel: 2 });
  const [first, second] = await asked(agent, 2);

  assert.deepEqual(states(await show(b)), ['running', 'running', 'queued', 'queued']);
  end(agent, first, 'kept');
  const third = (await asked(agent, 3))[2];
  assert.equal(nameOf(agent, third), 'l3');
  end(agent, second, 'rolled_back', { error: { code: 'not_healthy', text: 'it ended' } });
  const stopping = await reaches(b, 'stopping');
  assert.deepEqual(states(stopping), ['success', 'failed', 'running', 'cancelled']);
  end(agent, third, 'kept');
  const over = await reaches(b, 'failed');
  assert.deepEqual(states(over), ['success', 'failed', 'success', 'cancelled']);
  assert.match(over.reason, /l2: it ended/);
  assert.equal(orders(agent).length, 3);
});

test('cancelled, paused, on probation: no further update begins', async () => {
  const agent = await hand('stops', ['s1', 's2']);
  const all = of(agent, 's1', 's2');
  const cancelled = await create(operator, all, { max_parallel: 1 });
  const [order] = await asked(agent, 1);

  await (await server.client('viewer')).delete(`/api/updates/batches/${cancelled.id}`, { status: 403 });
  assert.equal((await operator.delete(`/api/updates/batches/${cancelled.id}`)).state, 'cancelling');
  end(agent, order, 'done');
  assert.deepEqual(states(await reaches(cancelled, 'cancelled')), ['success', 'cancelled']);
  await operator.delete(`/api/updates/batches/${cancelled.id}`, { status: 409 });

  const paused = await create(operator, all, { rings: '1,1', pause_s: 3600 });
  const next = (await asked(agent, 2))[1];
  end(agent, next, 'kept', { probation_until: Date.now() + 600000 });
  const resting = await eventually(async () => (await show(paused)).next_ring_at && show(paused), { what: 'the pause' });
  assert.deepEqual([resting.ring, ...states(resting)], [2, 'success', 'queued']);
  end(agent, next, 'kept', { probation_failed: true });
  const failed = await reaches(paused, 'failed');
  assert.deepEqual(states(failed), ['failed', 'cancelled']);
  assert.match(failed.reason, /probation/);
  assert.equal(orders(agent).length, 2);
});

test('an update of the batch that another one of it holds up is asked for again', async () => {
  const agent = await hand('busy', ['b1', 'b2']);
  agent.refuse = (m) => m.payload.container_id === agent.containers[1].Id && orders(agent).length < 3;
  const answer = agent.onNamedCommand.bind(agent);
  agent.onNamedCommand = (m) => {
    agent.refusal = m.command === 'update_container' && agent.refuse(m) ? { error: 'is part of an update', code: 'update_in_progress' } : null;
    answer(m);
  };
  const b = await create(operator, of(agent, 'b1', 'b2'));
  await asked(agent, 2);
  await eventually(async () => states(await show(b)).join() === 'running,queued', { what: 'the second one waits' });
  end(agent, orders(agent)[0], 'kept');
  end(agent, (await asked(agent, 3))[2], 'kept');
  assert.deepEqual(states(await reaches(b, 'completed')), ['success', 'success']);
});

test('a creator who may not update any more starts nothing', async () => {
  const agent = await hand('rights', ['r1', 'r2']);
  const leaving = await server.client('operator');
  const b = await create(leaving, of(agent, 'r1', 'r2'), { max_parallel: 1 });
  const [order] = await asked(agent, 1);
  const keys = await admin.get('/api/v2/api-keys');
  const key = keys.find((k) => k.name === b.created_by);

  await admin.delete(`/api/v2/api-keys/${key.id}`);
  end(agent, order, 'kept');
  const over = await reaches(b, 'failed');
  assert.deepEqual(states(over), ['success', 'failed']);
  assert.match(over.items[1].reason, /does not exist any more/);
});

test('after a restart of the server a batch goes on where it was', async () => {
  const agent = await hand('restart', ['k1', 'k2', 'k3', 'k4']);
  const b = await create(operator, of(agent, 'k1', 'k2', 'k3', 'k4'), { max_parallel: 3 });
  const [known, ended, lost] = await asked(agent, 3);
  const state = {};

  agent.journal(agent.record(known, { container_name: 'k1' }));
  await eventually(async () => (await operator.get('/api/updates')).updates.some((u) => u.update_id === known.payload.update_id && u.step === 'pull'), { what: 'the record' });
  await server.down('SIGKILL');
  const begun = orders(agent).length;
  let repeated = 0;
  const answer = agent.onNamedCommand.bind(agent);
  agent.onNamedCommand = (m) => { // a real agent begins no update that it knows
    const isKnown = m.command === 'update_container' && [known, ended].some((o) => o.payload.update_id === m.payload.update_id);
    agent.refusal = isKnown ? { error: 'there is such an update', code: 'already_exists' } : null;
    if (isKnown) repeated++;
    answer(m);
  };
  state.ended = agent.record(ended, { container_name: 'k2', state: 'kept', new_container_id: 'e'.repeat(64), ended_at: Date.now() });
  await server.up();
  await agent.connect(agent.permanentToken);
  // As the real agent does: the records come when the session begins. Of the third one it knows nothing.
  agent.journal(agent.record(known, { container_name: 'k1' }));
  agent.journal(state.ended);

  const again = await eventually(() => orders(agent).find((m) => m !== lost && m.payload.update_id === lost.payload.update_id), { what: 'the lost update is asked for' });
  const fourth = await eventually(() => orders(agent).find((m) => nameOf(agent, m) === 'k4'), { what: 'the next update' });
  await eventually(async () => states(await show(b)).join() === 'running,success,running,running', { what: 'the states before the restart' });
  for (const order of [known, again, fourth]) end(agent, order, 'kept');
  assert.deepEqual(states(await reaches(b, 'completed')), ['success', 'success', 'success', 'success']);
  assert.equal(orders(agent).length - begun - repeated, 2, 'no update began a second time');
});

test('invalid requests are refused', async () => {
  const refused = (body) => operator.post('/api/updates/batches', body, { status: 422 });
  const one = [{ host_id: host.id, container_id: `${engine.prefix}-a` }];

  assert.match((await refused({ containers: one, rings: '0' })).detail, /`rings`/);
  assert.match((await refused({ containers: [...one, ...one] })).detail, /twice/);
  await operator.post('/api/updates/batches', { containers: [{ host_id: host.id, container_id: 'none' }] }, { status: 404 });
  await operator.post('/api/updates/batches', { containers: [{ host_id: 'none', container_id: 'none' }] }, { status: 404 });
  await operator.delete('/api/updates/batches/none', { status: 404 });
  assert.match((await refused({ containers: one, options: { fingerprint: 'a'.repeat(64) } })).detail, /fingerprint/);
  await operator.get('/api/updates/batches/none', { status: 404 });
});

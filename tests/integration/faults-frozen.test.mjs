// Programs that are frozen (SIGSTOP): agent, server and engine, each for longer than any deadline. This is detected
// within 45 s, reported truthfully, affects nothing else, and is over as soon as they continue.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { OwnEngine } from './lib/engine.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const NOTICED_MS = 60000; // 45 s, plus delays of a busy machine
const FROZEN_MS = 60000;
const later = cleanups();
let own;

before(async () => {
  own = await OwnEngine.start();
  later(() => own.remove());
  await own.ensureImage();
});

async function scripted(name) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info.ID = name;
  engine.containers = [scriptedContainer(1, { name: `${name}-1` })];
  return engine;
}

async function makeServer() {
  const server = await Server.start();
  later(() => server.remove());
  return { server, client: await server.client('admin') };
}

async function join({ server, client }, name, engine) {
  const agent = await Agent.start(server, engine, { env: { AGENT_NAME: name } });
  later(() => agent.remove());
  const host = async () => (await client.get('/api/hosts')).find((h) => h.name === name);
  const becomes = (status, timeout = NOTICED_MS) =>
    eventually(async () => ((await host())?.status === status ? host() : null), { timeout, interval: 250, what: `${name} is ${status}` });
  const { id } = await becomes('online');
  const inspect = (c) => client.fetch('GET', `/api/hosts/${id}/containers/${c}/inspect`);
  return { client, engine, agent, id, host, becomes, inspect };
}

// Is answered at once, whatever the state of the others.
async function isBrisk(j) {
  const begin = Date.now();
  assert.equal((await j.inspect(scriptedContainer(1).Id)).status, 200);
  assert.ok(Date.now() - begin < 5000, `${Date.now() - begin} ms`);
}

async function eventTypes(j) {
  const { events } = await j.client.get(`/api/events?host_id=${j.id}&category=container&limit=1000`);
  return events.map((e) => e.event_type).reverse();
}

async function agentFrozen() {
  const world = await makeServer();
  const frozen = await join(world, 'frozen-agent', await scripted('frozen-agent'));
  const other = await join(world, 'beside', await scripted('beside'));
  const c = frozen.engine.containers[0];
  frozen.engine.event(c, 'start');
  await eventually(async () => (await eventTypes(frozen)).length === 1);

  const froze = Date.now();
  frozen.agent.process.child.kill('SIGSTOP');
  for (const action of ['pause', 'unpause']) frozen.engine.event(c, action);
  const asked = frozen.inspect(c.Id);
  await isBrisk(other);
  const told = await asked;
  assert.ok([503, 504].includes(told.status), `${told.status}`);
  const offline = await frozen.becomes('offline');
  assert.match(offline.error, /silent/);
  assert.ok(Date.parse(offline.agent.last_seen_at) < froze + 5000, 'it was last seen before');
  await isBrisk(other);
  await sleep(Math.max(0, froze + FROZEN_MS - Date.now()));

  frozen.agent.process.child.kill('SIGCONT');
  await frozen.becomes('online');
  await isBrisk(frozen);
  await eventually(async () => (await eventTypes(frozen)).length >= 3);
  assert.deepEqual(await eventTypes(frozen), ['started', 'paused', 'unpaused']);
}

async function serverFrozen() {
  const world = await makeServer();
  const agents = await Promise.all(['left-1', 'left-2', 'left-3'].map(async (name) => join(world, name, await scripted(name))));
  const froze = Date.now();
  world.server.process.child.kill('SIGSTOP');
  for (const j of agents) j.engine.event(j.engine.containers[0], 'pause');
  await Promise.all(agents.map((j) => j.agent.process.line(/the connection ended.*peer is silent/, { timeout: NOTICED_MS })));
  await Promise.all(agents.map((j) => j.agent.process.line(/cannot connect: no connection in time/, { timeout: 30000 })));
  await sleep(Math.max(0, froze + FROZEN_MS - Date.now()));

  world.server.process.child.kill('SIGCONT');
  for (const j of agents) {
    await j.becomes('online');
    await eventually(async () => (await j.inspect(scriptedContainer(1).Id)).status === 200);
    await eventually(async () => (await eventTypes(j)).length >= 1);
    assert.deepEqual(await eventTypes(j), ['paused']);
  }
  assert.equal((await world.client.get('/api/hosts')).length, 3);
}

const types = async (j) => (await j.client.get(`/api/events?host_id=${j.id}&limit=1000`)).events.map((e) => e.event_type);

// A dockerd that hangs accepts connections but does not answer; its host stays online and reports that.
async function engineFrozen() {
  const world = await makeServer();
  const hung = await join(world, 'hung', own);
  const other = await join(world, 'beside-hung', await scripted('beside-hung'));
  const c = await own.run('hung');
  await world.client.container(c.name);
  const path = `/api/hosts/${hung.id}/containers/${c.id}`;
  const follow = await world.client.fetch('GET', `${path}/logs`);
  assert.equal(follow.status, 200);
  await follow.text();

  const froze = Date.now();
  own.daemon.child.kill('SIGSTOP');
  const stop = world.client.fetch('POST', `${path}/stop?timeout=0`);
  const lost = await eventually(async () => ((await hung.host()).error ? hung.host() : null), { timeout: NOTICED_MS, interval: 250, what: 'the host reports it' });
  assert.match(lost.error, /the engine does not answer/);
  assert.equal(lost.status, 'online', 'the agent is connected');
  assert.ok((await types(hung)).includes('engine_lost'));
  await isBrisk(other);
  const told = await stop;
  assert.ok([500, 503, 504].includes(told.status), `${told.status}`);
  assert.match((await told.json()).detail, /did not finish within|not known whether|engine/i);
  assert.equal((await hung.host()).status, 'online');
  assert.ok((await world.client.get('/api/containers')).some((x) => x.full_id === c.id), 'its containers are still listed');
  await sleep(Math.max(0, froze + FROZEN_MS - Date.now()));

  own.daemon.child.kill('SIGCONT');
  await eventually(async () => (await hung.host()).error === null, { timeout: NOTICED_MS, what: 'the host has no error' });
  assert.ok((await types(hung)).includes('engine_back'));
  await eventually(async () => (await world.client.container(c.name)).state === (await own.state(c.id)), { what: 'the list is correct' });
  const after = await own.run('after-hung', { command: ['true'] });
  await eventually(async () => (await world.client.get(`/api/events?container_id=${after.id}`)).events.some((e) => e.event_type === 'stopped'), {
    what: 'events arrive again',
  });
}

// An engine that stops in the middle of an answer: one that stalls forever in a body, and one that hangs only in
// answers about one container.
async function engineStalls() {
  const world = await makeServer();
  const j = await join(world, 'stalls', await scripted('stalls'));
  j.engine.containers.push(scriptedContainer(2, { name: 'stalls-2' }));
  j.engine.event(j.engine.containers[1], 'create');
  await world.client.container('stalls-2');
  const [one, two] = [scriptedContainer(1).Id, scriptedContainer(2).Id];
  j.engine.misbehave = (_, path) =>
    path.startsWith(`/containers/${one}`)
      ? (res) => {
          res.writeHead(200, { 'Content-Type': 'application/json' });
          res.write('{"Id": "'); // and no others
        }
      : null;
  const begin = Date.now();
  const hanging = j.inspect(one);
  const brisk = await j.inspect(two);
  assert.equal(brisk.status, 200);
  assert.ok(Date.now() - begin < 5000, 'another container does not wait');
  const told = await hanging;
  assert.ok([500, 502, 503, 504].includes(told.status), `${told.status}`);
  assert.ok(Date.now() - begin < 45000);
  assert.equal((await j.host()).error, null, 'the engine itself answers');
  j.engine.misbehave = () => null;
  assert.equal((await j.inspect(one)).status, 200);
}

test('frozen', { concurrency: true, timeout: 200000 }, async (t) => {
  await Promise.all([
    t.test('the agent', agentFrozen),
    t.test('the server', serverFrozen),
    t.test('the engine', engineFrozen),
    t.test('the engine, in the middle of an answer', engineStalls),
  ]);
});

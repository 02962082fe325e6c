// Faults of the network between server and agents, in network namespaces: packets dropped, reset, late and lost, a
// cable pulled while the server's machine loses power. Faults are detected, reported and repaired without help.
// The deadlines are those of production: pings every 20 s, 45 s of silence.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Network } from './lib/netns.mjs';
import { Relay } from './lib/relay.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const NOTICED_MS = 60000; // 45 s, plus delays of a busy machine
const QUIET_MS = 47000; // longer than the silence after which a peer is considered lost
const later = cleanups();
let network, secure, plain;

// A server in the network, with a client.
async function serve(args) {
  const server = await Server.start({ network, args });
  later(() => server.remove());
  return { server, client: await server.client('admin') };
}

before(async () => {
  network = await Network.make();
  later(() => network.remove());
  [secure, plain] = await Promise.all([serve([]), serve(['--insecure-http'])]);
});

// An agent at the end of a cable of its own, with an engine that has one container.
async function join({ server, client }, name, { port = server.port } = {}) {
  const site = await network.site();
  const engine = await ScriptedEngine.start();
  engine.info.ID = name;
  engine.containers = [scriptedContainer(1, { name: `${name}-1` })];
  const url = server.urlAt(site.server).replace(`:${server.port}`, `:${port}`);
  const env = { DOCKMON_URL: url, AGENT_NAME: name, INSECURE_HTTP: 'true', ...(server.scheme === 'https' && { DOCKMON_PIN: await server.admin('fingerprint') }) };
  const agent = await Agent.start(server, engine, { env, wrap: site.wrap });
  later(() => engine.stop(), () => agent.remove());
  const host = async () => (await client.get('/api/hosts')).find((h) => h.name === name);
  const becomes = (status, timeout = NOTICED_MS) =>
    eventually(async () => ((await host())?.status === status ? host() : null), { timeout, interval: 250, what: `${name} is ${status}` });
  const joined = { server, client, site, engine, agent, host, becomes, container: engine.containers[0] };
  await becomes('online');
  await client.container(`${name}-1`);
  return joined;
}

const inspect = async (j) => j.client.fetch('GET', `/api/hosts/${(await j.host()).id}/containers/${j.container.Id}/inspect`);

async function works(j) {
  await j.becomes('online');
  await eventually(async () => (await inspect(j)).status === 200, { what: 'a command is answered' });
}

// Events of the container while the link is broken; each must arrive once, in order.
function happen(j, actions) {
  for (const action of actions) j.engine.event(j.container, action);
}

async function eventTypes(j) {
  const { events } = await j.client.get(`/api/events?host_id=${(await j.host()).id}&category=container&limit=1000`);
  return events.filter((e) => e.event_type !== 'container_action').map((e) => e.event_type).reverse();
}

async function nothingLostOrDoubled(j, expected) {
  await eventually(async () => (await eventTypes(j)).length >= expected.length, { what: `${expected} arrive` });
  assert.deepEqual(await eventTypes(j), expected);
}

const answer = async (response) => ({ status: response.status, detail: (await response.json()).detail });

async function dropped(world, name, direction) {
  const j = await join(world, name);
  happen(j, ['start']);
  await nothingLostOrDoubled(j, ['started']);
  const cutAt = Date.now();
  await j.site.drop(direction);
  happen(j, ['pause', 'unpause']);
  const offline = await j.becomes('offline');
  assert.match(offline.error, /^the agent is not connected: peer is silent/);
  const seen = Date.parse(offline.agent.last_seen_at);
  assert.ok(seen < cutAt + 30000, `last seen when it was heard, not when that was noticed: ${new Date(seen).toISOString()}, cut ${new Date(cutAt).toISOString()}`);
  assert.equal((await world.client.get('/api/containers')).filter((c) => c.name === `${name}-1`).length, 1, 'its container is still listed');
  const refused = await answer(await inspect(j));
  assert.equal(refused.status, 503);
  assert.match(refused.detail, new RegExp(`${name} is offline.*last seen`));
  happen(j, ['die']);

  // The side that still receives pings is closed by a reset as soon as its own packets get through again.
  if (direction !== 'out') await j.agent.process.line(/the connection ended.*peer is silent/, { timeout: NOTICED_MS });
  await j.site.heal();
  await works(j);
  await nothingLostOrDoubled(j, ['started', 'paused', 'unpaused', 'stopped']);
}

async function reset(world, name) {
  const j = await join(world, name);
  happen(j, ['start']);
  await nothingLostOrDoubled(j, ['started']);
  await j.site.reset();
  happen(j, ['pause']);
  await j.becomes('offline');
  assert.doesNotMatch(await j.agent.process.line(/the connection ended/), /silent/, 'it received a reset');
  happen(j, ['unpause']);
  await j.agent.process.line(/cannot connect: .*(refused|reset)/i);

  await j.site.heal();
  await works(j);
  await nothingLostOrDoubled(j, ['started', 'paused', 'unpaused']);
}

// The server's machine loses power: the agent receives nothing, not even a close. Later there is another server, which
// answers packets of the old connection with a reset.
async function powerLost() {
  const own = await serve([]);
  const quick = await join(own, 'power-heard');
  const late = await join(own, 'power-silent');
  for (const j of [quick, late]) happen(j, ['start']);
  for (const j of [quick, late]) await nothingLostOrDoubled(j, ['started']);
  const rulesBefore = [quick, late].map((j) => j.agent.process.lines.length);
  await Promise.all([quick.site.pull(), late.site.pull()]);
  await own.server.down('SIGKILL');
  for (const j of [quick, late]) happen(j, ['pause']);
  await own.server.up();
  assert.equal((await quick.host()).status, 'offline', 'known, and not yet back');
  await quick.site.plugIn();
  await quick.agent.process.line(/the connection ended/, { timeout: NOTICED_MS, from: rulesBefore[0] });
  await works(quick);
  await late.agent.process.line(/the connection ended.*peer is silent/, { timeout: NOTICED_MS, from: rulesBefore[1] });
  await late.site.plugIn();
  for (const j of [quick, late]) {
    await works(j);
    happen(j, ['unpause']);
    await nothingLostOrDoubled(j, ['started', 'paused', 'unpaused']);
  }
}

// 300 ms each way, and every twelfth packet lost: slow, but complete and correct.
async function slowAndLossy(world, name) {
  const relay = await Relay.start(
    { listen: { host: '::', port: 0 }, to: { host: '127.0.0.1', port: Number(world.server.port) }, delay: 150 },
    { wrap: network.wrap },
  );
  network.relays.push(relay);
  const j = await join(world, name, { port: relay.port });
  await j.site.lose(0.08);
  const begin = j.agent.process.lines.length;
  const until = Date.now() + QUIET_MS;
  const sent = ['start'];
  for (let i = 0; Date.now() < until; i++) {
    const answers = await Promise.all(Array.from({ length: 4 }, () => inspect(j)));
    assert.deepEqual(answers.map((r) => r.status), [200, 200, 200, 200]);
    assert.equal((await j.host()).status, 'online');
    if (i % 5 === 0) {
      const next = sent.at(-1) === 'pause' ? 'unpause' : 'pause';
      happen(j, sent.length === 1 ? ['start', next] : [next]);
      sent.push(next);
    }
    await sleep(500);
  }
  assert.deepEqual(j.agent.process.lines.slice(begin).filter((l) => /connection ended|cannot connect/.test(l)), []);
  await nothingLostOrDoubled(j, sent.map((a) => ({ start: 'started', pause: 'paused', unpause: 'unpaused' })[a]));
  await j.site.heal();
}

const scenarios = {
  'packets dropped both ways, with TLS': () => dropped(secure, 'drop-both-tls', 'both'),
  'packets dropped both ways, without': () => dropped(plain, 'drop-both', 'both'),
  'packets dropped on the way to the agent only': () => dropped(secure, 'drop-in', 'in'),
  'packets dropped on the way to the server only': () => dropped(plain, 'drop-out', 'out'),
  'connections reset, with TLS': () => reset(secure, 'reset-tls'),
  'connections reset, without': () => reset(plain, 'reset'),
  "the server's machine loses power": () => powerLost(),
  'late and lossy, with TLS': () => slowAndLossy(secure, 'lossy-tls'),
  'late and lossy, without': () => slowAndLossy(plain, 'lossy'),
};

test('faults of the network', { concurrency: true, timeout: 240000 }, async (t) => {
  await Promise.all(Object.entries(scenarios).map(([name, run]) => t.test(name, run)));
});

// Clocks that jump by hours, forwards and back, on the server's machine and on an agent's: connections stay up
// (timeouts use the monotonic clock), calendar expiries take effect, and every event is stored exactly once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Clock } from './lib/clock.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const QUIET_MS = 47000; // longer than the silence after which a peer is considered lost
const later = cleanups();

async function makeClock() {
  const clock = await Clock.make();
  later(() => clock.remove());
  return clock;
}

async function makeWorld(name, { serverClock, agentClock } = {}) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info.ID = name;
  engine.containers = [scriptedContainer(1, { name: `${name}-1` })];
  if (agentClock) engine.clock = agentClock; // both are on one machine
  const server = await Server.start({ env: serverClock?.env });
  later(() => server.remove());
  const client = await server.client('admin');
  const agent = await Agent.start(server, engine, { env: agentClock?.env });
  later(() => agent.remove());
  const { id } = await client.onlineHost();
  await client.container(`${name}-1`);
  const w = { engine, server, client, agent, id };
  w.host = async () => (await client.get('/api/hosts')).find((h) => h.id === id);
  w.inspect = () => client.fetch('GET', `/api/hosts/${id}/containers/${scriptedContainer(1).Id}/inspect`);
  w.types = async () => {
    const { events } = await client.get(`/api/events?host_id=${id}&category=container&limit=1000`);
    return events.map((e) => e.event_type).sort();
  };
  w.happen = (...actions) => actions.forEach((a) => engine.event(engine.containers[0], a));
  w.haveHappened = async (...expected) => {
    await eventually(async () => (await w.types()).length >= expected.length, { what: `${expected} arrive` });
    assert.deepEqual(await w.types(), expected.sort());
  };
  return w;
}

const isConnectedStill = async (w) => {
  assert.equal((await w.host()).status, 'online');
  assert.equal((await w.inspect()).status, 200);
  assert.deepEqual(w.agent.process.lines.filter((l) => /connection ended|cannot connect/.test(l)), []);
};

async function serverJumps() {
  const clock = await makeClock();
  const w = await makeWorld('server-jumps', { serverClock: clock });
  const session = await w.server.adminSession('another password 1');
  const me = (c) => c.fetch('GET', '/api/hosts').then((r) => r.status);
  const token = await w.server.token(); // created by the machine's clock
  w.happen('start');
  await w.haveHappened('started');

  clock.jump(5);
  await isConnectedStill(w);
  assert.equal(await me(session), 200, 'a login lasts 24 h');
  assert.ok(Date.parse((await w.client.get('/api/hosts'))[0].agent.last_seen_at) > Date.now() - 60000);
  assert.match(await joins(w, token), /expired/, 'a registration token lasts 15 minutes');

  clock.jump(30);
  await sleep(QUIET_MS);
  await isConnectedStill(w);
  assert.equal(await me(session), 401, 'the login has expired');
  assert.equal(await me(w.client), 200, 'API keys do not expire');
  w.happen('pause');
  await w.haveHappened('started', 'paused');

  clock.jump(-30);
  await isConnectedStill(w);
  assert.equal(await me(w.client), 200);
  assert.equal((await w.client.get('/health')).status, 'healthy');
  w.happen('unpause');
  await w.haveHappened('started', 'paused', 'unpaused');
  assert.match(await joins(w, await w.server.token()), /accepted/);
  await w.server.down();
  await w.server.up();
  await w.client.onlineHost();
  assert.equal((await w.inspect()).status, 200);
  await w.haveHappened('started', 'paused', 'unpaused');
}

let joined = 0;

// Starts an agent with the token; resolves when its host is online, or with the reason why not.
async function joins(w, token) {
  const engine = await ScriptedEngine.start();
  engine.info.ID = `joins-${joined++}`;
  const agent = await Agent.start(w.server, engine, { token, env: { AGENT_NAME: engine.info.ID } });
  const line = await agent.process.line(/connected and accepted|refused this agent/);
  await agent.remove();
  await engine.stop();
  return line;
}

// The engine's clock jumps with the agent's: so do the times of its events.
async function agentJumps() {
  const clock = await makeClock();
  const w = await makeWorld('agent-jumps', { agentClock: clock });
  w.happen('start');
  await w.haveHappened('started');
  clock.jump(7);
  w.happen('pause');
  await w.haveHappened('started', 'paused');
  await sleep(QUIET_MS);
  await isConnectedStill(w);

  // Back, without a server: its newest event is later than the new ones.
  await w.server.down('SIGKILL');
  clock.jump(0);
  w.happen('unpause', 'die');
  await w.server.up();
  await w.client.onlineHost();
  await w.haveHappened('started', 'paused', 'unpaused', 'stopped');

  // Again, and without the agent, so that only the engine has the events.
  clock.jump(-7);
  w.engine.remembers = true;
  await w.agent.down('SIGKILL');
  w.happen('start');
  await w.agent.up();
  await w.client.onlineHost();
  assert.equal((await w.inspect()).status, 200);
  await w.haveHappened('started', 'paused', 'unpaused', 'stopped', 'started');

  // And with the engine's event stream broken.
  clock.jump(-14);
  const broken = [...w.engine.events];
  for (const res of broken) res.destroy();
  await eventually(() => !broken.some((res) => w.engine.events.has(res)));
  w.happen('pause');
  await w.haveHappened('started', 'paused', 'unpaused', 'stopped', 'started', 'paused');
}

test('clocks that jump', { concurrency: true, timeout: 200000 }, async (t) => {
  await Promise.all([t.test("the server's", serverJumps), t.test("the agent's and its engine's", agentJumps)]);
});

// Proxies between agent and server that accept and drop, accept and send nothing, or pass the handshake and then
// nothing more; and the same between the agent and a remote engine.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Relay } from './lib/relay.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const NOTICED_MS = 60000; // 45 s, plus delays of a busy machine
const later = cleanups();

async function makeWorld(name, { args = [], mode = 'pass', remoteEngine = false } = {}) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info.ID = name;
  engine.remembers = true;
  engine.containers = [scriptedContainer(1, { name: `${name}-1` })];
  const server = await Server.start({ args });
  later(() => server.remove());
  const client = await server.client('admin');
  const relay = await Relay.start({ to: { host: '127.0.0.1', port: Number(server.port) } });
  later(() => relay.stop());
  relay.set({ mode });
  const engineRelay = remoteEngine && (await Relay.start({ to: { path: engine.host.replace('unix://', '') } }));
  if (engineRelay) later(() => engineRelay.stop());
  const env = { DOCKMON_URL: `${server.scheme}://127.0.0.1:${relay.port}` };
  if (server.scheme === 'https') {
    env.DOCKMON_PIN = await server.admin('fingerprint');
    const plain = await Relay.start({ to: { host: '127.0.0.1', port: Number(server.port), tls: true } }); // for the client
    later(() => plain.stop());
    client.server = { url: `http://127.0.0.1:${plain.port}` };
  }
  if (engineRelay) env.DOCKER_HOST = `tcp://127.0.0.1:${engineRelay.port}`;
  const agent = await Agent.start(server, engine, { env });
  later(() => agent.remove());
  const host = async () => (await client.get('/api/hosts'))[0];
  const is = (status) => eventually(async () => (await host())?.status === status, { timeout: NOTICED_MS, interval: 250, what: `the host is ${status}` });
  const types = async () => (await client.get('/api/events?category=container&limit=1000')).events.map((e) => e.event_type).reverse();
  const happen = (...actions) => actions.forEach((a) => engine.event(engine.containers[0], a));
  const haveHappened = async (...expected) => {
    await eventually(async () => (await types()).length >= expected.length, { what: `${expected} arrive`, timeout: NOTICED_MS });
    assert.deepEqual(await types(), expected);
  };
  return { engine, engineRelay, server, client, relay, agent, host, is, happen, haveHappened };
}

const failures = (w) => w.agent.process.lines.filter((l) => /cannot connect|registration failed/.test(l));

// From the first start on each attempt fails with a reason, with backoff between them.
function neverThere(mode, reason, { attempts, args }) {
  return async () => {
    const w = await makeWorld(`never-${mode}`, { mode, args });
    await eventually(() => failures(w).length >= attempts, { timeout: NOTICED_MS, what: `${attempts} attempts` });
    for (const line of failures(w)) assert.match(line, reason);
    assert.ok(w.relay.accepted <= 30, `${w.relay.accepted} attempts with RECONNECT_MAX=1s`);
    assert.equal(await w.host(), undefined);
    w.relay.set({ mode: 'pass' });
    await w.is('online');
  };
}

// It passes the WebSocket handshake, but not the messages of the agent after it.
async function passesOnlyHandshake() {
  const w = await makeWorld('handshake-only', { mode: 'handshake' });
  await eventually(() => failures(w).length >= 2, { timeout: NOTICED_MS, what: 'two attempts' });
  for (const line of failures(w)) assert.match(line, /registration failed: no answer within \d+ s/);
  assert.equal(await w.host(), undefined);
  w.relay.set({ mode: 'pass' });
  await w.is('online');
}

function laterAHole(args) {
  return async () => {
    const w = await makeWorld('hole', { args });
    await w.is('online');
    w.happen('start');
    await w.haveHappened('started');
    w.relay.set({ mode: 'hole' });
    w.happen('pause', 'unpause');
    await Promise.all([w.agent.process.line(/the connection ended.*peer is silent/, { timeout: NOTICED_MS }), w.is('offline')]);
    assert.match((await w.host()).error, /silent/);
    w.relay.set({ mode: 'pass' });
    await w.is('online');
    await w.haveHappened('started', 'paused', 'unpaused');
    assert.equal((await w.client.get('/api/hosts')).length, 1);
  };
}

// A remote engine behind a network that drops everything: the event stream is open and silent, as on an idle host.
async function engineInAHole() {
  const w = await makeWorld('engine-hole', { remoteEngine: true });
  await w.is('online');
  w.happen('start');
  await w.haveHappened('started');
  w.engineRelay.set({ mode: 'hole' });
  w.happen('pause', 'unpause');
  await eventually(async () => /the engine does not answer/.test((await w.host()).error), { timeout: NOTICED_MS, what: 'the host reports it' });
  assert.equal((await w.host()).status, 'online');
  w.engineRelay.set({ mode: 'pass' });
  await eventually(async () => (await w.host()).error === null, { timeout: NOTICED_MS, what: 'the host has no error' });
  await w.haveHappened('started', 'paused', 'unpaused');
  w.happen('die');
  await w.haveHappened('started', 'paused', 'unpaused', 'stopped');
}

const REASONS = {
  drop: /closed|reset|eof/i,
  reset: /reset|closed/i,
  silent: /no connection in time/,
};

const scenarios = {
  'accepts and drops': neverThere('drop', REASONS.drop, { attempts: 5 }),
  'accepts and drops, with TLS': neverThere('drop', REASONS.drop, { attempts: 5, args: ['--tls'] }),
  'accepts and resets': neverThere('reset', REASONS.reset, { attempts: 5 }),
  'accepts and says nothing': neverThere('silent', REASONS.silent, { attempts: 2 }),
  'accepts and says nothing, with TLS': neverThere('silent', REASONS.silent, { attempts: 2, args: ['--tls'] }),
  'passes the handshake, and nothing after': passesOnlyHandshake,
  'passes a session, and later nothing': laterAHole([]),
  'passes a session, and later nothing, with TLS': laterAHole(['--tls']),
  'stands before a remote engine, and passes nothing any more': engineInAHole,
};

test('a proxy that', { concurrency: true, timeout: 200000 }, async (t) => {
  await Promise.all(Object.entries(scenarios).map(([name, run]) => t.test(name, run)));
});

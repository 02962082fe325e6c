// The agent after a session: the wait before the next attempt, and the fields that it tries again with the next server.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent } from './lib/dockmon.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let engine;

before(async () => {
  engine = await ScriptedEngine.start();
});

after(() => engine?.stop());

async function pair({ env, ...options } = {}) {
  const peer = await HandServer.start(options);
  later(() => peer.stop());
  const agent = await Agent.start(peer, engine, { token: 'registration', env });
  later(() => agent.remove());
  return { peer, agent };
}

test('fields that a server refuses are omitted together, also after a restart, and tried again after a day', { timeout: 60000 }, async () => {
  const { peer, agent } = await pair({ era: 'seed' });
  const newer = (m) => ['agent_os', 'agent_arch', 'host_ip', 'host_ips', 'hostname_source', 'force_unique_registration'].filter((k) => k in m);

  await peer.session();
  assert.equal(peer.registrations.length, 2, 'one refusal');
  assert.deepEqual(newer(peer.registrations[1]), []);
  peer.ws.close();
  await peer.session({ count: 2 });
  await agent.down();
  await agent.up();
  await peer.session({ count: 3 });
  assert.equal(peer.registrations.length, 4, 'no further refusal');

  await agent.down();
  await writeFile(join(agent.dir, 'server_era'), `${Date.now() - 25 * 3600 * 1000}\n`);
  peer.era = 'head';
  await agent.up();
  await peer.session({ count: 4 });
  assert.equal(peer.registrations.at(-1).agent_os, 'linux');
  assert.ok('hostname_source' in peer.registrations.at(-1));
});

test('the wait is short again after a session that worked, and not after one that ended at once', async () => {
  let refuses = true;
  const { peer, agent } = await pair({
    env: { RECONNECT_INITIAL: '100ms', RECONNECT_MAX: '3s' },
    authorize: (m) => (refuses ? { type: 'auth_error', error: 'not today' } : peer.accept(m)),
  });
  const waits = () => agent.process.lines.flatMap((l) => /next attempt to connect in ([0-9.]+)s/.exec(l)?.[1] ?? []).map(Number);
  const wait = async (n) => (await eventually(() => waits().length >= n, { what: `wait ${n}` })) && waits()[n - 1];

  assert.ok((await wait(1)) >= 1.5, 'a refusal takes the longest wait');
  refuses = false;
  await peer.session();
  const began = Date.now();
  await eventually(() => Date.now() - began > 1300);
  refuses = true;
  peer.ws.close();
  assert.ok((await wait(2)) <= 0.1, 'the session has worked');
  assert.ok((await wait(3)) >= 1.5);
});

test('events that were written into a connection that had died are sent again, others are not', { timeout: 60000 }, async () => {
  const { peer } = await pair({ env: { PING_INTERVAL: '1s' } });
  const c = scriptedContainer(1, { name: 'web' });
  const actions = () => peer.events('container_event').filter((e) => e.container_id === c.Id).map((e) => e.action);

  engine.containers = [c];
  await peer.session();
  engine.event(c, 'start');
  await eventually(() => actions().length === 1, { what: 'the event before' });
  const pings = new Promise((done) => peer.ws.once('ping', done));
  engine.event(c, 'pause');
  await pings;
  await eventually(() => actions().length === 2);
  peer.ws.pause(); // nothing is read any more, and no ping is answered
  engine.event(c, 'unpause');
  engine.event(c, 'rename');
  await peer.session({ count: 2 });
  await eventually(() => actions().includes('rename'), { what: 'the events of the silent connection' });
  engine.event(c, 'update');
  await eventually(() => actions().includes('update'));
  assert.deepEqual(actions(), ['start', 'pause', 'unpause', 'rename', 'update']);
  for (const ws of peer.wss.clients) ws.terminate();
});

// Samples from outages of the server, in the history of a real one: no gap and no duplicate.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Clock } from './lib/clock.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Relay } from './lib/relay.mjs';
import { assertWhole, folderBytes, spooled } from './lib/sample-pair.mjs';
import { SampleTap } from './lib/sample-tap.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const later = cleanups();
let engine;

before(async () => {
  engine = await ScriptedEngine.start();
  later(() => engine.stop());
});

const HISTORY = 'step=10&metrics=uptime,mem_used&marks=false';

// A server with an agent that samples every second; `way` creates the network between them, and has a url.
async function startBoth(way, env = {}) {
  const server = await Server.start();
  later(() => server.remove());
  const viewer = await server.client('viewer');
  const between = await way(server);
  later(() => between.stop());
  const agent = await Agent.start({ url: between.url ?? `http://127.0.0.1:${between.port}` }, engine, {
    token: await server.token(),
    env: { STATS_INTERVAL: '1s', ...env },
  });
  later(() => agent.remove());
  const host = await viewer.onlineHost();
  const from = Math.floor(Date.now() / 10000) * 10000 + 10000; // the first complete step
  const steps = async (n) => {
    const query = `from=${new Date(from).toISOString()}&to=${new Date(from + n * 10000).toISOString()}&${HISTORY}`;
    return (await viewer.get(`/api/hosts/${host.id}/stats/history?${query}`)).metrics.uptime.values;
  };
  await eventually(async () => (await steps(1))[0] !== null, { timeout: 60000, what: 'the first step' });
  return {
    server, between, agent, host, steps,
    over: () => Math.floor((Date.now() - from) / 10000), // steps that are complete
    emptied: () => eventually(async () => (await spooled(agent.dir)).length === 0, { timeout: 90000, what: 'all of it is acknowledged' }),
    // One value for each step: the uptime grows by 10 s.
    async assertNoGap(n) {
      const seen = await eventually(async () => {
        const values = await steps(n);
        return values.every((v) => v !== null) && values;
      }, { timeout: 60000, what: 'steps without a gap' });
      for (let i = 1; i < n; i++) assert.ok(Math.abs(seen[i] - seen[i - 1] - 10) <= 6, `steps ${i - 1} and ${i}: ${seen}`);
    },
  };
}

const relayTo = (server) => Relay.start({ to: { host: '127.0.0.1', port: Number(server.port) } });

test('a server that is killed while it receives stored samples has all of them in its history', { timeout: 300000 }, async () => {
  const b = await startBoth(relayTo);
  b.between.set({ mode: 'drop' });
  b.between.cut();
  await eventually(async () => (await spooled(b.agent.dir)).length >= 25, { timeout: 90000, what: 'batches on disk' });
  const n = b.over();
  assert.ok(n >= 3);
  const lines = b.agent.process.lines.length;
  b.between.set({ mode: 'pass' });
  await b.agent.process.line(/sending spooled samples/, { from: lines });
  await b.server.down('SIGKILL');
  await b.server.up();
  await b.emptied();
  await b.assertNoGap(n);
});

test('a wrong clock, with and without a server, leaves no gap', { timeout: 300000 }, async () => {
  const clock = await Clock.make();
  later(() => clock.remove());
  clock.jump(-2);
  const b = await startBoth(relayTo, clock.env);
  const more = async (n) => {
    const { length } = await spooled(b.agent.dir);
    await eventually(async () => (await spooled(b.agent.dir)).length >= length + n, { timeout: 60000, what: 'batches on disk' });
  };
  b.between.set({ mode: 'drop' });
  b.between.cut();
  await more(12);
  clock.jump(3);
  await more(12);
  const n = b.over();
  clock.jump(0);
  b.between.set({ mode: 'pass' });
  await b.emptied();
  await b.assertNoGap(n);
});

// SPOOL_CUT_S=600 is the ten minutes of docs/faults.md. In less than 20 s the server has not written all batches that
// it received, so some are sent again and dropped as duplicates.
const CUT_S = Number(process.env.SPOOL_CUT_S ?? 25);

test(`a cut of ${CUT_S} s leaves no gap and no duplicate`, { timeout: 300000 + CUT_S * 2000 }, async (t) => {
  const b = await startBoth((server) => SampleTap.start(server.url));
  const before = b.between.batches.length;
  b.between.cut();
  await sleep(CUT_S * 1000);
  const kept = await spooled(b.agent.dir);
  const bytes = await folderBytes(join(b.agent.dir, 'spool'));
  assert.ok(kept.length >= CUT_S * 0.8, `${kept.length} batches on disk`);
  const n = b.over();
  b.between.mend();
  await eventually(() => b.between.batches.length > before && !b.between.batches.at(-1).late, { timeout: 60000, what: 'the present' });
  await b.emptied();
  await b.assertNoGap(n);
  assertWhole(b.between.batches.map((x) => [x.epoch, x.seq]));
  const late = b.between.batches.filter((x) => x.late).length;
  t.diagnostic(`cut of ${CUT_S} s: ${b.between.batches.length} batches, ${late} of them late, gaps 0, doubles 0, ${bytes} bytes in the spool, ${n} steps of history`);
});

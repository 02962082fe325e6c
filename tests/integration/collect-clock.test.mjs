// The wall clock of one agent jumps by hours, both ways, while it samples a busy container.
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { describe, test } from 'node:test';
import { Group } from './lib/cgroup.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Clock } from './lib/clock.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { measure } from './lib/measure.mjs';
import { Relay } from './lib/relay.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const STEP = 10000;
const JUMPS = [5, -3, 0]; // hours off the machine's clock
const later = cleanups();

async function scene() {
  const clock = await Clock.make();
  later(() => clock.remove());
  const group = await Group.start(['sh', '-c', 'while :; do sleep 0.02; done']);
  later(() => group.remove());
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.containers = [group.container];
  group.container.stats = () => group.stats();
  return { clock, engine, id: group.container.Id };
}

// The known values. The first is unknown, and so are those that a slow machine took shortly after another. Ticks at two
// intervals, at rest and watched, must not make others unknown.
function assertPossible(list) {
  const known = list.filter((v) => v !== null);
  assert.ok(known.every(isPossible) && known.length >= (2 * list.length) / 3, `${list}`);
}

const isPossible = (cpu) => cpu > 0 && cpu <= cpus().length * 10000;

describe('clocks that jump', { concurrency: true, timeout: 240000 }, () => {
  test('the samples of the agent', async () => {
    const { clock, engine, id } = await scene();
    const m = await measure(engine, later, { env: clock.env });
    await m.next(3);
    for (const hours of JUMPS) {
      clock.jump(hours);
      await m.next(4);
      assert.ok(Math.abs(m.all().at(-1).at - clock.now()) < 60000, 'it has jumped');
    }
    const all = m.all();
    assert.deepEqual(all.map((b) => b.seq), all.map((_, i) => i), 'every batch, once');
    const seen = m.of(id);
    assert.equal(seen.length, all.length);
    assertPossible(seen.map((c) => c.cpu));
    for (let i = 1; i < seen.length; i++) assert.ok(seen[i].cpu_time > seen[i - 1].cpu_time);
    assert.ok(all.every((b, i) => !b.host || i === 0 || (b.host.cpu >= 0 && b.host.cpu <= 10000)));
    assert.deepEqual(m.agent.process.lines.filter((l) => /connection ended|do not agree/.test(l)), []);
  });

  // A server with an agent behind a relay, and queries to it.
  async function connected({ clock, engine, id }) {
    const server = await Server.start();
    later(() => server.remove());
    const client = await server.client('viewer');
    const relay = await Relay.start({ to: { host: '127.0.0.1', port: Number(server.port) } });
    later(() => relay.stop());
    const agent = await Agent.start({ url: `http://127.0.0.1:${relay.port}` }, engine, { token: await server.token(), env: { ...clock.env, STATS_INTERVAL: '1s' } });
    later(() => agent.remove());
    const host = await client.onlineHost();
    const path = `/api/hosts/${host.id}/containers/${id}/stats`;
    const w = { agent, relay, live: () => client.get(`${path}/live`) };
    w.newest = async () => (await w.live()).timestamps.at(-1) ?? 0;
    await eventually(w.newest, { timeout: 60000, what: 'live statistics' });
    w.from = Math.floor(Date.now() / STEP) * STEP + STEP;
    w.steps = () => Math.floor((Date.now() - w.from) / STEP); // that are complete
    w.history = (from, to, query) => client.get(`${path}/history?from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}&${query}`);
    // `n` steps from the first complete one, each with a plausible value, and nothing at the times of the wrong clocks.
    w.assertWhole = async (n) => {
      let seen;
      const { metrics } = await eventually(async () => {
        const h = await w.history(w.from, w.from + n * STEP, 'step=10&metrics=cpu,cpu_time');
        seen = h.metrics.cpu.values;
        return seen.every((v) => v !== null) && h;
      }, { timeout: 60000, what: `${n} steps without a gap` }).catch((e) => assert.fail(`${e.message}: ${seen}`));
      assert.ok(seen.every((v) => isPossible(v * 100)), `${seen}`);
      const rates = metrics.cpu_time.values;
      assert.ok(rates.every((v, i) => (i === 0 && v === null) || (v >= 0 && v <= 1e6 * cpus().length)), `${rates}`);
      const past = await w.history(w.from - 9 * 3600000, w.from - 600000, 'step=60&metrics=cpu');
      assert.deepEqual(past.metrics.cpu.values.filter((v) => v !== null), []);
    };
    return w;
  }

  test('while it is connected: the series continues', async () => {
    const s = await scene();
    const w = await connected(s);
    const wait = async (n) => {
      const before = await w.newest();
      await eventually(async () => (await w.live()).timestamps.filter((t) => t > before).length >= n, { timeout: 60000, what: `${n} live figures at ${s.clock.hours} h` });
    };
    await wait(2);
    for (const hours of JUMPS) {
      s.clock.jump(hours);
      await wait(7);
    }
    const r = await w.live();
    assert.ok(r.timestamps.every((t, i) => i === 0 || t > r.timestamps[i - 1]), 'in order, without duplicates');
    assertPossible(r.cpu.map((v) => v && v * 100));
    assert.deepEqual(w.agent.process.lines.filter((l) => /connection ended/.test(l)), []);
    await w.assertWhole(w.steps());
  });

  test('without a connection: stored samples get their correct times', async () => {
    const s = await scene();
    const w = await connected(s);
    w.relay.set({ mode: 'drop' });
    w.relay.cut();
    for (const [i, hours] of [5, -3].entries()) {
      s.clock.jump(hours);
      await eventually(() => Date.now() >= w.from + (i + 1) * STEP, { timeout: 60000, what: 'the step is over' });
    }
    const n = w.steps();
    w.relay.set({ mode: 'pass' });
    await w.assertWhole(n);
  });
});

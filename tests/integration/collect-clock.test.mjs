// The wall clock of one agent jumps by hours, both ways, while it measures a container that works.
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { describe, test } from 'node:test';
import { Group } from './lib/cgroup.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Clock } from './lib/clock.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { measure } from './lib/measure.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const STEP = 10000;
const JUMPS = [5, -3, 0]; // hours beside the machine's
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

const isPossible = (cpu) => cpu > 0 && cpu <= cpus().length * 10000;

describe('clocks that jump', { concurrency: true, timeout: 240000 }, () => {
  test('what the agent sends', async () => {
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
    assert.ok(seen.every((c, i) => isPossible(c.cpu) || (i === 0 && c.cpu === null)), `${seen.map((c) => c.cpu)}`);
    for (let i = 1; i < seen.length; i++) assert.ok(seen[i].cpu_time > seen[i - 1].cpu_time);
    assert.ok(all.every((b, i) => !b.host || i === 0 || (b.host.cpu >= 0 && b.host.cpu <= 10000)));
    assert.deepEqual(m.agent.process.lines.filter((l) => /connection ended|do not agree/.test(l)), []);
  });

  test('what the server makes of it', async () => {
    const { clock, engine, id } = await scene();
    const server = await Server.start();
    later(() => server.remove());
    const client = await server.client('viewer');
    const agent = await Agent.start(server, engine, { token: await server.token(), env: { ...clock.env, STATS_INTERVAL: '1s' } });
    later(() => agent.remove());
    const host = await client.onlineHost();
    const path = `/api/hosts/${host.id}/containers/${id}/stats`;
    const live = () => client.get(`${path}/live`);
    const wait = async (n) => {
      const before = (await live()).timestamps.at(-1) ?? 0;
      await eventually(async () => {
        const { timestamps } = await live();
        return timestamps.filter((t) => t > before).length >= n;
      }, { timeout: 60000, what: `${n} live figures at ${clock.hours} h` });
    };
    await eventually(async () => (await live()).timestamps.length > 0, { timeout: 60000, what: 'live figures' });
    const from = Math.floor(Date.now() / STEP) * STEP + STEP;
    await wait(2);
    for (const hours of JUMPS) {
      clock.jump(hours);
      await wait(12);
    }
    const n = Math.floor((Date.now() - from) / STEP); // steps that are over
    const r = await live();
    assert.ok(r.timestamps.every((t, i) => i === 0 || t > r.timestamps[i - 1]), 'in order, none twice');
    assert.ok(r.cpu.every((v, i) => isPossible(v * 100) || (i === 0 && v === null)), `${r.cpu}`);
    const history = await eventually(async () => {
      const h = await client.get(`${path}/history?from=${new Date(from).toISOString()}&to=${new Date(from + n * STEP).toISOString()}&step=10&metrics=cpu,cpu_time`);
      return h.metrics.cpu.values.every((v) => v !== null) && h;
    }, { timeout: 60000, what: `${n} steps without a gap` });
    assert.ok(history.metrics.cpu.values.every((v) => isPossible(v * 100)), `${history.metrics.cpu.values}`);
    const rates = history.metrics.cpu_time.values;
    assert.ok(rates.every((v, i) => (i === 0 && v === null) || (v >= 0 && v <= 1e6 * cpus().length)), `${rates}`);
    // Nothing where the wrong clocks were.
    const past = await client.get(`${path}/history?from=${new Date(from - 6 * 3600000).toISOString()}&to=${new Date(from - 600000).toISOString()}&step=60&metrics=cpu`);
    assert.ok(past.metrics.cpu.values.every((v) => v === null), `${past.metrics.cpu.values.filter((v) => v !== null)}`);
    assert.deepEqual(agent.process.lines.filter((l) => /connection ended/.test(l)), []);
  });
});

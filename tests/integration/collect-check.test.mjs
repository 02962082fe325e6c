// The choice of the agent's source, and how often it samples. The containers are real cgroups of this machine; the test
// supplies the answers of the engine.
import assert from 'node:assert/strict';
import { cpus } from 'node:os';
import { describe, test } from 'node:test';
import { Group, SOURCE } from './lib/cgroup.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { measure } from './lib/measure.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const MIB = 1 << 20;
const later = cleanups();

// `answer(stats, n)` turns the true values into the engine's nth answer; null is an error.
async function scene(answer = (s) => s, { commands = [undefined], env } = {}) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  const asked = [];
  const groups = [];
  for (const command of commands) {
    const g = await Group.start(command);
    later(() => g.remove());
    g.container.stats = async () => {
      asked.push(m?.all().at(-1)?.at); // the time by its clock
      return answer(await g.stats(), asked.length);
    };
    groups.push(g);
  }
  engine.containers = groups.map((g) => g.container);
  let m;
  m = await measure(engine, later, { env });
  return { m, groups, asked, id: groups[0].container.Id, said: (pattern) => m.agent.process.lines.filter((l) => pattern.test(l)) };
}

const AGREE = /kernel's files agree with the engine/;
const DISAGREE = /kernel's files do not agree with the engine/;

const busy = ['sh', '-c', 'while :; do sleep 0.02; done']; // a little
const moreCpu = (s, us) => ({ ...s, cpu_stats: { ...s.cpu_stats, cpu_usage: { total_usage: s.cpu_stats.cpu_usage.total_usage + us * 1000 } } });
const moreMemory = (s, bytes) => ({ ...s, memory_stats: { ...s.memory_stats, usage: s.memory_stats.usage + bytes } });

// Times with this interval on average; on a slow machine some of them are late.
function assertApart(times, ms) {
  const mean = (times.at(-1) - times[0]) / (times.length - 1);
  assert.ok(times.length >= 2 && mean > 0.7 * ms && mean < 2.5 * ms, `${mean} ms apart: ${times}`);
}

// The agent keeps using the files after `n` comparisons with the engine.
async function staysWithFiles({ m, id, asked, said }, n) {
  await m.agent.process.line(AGREE, { timeout: 60000 });
  await m.next(3);
  assert.deepEqual(said(DISAGREE), []);
  assert.equal(asked.length, n);
  assert.equal(m.source().containers, SOURCE);
  assert.equal(m.source().why, '');
  assert.ok(m.of(id).at(-1).cpu !== null);
}

const look = (m, ids, ttl_s) => m.server.send({ type: 'stats_rate', payload: { interval_ms: 1000, ttl_s, host: false, all: false, containers: ids } });
const times = (batches) => batches.map((b) => b.at);

describe('source and interval', { concurrency: true, timeout: 240000 }, () => {
  test('an engine that reports another CPU time twice becomes the source', async () => {
    const more = 3600 * 1e6;
    const s = await scene((stats) => moreCpu(stats, more), { commands: [busy] });
    const { m, id } = s;
    await m.agent.process.line(DISAGREE, { timeout: 60000 });
    const [line] = s.said(DISAGREE);
    assert.match(line, /CPU time in us: the engine says \d+, the files say \d+ to \d+/);
    assert.equal(s.asked.length, 2);
    await eventually(() => m.source().containers === 'api', { timeout: 60000, what: 'another source' });
    assert.equal(m.source().network, 'api');
    assert.match(m.source().why, new RegExp(`^${SOURCE} does not agree with the engine: CPU time in us: the engine says \\d+`));

    const changed = m.all().findIndex((b) => b.source?.containers === 'api');
    assert.ok(m.all().slice(0, changed).some((b) => b.containers[id]?.cpu_time < more), 'the files until then');
    const since = () => m.all().slice(changed).map((b) => b.containers[id]).filter(Boolean);
    await eventually(() => since().length >= 3 && s.asked.length >= 5, { timeout: 60000, what: 'statistics of the engine' });
    assert.ok(since().every((c) => c.cpu_time >= more), 'only its statistics');
    assert.equal(since()[0].cpu, null, 'nothing is compared with the values of the files');
    assert.ok(since().slice(1).every((c) => c.cpu > 0 && c.cpu <= cpus().length * 10000));
    assert.equal(s.said(DISAGREE).length, 1, 'it is logged once');
    // It is asked every 10 s, although there is a batch every second.
    assertApart(s.asked.slice(2), 10000);
  });

  test('an engine that reports another memory use twice becomes the source', async () => {
    const { m, id } = await scene((stats) => moreMemory(stats, 100 * MIB));
    await m.agent.process.line(DISAGREE, { timeout: 60000 });
    await eventually(() => m.source().containers === 'api', { timeout: 60000, what: 'another source' });
    assert.match(m.source().why, /memory: the engine says \d+/);
    await eventually(() => m.of(id).at(-1).mem_used >= 100 * MIB, { timeout: 60000, what: 'what the engine says' });
  });

  test('an engine that differs only once does not become the source', async () => {
    await staysWithFiles(await scene((stats, n) => (n === 1 ? moreCpu(stats, 1e9) : stats), { commands: [busy] }), 2);
  });

  test('noise is not a disagreement', async () => {
    await staysWithFiles(await scene((stats) => moreMemory(moreCpu(stats, 300000), 10 * MIB)), 1);
  });

  test('an engine that does not answer changes nothing and is not asked forever', async () => {
    const { m, asked, said } = await scene(() => null);
    await eventually(() => asked.length === 5, { timeout: 60000, what: 'the attempts' });
    await m.next(4);
    assert.equal(asked.length, 5);
    assert.deepEqual(said(DISAGREE), []);
    assert.equal(m.source().containers, SOURCE);
  });

  test('10 s at rest, 1 s while a client watches, then 10 s again', async () => {
    const { m, groups, asked } = await scene(undefined, { commands: [undefined, undefined], env: { STATS_INTERVAL: undefined } });
    const [a, b] = groups.map((g) => g.container.Id);
    const has = (id) => (batch) => id in batch.containers;
    assertApart(times(await m.next(3)), 10000);

    look(m, [a], 60);
    const seen = await m.next(8);
    assertApart(times(seen), 1000);
    assert.ok(seen.every(has(a)));
    assert.ok(seen.filter(has(b)).length <= 3, 'of the other as before');
    assert.ok(seen.filter((s) => s.host).length <= 3);

    look(m, [a], 1);
    const last = () => m.all().slice(-2);
    await eventually(() => last().every((s) => has(a)(s) && has(b)(s) && s.host), { timeout: 60000, what: 'two of everything, one after the other' });
    assertApart(times(last()), 10000);
    assert.equal(asked.length, 1, 'the engine, once, for the check');
  });

  test('the engine is not asked more often while a client watches', async () => {
    const { m, id, asked } = await scene(undefined, { env: { STATS_INTERVAL: undefined, STATS_SOURCE: 'api' } });
    look(m, [id], 60);
    await eventually(() => asked.length >= 4, { timeout: 120000, what: 'the engine is asked' });
    assertApart(asked.slice(1), 10000); // there may be no batch yet at the first check
    assert.ok(m.all().length >= 15, 'batches went meanwhile');
    assert.equal(m.source().why, 'STATS_SOURCE=api');
  });
});

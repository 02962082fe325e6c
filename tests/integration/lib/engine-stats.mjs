// A real engine's one-shot samples of a container, and whether the agent's samples agree with them.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { eventually } from './wait.mjs';

export const getFrom = (engine, path) => new Promise((done, failed) => {
  request({ socketPath: engine.host.replace('unix://', ''), path }, (res) => {
    let text = '';
    res.on('data', (d) => (text += d)).on('end', () => done(JSON.parse(text)));
  }).on('error', failed).end();
});
export const askEngine = (engine, id) => getFrom(engine, `/v1.41/containers/${id}/stats?stream=false&one-shot=true`);

const io = (s, op) => (s.blkio_stats.io_service_bytes_recursive ?? []).filter((e) => e.op.toLowerCase() === op).reduce((sum, e) => sum + e.value, 0);
const net = (s, name) => s.networks ? Object.values(s.networks).reduce((sum, n) => sum + n[name], 0) : null;
// The formulas of `docker stats`.
const memory = (s) => s.memory_stats.usage - (s.memory_stats.stats.total_inactive_file ?? s.memory_stats.stats.inactive_file);
const cache = (s) => s.memory_stats.stats.total_cache ?? s.memory_stats.stats.file;
const near = (ours, theirs) => Math.abs(ours - theirs) <= 0.005 * theirs;
// Samples between two answers of the engine: the kernel allocates memory in runs of pages, so that a small value can change
// by more than 0.5 % while nothing happens.
const within = (ours, before, after) => near(ours, before) || near(ours, after) || (ours >= Math.min(before, after) && ours <= Math.max(before, after));
const percent = (a, b) => (100 * b.cpu_stats.online_cpus * (b.cpu_stats.cpu_usage.total_usage - a.cpu_stats.cpu_usage.total_usage)) / (b.cpu_stats.system_cpu_usage - a.cpu_stats.system_cpu_usage);
const us = (ns) => Math.floor(ns / 1000);

// The reference in our terms: for an idle container `counters` are equal and our `sizes` lie between two answers.
export async function engineSays(engine, id) {
  const s = await askEngine(engine, id);
  const throttling = s.cpu_stats.throttling_data;
  return {
    counters: {
      cpu_time: us(s.cpu_stats.cpu_usage.total_usage), net_rx: net(s, 'rx_bytes'), net_tx: net(s, 'tx_bytes'), blk_read: io(s, 'read'), blk_write: io(s, 'write'),
      pids: s.pids_stats.current, cpu_periods: throttling.periods, cpu_throttled: throttling.throttled_periods, cpu_throttled_time: us(throttling.throttled_time),
    },
    sizes: { mem_used: memory(s), mem_file: cache(s) },
  };
}

// For an idle container: equal to the reference before and after, when these are the same.
export async function agreement(engine, m, id, what, says = engineSays) {
  let last;
  await eventually(async () => {
    const a = await says(engine, id);
    const batch = (await m.next(6)).at(-1); // a sample of all files
    const b = await says(engine, id);
    const ours = batch.containers[id];
    last = JSON.stringify({ ours, before: a, after: b });
    return Object.entries(a.counters).every(([name, v]) => (ours[name] ?? 0) === (v ?? 0))
      && Object.entries(a.sizes).every(([name, v]) => within(ours[name], v, b.sizes[name]));
  }, { timeout: 60000, what: `agreement about ${what}` }).catch((e) => assert.fail(`${e.message}: ${last}`));
}

// For a busy container: the mean over the same seconds, within 1 percentage point or 2 %.
export async function agreementOnCpu(engine, m, id) {
  let last;
  await eventually(async () => {
    await m.next();
    const a = await askEngine(engine, id);
    const ours = (await m.next(5)).map((batch) => batch.containers[id].cpu / 100);
    const theirs = percent(a, await askEngine(engine, id));
    const mean = ours.reduce((x, y) => x + y, 0) / ours.length;
    last = `${mean} %, the engine says ${theirs} %`;
    return Math.abs(mean - theirs) <= Math.max(1, 0.02 * theirs);
  }, { timeout: 60000, what: 'agreement about the CPU' }).catch((e) => assert.fail(`${e.message}: ${last}`));
}

// What a real engine says of a container's use of resources, in one-shot samples, and whether the agent says the same.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { eventually } from './wait.mjs';

export const askEngine = (engine, id) => new Promise((done, failed) => {
  const path = `/v1.41/containers/${id}/stats?stream=false&one-shot=true`;
  request({ socketPath: engine.host.replace('unix://', ''), path }, (res) => {
    let text = '';
    res.on('data', (d) => (text += d)).on('end', () => done(JSON.parse(text)));
  }).on('error', failed).end();
});

const io = (s, op) => (s.blkio_stats.io_service_bytes_recursive ?? []).filter((e) => e.op.toLowerCase() === op).reduce((sum, e) => sum + e.value, 0);
const net = (s, name) => s.networks ? Object.values(s.networks).reduce((sum, n) => sum + n[name], 0) : null;
// The formulas of `docker stats`.
const memory = (s) => s.memory_stats.usage - (s.memory_stats.stats.total_inactive_file ?? s.memory_stats.stats.inactive_file);
const cache = (s) => s.memory_stats.stats.total_cache ?? s.memory_stats.stats.file;
const near = (ours, theirs) => Math.abs(ours - theirs) <= 0.005 * theirs;
// What was read between two answers of the engine: the kernel hands out memory in runs of pages, so that its figure can move
// by more than 0.5 % of so little while nothing happens.
const within = (ours, before, after) => near(ours, before) || near(ours, after) || (ours >= Math.min(before, after) && ours <= Math.max(before, after));
export const percent = (a, b) => (100 * b.cpu_stats.online_cpus * (b.cpu_stats.cpu_usage.total_usage - a.cpu_stats.cpu_usage.total_usage)) / (b.cpu_stats.system_cpu_usage - a.cpu_stats.system_cpu_usage);
const counters = (s) => ({
  cpu_time: Math.floor(s.cpu_stats.cpu_usage.total_usage / 1000), net_rx: net(s, 'rx_bytes'), net_tx: net(s, 'tx_bytes'), blk_read: io(s, 'read'), blk_write: io(s, 'write'),
  pids: s.pids_stats.current,
});

// Of a container at rest: equal to what the engine says before and after, when that is the same.
export async function agreement(engine, m, id, what) {
  let last;
  await eventually(async () => {
    const a = await askEngine(engine, id);
    const batch = (await m.next(6)).at(-1); // one reads all files
    const b = await askEngine(engine, id);
    const ours = batch.containers[id];
    const wanted = counters(a);
    last = JSON.stringify({ ours, wanted, after: counters(b), memory: [memory(a), memory(b)] });
    return Object.entries(wanted).every(([name, v]) => (ours[name] ?? 0) === (v ?? 0)) && within(ours.mem_used, memory(a), memory(b)) && within(ours.mem_file, cache(a), cache(b));
  }, { timeout: 60000, what: `agreement about ${what}` }).catch((e) => assert.fail(`${e.message}: ${last}`));
}

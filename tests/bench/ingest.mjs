// Measures a server that receives samples of many agents (tests/fleet/): its cost, lost samples, and the age of the newest
// value of a container in the API. It tries increasing sizes until one fails; AGENTS=1000,5000,10000 sets them.
// The simulation shares the machine with the server, so its CPU is printed, too: when both together need more than is
// available, the results describe the machine and not the server.
// INGEST_SECONDS=1000 fills the 15 minutes that are kept in memory, and prints a row for every minute.
import { rm } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, percentile, printTable } from './lib.mjs';
import { Fleet, startServer } from './simulated.mjs';

const SIZES = (process.env.AGENTS ?? '1000,5000,10000,20000').split(',').map(Number);
const CONTAINERS = Number(process.env.CONTAINERS ?? 20);
const RATE = Number(process.env.RATE ?? 1); // batches per second of each agent
const SECONDS = Number(process.env.INGEST_SECONDS ?? process.env.SECONDS ?? 30);
const ROW_SECONDS = 60; // longer runs print a row at this interval
const READS = 20; // hosts read per second
const MAX_AGE_MS = 2000;

const numbersIn = (line) => Object.fromEntries([...line.matchAll(/(\w+)=([\d.]+)/g)].map(([, k, v]) => [k, Number(v)]));

// Reads the age of values of random hosts in the API: the simulation writes the time of the batch into disk_write.
async function ages(client, hosts, seconds) {
  const found = [];
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    const host = hosts[Math.floor(Math.random() * hosts.length)];
    const asked = Date.now();
    for (const c of await client.get(`/api/containers?host_id=${host}`)) found.push(c.disk_write ? asked - c.disk_write : Infinity);
    await sleep(Math.max(0, 1000 / READS - (Date.now() - asked)));
  }
  return found;
}

async function readCounters(server, fleet) {
  const pid = server.process.child.pid;
  return { at: performance.now(), server: await cpuMs(pid), fleet: await cpuMs(fleet.child.pid), rss: (await memoryKb(pid)).rss, ...numbersIn(fleet.last) };
}

function rowOf(n, begin, before, after, old, api) {
  const percent = (name) => (((after[name] - before[name]) / (after.at - before.at)) * 100).toFixed(0);
  const samples = (after.batches - before.batches) * CONTAINERS;
  return {
    agents: n,
    after: ((after.at - begin.at) / 1000).toFixed(0),
    wanted: n * CONTAINERS * RATE,
    sent: (samples / (after.t - before.t)).toFixed(0),
    acked: (((after.acked - before.acked) / (after.t - before.t)) * CONTAINERS).toFixed(0),
    lost: after.unsent + (after.lost ?? 0),
    waiting: ((after.batches - after.unsent - after.acked) / n).toFixed(1),
    server: percent('server'),
    fleet: percent('fleet'),
    us: (((after.server - before.server) * 1000) / (samples || 1)).toFixed(2),
    p50: percentile(old, 50),
    p99: percentile(old, 99),
    rss: (after.rss / 1024).toFixed(0),
    live: (api.live_bytes / 1048576).toFixed(0),
    disk: (api.bytes / 1048576).toFixed(0),
    history: `${api.status}${api.dropped ? `, ${api.dropped} dropped` : ''}`,
    load: loadavg()[0].toFixed(1),
  };
}

async function measure(n) {
  const server = await startServer(...(process.env.SERVER_ARGS?.split(' ') ?? []));
  const client = await server.client('viewer');
  const fleet = await Fleet.start(server, ['--agents', n, '--containers', CONTAINERS, '--rate', 1000,
    '--samples', RATE, '--seconds', Math.ceil(n / 500) + SECONDS + 300]);
  await fleet.settle(1, 180000);
  await sleep(10000);
  const hosts = (await client.get('/api/hosts')).map((h) => h.id);
  const begin = await readCounters(server, fleet);
  const found = [];
  for (let before = begin, rest = SECONDS; rest > 0; rest -= ROW_SECONDS) {
    const old = await ages(client, hosts, Math.min(rest, ROW_SECONDS));
    const after = await readCounters(server, fleet);
    const row = rowOf(n, begin, before, after, old, await client.get('/api/history'));
    console.error(JSON.stringify(row));
    found.push(row);
    before = after;
  }
  await fleet.stop();
  await server.down('SIGKILL');
  await rm(server.dir, { recursive: true, force: true });
  return found;
}

const isBroken = (row) => row.p99 > MAX_AGE_MS || row.lost > 0 || row.sent < row.wanted * 0.95;
const rows = [];
for (const n of SIZES) {
  const found = await measure(n);
  rows.push(...found);
  if (found.some(isBroken)) break; // larger sizes fail, too
}
printTable(
  `Samples of agents with ${CONTAINERS} containers, ${RATE} batch/s each, for ${SECONDS} s on ${cpus().length} cores (aims at 10,000: one core, none lost, p99 age < ${MAX_AGE_MS} ms)`,
  ['agents', 'after s', 'samples/s wanted', 'sent', 'acknowledged', 'lost', 'batches not yet acknowledged, per agent', 'server CPU %', 'simulation CPU %',
    'µs per sample', 'age p50 ms', 'p99', 'server RSS MiB', '15 minutes, MiB', 'history on disk MiB', 'history', 'load'],
  rows.map((r) => Object.values(r)),
);
process.exit(0);

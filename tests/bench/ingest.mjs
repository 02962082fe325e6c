// Samples of many agents (tests/fleet/) into one server: what it costs, whether any are lost and how old the newest value
// of a container is that the API shows. Sizes are doubled until it breaks: AGENTS=1000,5000,10000 says which.
// The simulation shares the machine with the server, so its own CPU is told, too: when both together want more than there
// is, the figures are those of the machine and not of the server.
import { rm } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, percentile, printTable } from './lib.mjs';
import { Fleet, startServer } from './simulated.mjs';

const SIZES = (process.env.AGENTS ?? '1000,5000,10000,20000').split(',').map(Number);
const CONTAINERS = Number(process.env.CONTAINERS ?? 20);
const RATE = Number(process.env.RATE ?? 1); // batches per second of each agent
const SECONDS = Number(process.env.SECONDS ?? 30);
const LOOKS = 20; // hosts looked at per second
const MAX_AGE_MS = 2000;

const figures = (line) => Object.fromEntries([...line.matchAll(/(\w+)=([\d.]+)/g)].map(([, k, v]) => [k, Number(v)]));

// The age of what the API shows of hosts picked at random: the simulation writes the time of the batch into disk_write.
async function ages(client, hosts, seconds) {
  const found = [];
  const end = Date.now() + seconds * 1000;
  for (let i = 0; Date.now() < end; i++) {
    const host = hosts[Math.floor(Math.random() * hosts.length)];
    const asked = Date.now();
    for (const c of await client.get(`/api/containers?host_id=${host}`)) found.push(c.disk_write ? asked - c.disk_write : Infinity);
    await sleep(Math.max(0, 1000 / LOOKS - (Date.now() - asked)));
  }
  return found;
}

async function measure(n) {
  const server = await startServer();
  const pid = server.process.child.pid;
  const client = await server.client('viewer');
  const fleet = await Fleet.start(server, ['--agents', n, '--containers', CONTAINERS, '--rate', 1000,
    '--samples', RATE, '--seconds', n / 500 + SECONDS + 300]);
  await fleet.settle(1, 180000);
  await sleep(10000);
  const hosts = (await client.get('/api/hosts')).map((h) => h.id);
  const before = { server: await cpuMs(pid), fleet: await cpuMs(fleet.child.pid), at: performance.now(), ...figures(fleet.last) };
  const old = await ages(client, hosts, SECONDS);
  const after = { server: await cpuMs(pid), fleet: await cpuMs(fleet.child.pid), at: performance.now(), ...figures(fleet.last) };
  const wall = after.at - before.at;
  const memory = await memoryKb(pid);
  const health = (await client.get('/health')).components?.history ?? { status: 'no history' };
  const per = (name) => (((after[name] - before[name]) / wall) * 100).toFixed(0);
  const batches = (name) => ((after[name] - before[name]) / (after.t - before.t)) * CONTAINERS;
  const row = {
    agents: n,
    wanted: n * CONTAINERS * RATE,
    sent: batches('batches').toFixed(0),
    acked: batches('acked').toFixed(0),
    lost: after.unsent + (after.lost ?? 0),
    waiting: ((after.batches - after.unsent - after.acked) / n).toFixed(1),
    server: per('server'),
    fleet: per('fleet'),
    us: (((after.server - before.server) * 1000) / (((after.batches - before.batches) * CONTAINERS) || 1)).toFixed(2),
    p50: percentile(old, 50),
    p99: percentile(old, 99),
    rss: (memory.rss / 1024).toFixed(0),
    history: `${health.status}${health.dropped ? `, ${health.dropped} dropped` : ''}`,
    load: loadavg()[0].toFixed(1),
  };
  await fleet.stop();
  await server.down('SIGKILL');
  await rm(server.dir, { recursive: true, force: true });
  return row;
}

const rows = [];
for (const n of SIZES) {
  const row = await measure(n);
  rows.push(row);
  console.error(JSON.stringify(row));
  if (row.p99 > MAX_AGE_MS || row.lost > 0 || row.sent < row.wanted * 0.95) break; // it broke: no need for more
}
printTable(
  `Samples of agents with ${CONTAINERS} containers, ${RATE} batch/s each, for ${SECONDS} s on ${cpus().length} cores (aims at 10,000: one core, none lost, p99 age < ${MAX_AGE_MS} ms)`,
  ['agents', 'samples/s wanted', 'sent', 'acknowledged', 'lost', 'batches not yet acknowledged, per agent', 'server CPU %', 'simulation CPU %',
    'µs per sample', 'age p50 ms', 'p99', 'server RSS MiB', 'history', 'load'],
  rows.map((r) => Object.values(r)),
);
process.exit(0);

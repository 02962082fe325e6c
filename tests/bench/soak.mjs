// Soak test: runs server and agent for SOAK_SECONDS (3600) under churn. CONTAINERS (100) stay, measured once a second; others
// are created, work and are removed; connections are cut; simulated agents all leave at once and return; clients of the feed
// connect and leave; logins fail and succeed. Memory and descriptors must not grow after a quarter of the time.
import { readdir, rm } from 'node:fs/promises';
import { Agent } from '../integration/lib/dockmon.mjs';
import { OwnEngine } from '../integration/lib/engine.mjs';
import { Relay } from '../integration/lib/relay.mjs';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, printTable } from './lib.mjs';
import { Fleet, startServer, watch } from './simulated.mjs';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 3600);
const AGENTS = Number(process.env.AGENTS ?? 300);
const CONTAINERS = Number(process.env.CONTAINERS ?? 100);
const SAMPLES = 40;
const GROWTH = 1.05; // accepted growth of memory, and
const GROWTH_KB = 1024;
const MORE_DESCRIPTORS = 8; // accepted, for connections that are open at the moment

const counts = { containers: 0, cuts: 0, storms: 0, feeds: 0, calls: 0, logins: 0, failed: 0 };
let isOver = false;

// Repeats `step` until the time is over; counts failures, because cut connections make calls fail.
async function repeat(pauseMs, step) {
  while (!isOver) {
    try {
      await step();
    } catch (e) {
      counts.failed++;
      counts.last = String(e.message ?? e).slice(0, 200);
    }
    await sleep(pauseMs);
  }
}

async function containerLife(engine, client) {
  const c = await engine.run(`soak${counts.containers++}`, { args: ['--stop-timeout', '1'], command: ['sh', '-c', 'seq 1 200; exec sleep 60'] });
  const host = (await client.container(c.name)).host_id;
  const path = `/api/hosts/${host}/containers/${c.id.slice(0, 12)}`;
  try {
    await client.get(`${path}/logs?tail=100`);
    await client.get(`${path}/inspect`);
    await client.post(`${path}/stop`, { timeout: 1 });
  } finally {
    await engine.docker('rm', '-f', c.id);
  }
}

async function feedLife(server, client) {
  const ws = await watch(server, client.key, ['hosts', 'containers', 'events', 'jobs', 'progress'], () => {});
  counts.feeds++;
  await sleep(3000);
  ws.terminate();
}

async function login(client) {
  counts.logins++;
  await client.fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password: `wrong-${counts.logins}` } });
}

async function poll(client) {
  for (const path of ['/api/hosts', '/api/containers', '/api/events?limit=100', '/health']) await client.get(path);
  counts.calls += 4;
}

// Waits for `seconds`, and returns the lowest values of that time: the check of a password takes 25 MiB for a moment, a
// short-lived container some descriptors. A leak raises the lowest values, too.
async function sample(children, seconds) {
  const all = children.map(() => []);
  for (const until = Date.now() + seconds * 1000; Date.now() < until; await sleep(Math.min(1000, seconds * 100)))
    for (const [i, { pid }] of children.entries()) all[i].push({ ...(await memoryKb(pid)), fds: (await readdir(`/proc/${pid}/fd`)).length });
  const lowest = (rows, key) => Math.min(...rows.map((r) => r[key]));
  return Promise.all(children.map(async ({ pid }, i) => ({
    rss: lowest(all[i], 'rss'), anonymous: lowest(all[i], 'anonymous'), fds: lowest(all[i], 'fds'), cpu: await cpuMs(pid),
  })));
}

function isFlat(samples) {
  const settled = samples.slice(Math.floor(samples.length / 4));
  const quarter = Math.ceil(settled.length / 4);
  const of = (key, part) => part.map((s) => s[key]);
  const before = settled.slice(0, quarter), after = settled.slice(-quarter);
  return Math.max(...of('anonymous', after)) <= Math.max(...of('anonymous', before)) * GROWTH + GROWTH_KB &&
    Math.min(...of('fds', after)) <= Math.min(...of('fds', before)) + MORE_DESCRIPTORS;
}

const row = (name, at, s) => [name, `${at} s`, (s.rss / 1024).toFixed(1), (s.anonymous / 1024).toFixed(1), s.fds, (s.cpu / 1000).toFixed(1)];

const engine = await OwnEngine.start(); // has no other containers
await engine.ensureImage();
for (let made = 0; made < CONTAINERS; made++) await engine.run(`stays${made}`, { command: ['sleep', '86400'] });
const server = await startServer();
const relay = await Relay.start({ to: { host: '127.0.0.1', port: Number(server.port) } });
const client = await server.client('operator');
const agent = await Agent.start({ ...server, url: `http://127.0.0.1:${relay.port}`, token: () => server.token() }, engine, { env: { LOG_LEVEL: 'info', STATS_INTERVAL: '1s' } });
const fleet = await Fleet.start(server, ['--agents', AGENTS, '--events', '20', '--seconds', String(SECONDS + 600)]);
await fleet.settle(1, 60000);

const churn = [
  ...[1, 2, 3].map(() => repeat(500, () => containerLife(engine, client))),
  repeat(200, () => feedLife(server, client)),
  repeat(1000, () => poll(client)),
  repeat(10000, () => login(client)),
  repeat(45000, async () => { relay.cut(); counts.cuts++; }),
  repeat(180000, async () => { fleet.storm(); counts.storms++; }),
];
const samples = { dockmond: [], 'dockmon-agent': [] };
const children = { dockmond: server.process.child, 'dockmon-agent': agent.process.child };
const rows = [];
console.error(`soak: measuring for ${SECONDS} s`);
for (let i = 1; i <= SAMPLES; i++) {
  const now = await sample(Object.values(children), SECONDS / SAMPLES);
  for (const [c, name] of Object.keys(children).entries()) {
    const s = now[c];
    samples[name].push(s);
    if (i % (SAMPLES / 8) !== 0) continue;
    rows.push(row(name, Math.round((SECONDS * i) / SAMPLES), s));
    console.error(rows.at(-1).join('  '), JSON.stringify(counts));
  }
}
isOver = true;
await Promise.all(churn);
printTable(`Soak of ${SECONDS} s, ${CONTAINERS} containers measured every second, lowest values of each ${SECONDS / SAMPLES} s: ${JSON.stringify(counts)}`,
  ['process', 'after', 'RSS MiB', 'anonymous, MiB', 'descriptors', 'CPU s'], rows);
await fleet.stop();
await agent.remove();
await relay.stop();
await server.down();
await rm(server.dir, { recursive: true, force: true });
await engine.remove();
const restless = Object.keys(samples).filter((name) => !isFlat(samples[name]));
if (restless.length) {
  console.log(`not flat: ${restless.join(', ')}`);
  process.exitCode = 1;
}

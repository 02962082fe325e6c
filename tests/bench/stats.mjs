// Measures the cost of statistics in three cases: no measurement, our agent measures everything once a second, a client
// opens one of the engine's streams per container. The benchmark starts its own engine; the engine's CPU time includes dockerd,
// containerd and the shims.
import { readdir, readFile } from 'node:fs/promises';
import http from 'node:http';
import { Agent } from '../integration/lib/dockmon.mjs';
import { IMAGE, OwnEngine } from '../integration/lib/engine.mjs';
import { HandServer } from '../integration/lib/hand-server.mjs';
import { readSamples } from '../integration/lib/msgpack.mjs';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, printTable } from './lib.mjs';

const SIZES = (process.env.CONTAINERS ?? '10,50,100').split(',').map(Number);
const SECONDS = Number(process.env.SECONDS ?? 30);
const SETTLE_MS = 5000;

const engine = await OwnEngine.start();
await engine.ensureImage();

// Each process has the engine's folder on its command line.
async function enginePids() {
  const pids = [];
  for (const pid of (await readdir('/proc')).filter((p) => /^\d+$/.test(p))) {
    const [line, name] = await Promise.all(['cmdline', 'comm'].map((f) => readFile(`/proc/${pid}/${f}`, 'utf8').catch(() => '')));
    if (line.includes(engine.dir) && /^(dockerd|containerd)/.test(name)) pids.push(pid);
  }
  return pids;
}
const total = async (pids) => (await Promise.all(pids.map(cpuMs))).reduce((a, b) => a + b, 0);

async function measure(own) {
  await sleep(SETTLE_MS);
  const pids = await enginePids();
  const begin = [await total(pids), own ? await cpuMs(own) : 0, process.hrtime.bigint()];
  await sleep(SECONDS * 1000);
  const wallMs = Number(process.hrtime.bigint() - begin[2]) / 1e6;
  return { engine: ((await total(pids)) - begin[0]) / wallMs, own: own ? ((await cpuMs(own)) - begin[1]) / wallMs : 0, wallMs };
}

async function withAgent() {
  const accept = { type: 'auth_success', agent_id: 'a', host_id: 'h', permanent_token: 'p', capabilities: { samples: true } };
  const server = await HandServer.start({ authorize: () => accept });
  const agent = await Agent.start(server, engine, { token: 'bench', env: { LOG_LEVEL: 'info' } });
  await server.session();
  const ask = () => server.send({ type: 'stats_rate', payload: { interval_ms: 1000, ttl_s: 300, host: true, all: true } });
  ask();
  const pid = agent.process.child.pid;
  await sleep(SETTLE_MS);
  server.messages.length = 0;
  const m = await measure(pid);
  const batches = server.messages.filter((v) => v.binary).map((v) => readSamples(v.binary));
  const samples = batches.reduce((sum, b) => sum + Object.keys(b.containers).length, 0);
  const bytes = server.messages.reduce((sum, v) => sum + (v.binary?.length ?? 0), 0);
  const memory = await memoryKb(pid);
  await agent.remove();
  await server.stop();
  return { ...m, memory, rate: samples / ((m.wallMs + SETTLE_MS) / 1000), size: bytes / Math.max(samples, 1) };
}

async function withStreams(ids) {
  let documents = 0;
  const open = ids.map((id) =>
    http
      .request({ socketPath: engine.host.replace('unix://', ''), path: `/v1.41/containers/${id}/stats?stream=true` }, (res) =>
        res.on('data', (d) => {
          for (const byte of d) documents += byte === 10;
        }),
      )
      .on('error', () => {})
      .end(),
  );
  await sleep(SETTLE_MS);
  documents = 0;
  const m = await measure();
  for (const r of open) r.destroy();
  return { ...m, rate: documents / ((m.wallMs + SETTLE_MS) / 1000) };
}

const percent = (v) => (v * 100).toFixed(2);
const rows = [];
const ids = [];
for (const n of SIZES) {
  console.error(`${n} containers ...`);
  while (ids.length < n) {
    const batch = Array.from({ length: Math.min(5, n - ids.length) }, (_, i) => ids.length + i);
    ids.push(...(await Promise.all(batch.map((i) => engine.docker('run', '-d', '--network', 'none', '--name', `${engine.prefix}-${i}`, IMAGE, 'sleep', '86400')))));
  }
  const idle = await measure();
  const agent = await withAgent();
  await sleep(SETTLE_MS);
  const streams = await withStreams(ids);
  await sleep(SETTLE_MS);
  const added = agent.engine - idle.engine + agent.own;
  rows.push(
    [n, 'none', percent(idle.engine), '', '', '', '', ''],
    [n, 'agent, 1 s', percent(agent.engine), percent(agent.own), agent.memory.rss, agent.memory.peak, agent.rate.toFixed(1), percent(added)],
    [n, 'streams', percent(streams.engine), '', '', '', streams.rate.toFixed(1), percent(streams.engine - idle.engine)],
  );
  console.error(`${n}: ${(((agent.own * 1e6) / agent.rate)).toFixed(1)} us of agent CPU and ${agent.size.toFixed(0)} bytes per sample of a container`);
}
printTable(
  'Statistics once a second (aims at 100: engine as without measurement, agent <= 0.5 % of a core, RSS <= 7168 KiB)',
  ['containers', 'measured by', 'engine, % of a core', 'agent, %', 'agent RSS KiB', 'peak', 'samples/s', 'added, %'],
  rows,
);
for (let i = 0; i < ids.length; i += 20) await engine.docker('rm', '-f', ...ids.slice(i, i + 20));
await engine.remove();
process.exit(0);

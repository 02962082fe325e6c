// Measures the feed: the time from a container's start on the real engine to a client of /ws, and the cost of 200 clients
// that watch 1,000 simulated agents, some of them too slow. It takes about three minutes.
import http from 'node:http';
import { rm } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { Agent } from '../integration/lib/dockmon.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { eventually, sleep } from '../integration/lib/wait.mjs';
import { cpuMs, keepAlive, memoryKb, ms, percentile, printTable, request } from './lib.mjs';
import { Fleet, startServer, watch } from './simulated.mjs';

const STARTS = Number(process.env.STARTS ?? 120);
const AGENTS = Number(process.env.AGENTS ?? 1000);
const CONTAINERS = 5; // of each agent
const EVENTS = 100; // per second, each with a changed container
const WATCHERS = Number(process.env.WATCHERS ?? 200);
const SLEEPERS = 10;
const WATCHED_S = 20;
const SLEEP_S = 20;

const load = () => `load average ${loadavg()[0].toFixed(1)}`;
const three = (values) => [values.length, ms(percentile(values, 50)), ms(percentile(values, 99)), ms(percentile(values, 100))];

// Reads the engine's stream of events as the agent does; this is the lower bound of the latency.
function engineEvents(socketPath, onEvent) {
  const filters = encodeURIComponent('{"type":["container"],"event":["start"]}');
  let rest = '';
  const r = http.get({ socketPath, path: `/v1.41/events?filters=${filters}` }, (response) => {
    response.on('data', (d) => {
      const lines = (rest + d).split('\n');
      rest = lines.pop();
      for (const line of lines) if (line) onEvent(JSON.parse(line));
    });
  });
  r.on('error', () => {});
  return r;
}

async function starts() {
  const engine = new Engine();
  await engine.ensureImage();
  const server = await startServer();
  const client = await server.client('operator');
  const agent = await Agent.start(server, engine, { env: { LOG_LEVEL: 'info' } });
  const c = await engine.run('feed', { command: ['true'] });
  await client.container(c.name);
  const socketPath = engine.host.replace('unix://', '');
  const direct = keepAlive();
  const seen = { engine: 0, feed: 0 };
  const at = { event: 0, engine: 0, feed: 0 };
  const fromEvent = [], added = [], fromCall = [];
  const stream = engineEvents(socketPath, (e) => {
    if (e.id !== c.id) return;
    Object.assign(at, { event: e.timeNano / 1e6, engine: Date.now() });
    seen.engine++;
  });
  const watcher = await watch(server, client.key, ['events'], (data) => {
    for (const e of JSON.parse(data).events ?? []) {
      if (e.event_type !== 'started' || e.container_id !== c.id.slice(0, 12)) continue;
      at.feed = Date.now();
      seen.feed++;
    }
  });

  for (let i = 1; i <= STARTS; i++) {
    const begin = Date.now();
    const status = await request(direct, { socketPath, method: 'POST', path: `/v1.41/containers/${c.id}/start` });
    if (status !== 204) throw new Error(`start: ${status}`);
    await eventually(() => seen.engine === i && seen.feed === i, { interval: 5, what: `event ${i}; seen ${JSON.stringify(seen)}` });
    fromEvent.push(at.feed - at.event);
    added.push(at.feed - at.engine);
    fromCall.push(at.feed - begin);
    await eventually(async () => (await engine.state(c.id)) === 'exited', { interval: 20 });
  }
  printTable(`Container start on the real engine -> event on /ws, milliseconds (aim: p99 <= 250; ${load()})`,
    ['from', 'n', 'p50', 'p99', 'max'],
    [['the time in the engine\'s event', ...three(fromEvent)], ['the event on a stream of our own from the engine', ...three(added)],
      ['the request to start it, the engine\'s work included', ...three(fromCall)]]);
  stream.destroy();
  watcher.terminate();
  await agent.remove();
  await server.remove();
  await engine.cleanup();
}

// Frames are searched for the newest event's time, not parsed, because parsing for 200 readers would dominate the result.
async function watchers() {
  const server = await startServer();
  const pid = server.process.child.pid;
  const { key } = await server.client('operator');
  const fleet = await Fleet.start(server, ['--agents', AGENTS, '--containers', CONTAINERS, '--events', EVENTS, '--seconds', '300']);
  await fleet.settle(1, 60000);
  await sleep(3000);
  const before = await memoryKb(pid);
  let bytes = 0, messages = 0, behind = 0;
  const latencies = [];
  const onFrame = (data) => {
    const now = Date.now();
    bytes += data.length;
    messages++;
    for (let i = data.indexOf('"events":['); i >= 0; ) {
      i = data.indexOf('"timestamp":"', i);
      if (i < 0) break;
      latencies.push(now - Date.parse(data.toString('latin1', i + 13, i + 37)));
      i += 37;
    }
  };
  const all = [];
  for (let i = 0; i < WATCHERS; i++) all.push(await watch(server, key, ['hosts', 'containers', 'events', 'jobs', 'progress'], onFrame));
  await sleep(2000);
  bytes = messages = latencies.length = 0;
  const cpuBefore = await cpuMs(pid);
  const begin = performance.now();
  await sleep(WATCHED_S * 1000);
  const wall = (performance.now() - begin) / 1000;
  const cpu = (await cpuMs(pid)) - cpuBefore;
  const memory = await memoryKb(pid);
  const [n, p50, p99, max] = three(latencies);
  printTable(`${WATCHERS} clients that watch everything of ${AGENTS} agents with ${CONTAINERS} containers each, ${EVENTS} events/s (${load()})`,
    ['messages/s', 'MB/s', 'server CPU ms per s', 'KiB per client', 'events seen', 'event -> client p50 ms', 'p99 ms', 'max ms', 'lost clients'],
    [[(messages / wall).toFixed(0), (bytes / wall / 1e6).toFixed(1), (cpu / wall).toFixed(0), ((memory.rss - before.rss) / WATCHERS).toFixed(0),
      n, p50, p99, max, all.filter((w) => w.readyState !== 1).length]]);

  // Some clients do not read until the 4 MiB of the queue and the kernel's buffers are full. The server drops clients that
  // are silent for 45 s, so this part uses more changes and fewer clients.
  for (const w of all.splice(3 * SLEEPERS)) w.terminate();
  const more = await Fleet.start(server, ['--agents', 100, '--containers', CONTAINERS, '--events', 5 * EVENTS, '--prefix', 'more', '--seconds', '300']);
  await more.settle(1, 60000);
  await sleep(3000);
  latencies.length = 0;
  await sleep(10000);
  const awake = await memoryKb(pid);
  const everybody = three(latencies);
  const sleepers = all.slice(0, SLEEPERS);
  for (const w of sleepers) {
    w.on('message', (data) => (behind += data.includes('"reason":"behind"') && data.includes('"part":0,') ? 1 : 0));
    w._socket.pause();
  }
  latencies.length = 0;
  await sleep(SLEEP_S * 1000);
  const asleep = await memoryKb(pid);
  const others = three(latencies);
  latencies.length = 0;
  for (const w of sleepers) w._socket.resume();
  await eventually(() => behind >= SLEEPERS, { timeout: 60000, what: `complete states for all; now ${behind}` });
  printTable(`${SLEEPERS} of ${all.length} clients do not read for ${SLEEP_S} s while ${6 * EVENTS} containers change per second (4 MiB wait for each at most)`,
    ['', 'server RSS MiB', 'event -> a client that reads, p50 ms', 'p99 ms', 'complete states sent'],
    [['all read', (awake.rss / 1024).toFixed(0), everybody[1], everybody[2], 0],
      [`${SLEEPERS} do not`, (asleep.rss / 1024).toFixed(0), others[1], others[2], behind]]);
  for (const w of all) w.terminate();
  await fleet.stop();
  await more.stop();
  await server.down('SIGKILL');
  await rm(server.dir, { recursive: true, force: true });
}

const parts = { starts, watchers };
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)) await parts[name]();
process.exit(0);

// Measures one server on loopback with many simulated agents (tests/fleet/): the cost of idle agents, the time to settle
// after a storm of reconnects, and the latency of commands, lists and events. It takes about five minutes.
import { rm } from 'node:fs/promises';
import http from 'node:http';
import net from 'node:net';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, ms, percentile, printTable, timed } from './lib.mjs';
import { Fleet, cpuPercent, startServer, watch } from './simulated.mjs';

const IDLE_AGENTS = Number(process.env.AGENTS ?? 10000);
const BUSY_AGENTS = Math.min(1000, IDLE_AGENTS);
const CONTAINERS = 5; // of each busy agent: 5,000 together
const REST_S = 40; // two rounds of pings
const COMMANDS = 1000; // per second
const COMMANDS_S = 10;
const LISTS = 500;
const EVENTS_S = 10;

async function idleAndStorm(scheme, rate, ...args) {
  const server = await startServer(...args);
  const pid = server.process.child.pid;
  const before = await memoryKb(pid);
  const fleet = await Fleet.start(server, ['--agents', IDLE_AGENTS, '--containers', '0', '--rate', rate,
    '--storm-over', '20s', '--seconds', '300']);
  const registered = await fleet.settle(1, 120000);
  const cpuRegistered = await cpuMs(pid);
  await sleep(2000);
  const cpu = await cpuPercent(pid, REST_S);
  const after = await memoryKb(pid);
  const stormBegin = await cpuMs(pid);
  fleet.storm();
  const settled = await fleet.settle(2, 120000);
  const stormCpu = (await cpuMs(pid)) - stormBegin;
  printTable(
    `${IDLE_AGENTS} idle agents over ${scheme}, pings every 20 s from both sides (aims: <= 15 % of a core; <= 10 KiB each, 30 with TLS)`,
    ['server CPU % of a core', 'KiB per agent', 'server RSS MiB'],
    [[cpu.toFixed(1), ((after.rss - before.rss) / IDLE_AGENTS).toFixed(1), (after.rss / 1024).toFixed(0)]],
  );
  printTable(
    `${IDLE_AGENTS} agents at once over ${scheme} (aim: all online within 60 s)`,
    ['', 'dialled within s', 'online after s', 'server CPU ms each'],
    [
      ['registration through one token', (IDLE_AGENTS / rate).toFixed(0), registered.toFixed(1), ms(cpuRegistered / IDLE_AGENTS)],
      ['reconnect storm', 20, settled.toFixed(1), ms(stormCpu / IDLE_AGENTS)],
    ],
  );
  await fleet.stop();
  await server.down('SIGKILL');
  await rm(server.dir, { recursive: true, force: true });
}

// Sends `rate` requests per second whether or not earlier ones are answered; latencies count from the time at which each was due.
async function openLoop(server, key, paths, rate, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const latencies = [];
  const statuses = new Map();
  const begin = performance.now();
  const total = rate * seconds;
  const pending = [];
  for (let i = 0; i < total; ) {
    for (; i < total && i < ((performance.now() - begin) * rate) / 1000; i++) {
      const due = begin + (i * 1000) / rate;
      pending.push(new Promise((resolve) => {
        const r = http.request({ agent, port: server.port, host: '127.0.0.1', method: 'POST', path: paths[i % paths.length],
          headers: { authorization: `Bearer ${key}` } }, (response) => {
          response.resume().on('end', () => {
            latencies.push(performance.now() - due);
            statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1);
            resolve();
          });
        });
        r.on('error', (e) => {
          statuses.set(e.code, (statuses.get(e.code) ?? 0) + 1);
          resolve();
        });
        r.end();
      }));
    }
    await sleep(2);
  }
  await Promise.all(pending);
  agent.destroy();
  return { latencies, statuses: [...statuses].map(([s, n]) => `${s}: ${n}`).join(', ') };
}

// A kept connection that reads answers of known length into one buffer, because node's HTTP client takes longer to read
// megabytes than the server to send them.
class Reader {
  constructor(server, key) {
    this.request = (path) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nAuthorization: Bearer ${key}\r\n\r\n`;
    this.left = 0;
    this.socket = net.connect({ port: server.port, host: '127.0.0.1', onread: {
      buffer: Buffer.alloc(1 << 20),
      callback: (size, buffer) => {
        this.onBytes(size, buffer);
        return true;
      },
    } });
  }

  onBytes(size, buffer) {
    if (!this.left) {
      const text = buffer.toString('latin1', 0, Math.min(size, 4096));
      this.size = Number(/content-length: (\d+)/i.exec(text)[1]);
      this.left = this.size + text.indexOf('\r\n\r\n') + 4;
    }
    this.left -= size;
    if (!this.left) this.done(this.size);
  }

  get(path) {
    this.socket.write(this.request(path));
    return new Promise((resolve) => (this.done = resolve));
  }
}

const row = (name, values) => [name, values.length, ...(values.length ? [ms(percentile(values, 50)), ms(percentile(values, 99))] : ["-", "-"])];

async function busy() {
  const server = await startServer();
  const pid = server.process.child.pid;
  const { key } = await server.client('operator');
  const fleet = await Fleet.start(server, ['--agents', BUSY_AGENTS, '--containers', CONTAINERS, '--delay', '1ms',
    '--events', '100', '--seconds', '300']);
  await fleet.settle(1, 60000);
  const rows = [];

  const client = await server.client('viewer');
  const containers = await client.get('/api/containers');
  const paths = containers.map((c) => `/api/hosts/${c.host_id}/containers/${c.id}/start`);

  // Measures events alone, then together with the commands.
  const latencies = [];
  const watcher = await watch(server, key, ['events'], (data) => {
    for (const e of JSON.parse(data).events ?? []) if (e.category === 'container') latencies.push(Date.now() - Date.parse(e.timestamp));
  });
  await sleep(EVENTS_S * 1000);
  watcher.close();
  rows.push(row('container event on an agent -> /ws (aim p99 <= 250)', latencies));

  const reader = new Reader(server, key);
  const lists = [];
  let size = 0;
  for (let i = 0; i < LISTS; i++) {
    lists.push(await timed(async () => (size = await reader.get('/api/containers'))));
    await sleep(20);
  }
  reader.socket.destroy();
  rows.push(row(`GET /api/containers, ${containers.length} containers, ${(size / 1e6).toFixed(1)} MB (aim p99 <= 20)`, lists));

  await openLoop(server, key, paths, 200, 1); // warms up connections and code
  const begin = await cpuMs(pid);
  const commands = await openLoop(server, key, paths, COMMANDS, COMMANDS_S);
  const cpu = ((await cpuMs(pid)) - begin) / COMMANDS_S / 10;
  rows.push(row(`${COMMANDS} commands/s over ${BUSY_AGENTS} agents that take 1 ms (aim p99 <= 50)`, commands.latencies));
  printTable(`${BUSY_AGENTS} agents with ${CONTAINERS} containers each and 100 container events per second, milliseconds`,
    ['operation', 'n', 'p50', 'p99'], rows);
  console.log(`\nStatus of the commands' answers: ${commands.statuses}; server CPU meanwhile ${cpu.toFixed(0)} % of a core.`);
  await fleet.stop();
  await server.down('SIGKILL');
  await rm(server.dir, { recursive: true, force: true });
}

const parts = {
  idle: () => idleAndStorm('ws', 2000),
  tls: () => idleAndStorm('wss', 1000, '--tls'),
  busy,
};
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(parts)) await parts[name]();
process.exit(0);

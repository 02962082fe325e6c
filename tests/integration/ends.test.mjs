// Server and agent end at the same moment, or one shortly after the other, with a shell, a followed log and watched
// statistics between them. The sanitizers see an end that reports to a freed object; both programs exit with 0.
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { LogSocket } from './lib/log-socket.mjs';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';

const WORLDS = 5; // side by side: most of their time they wait
const engine = new Engine();
const later = cleanups();
let talker;

before(async () => {
  await engine.ensureImage();
  talker = await engine.run('talker', { command: ['sh', '-c', 'while :; do echo line; busybox usleep 20000; done'] });
});
later(() => engine.cleanup());

async function makeWorld() {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('admin');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  return { server, client, agent, host: await client.onlineHost() };
}

async function watchStatistics({ server, client, host }) {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws?subscribe=true`, { headers: { authorization: `Bearer ${client.key}` } });
  let isWatching = false;
  ws.on('message', (data) => (isWatching ||= JSON.parse(data).type === 'state'));
  ws.on('error', () => {});
  ws.on('open', () => ws.send(JSON.stringify({ type: 'subscribe', topics: [`stats/${host.id}`] })));
  await eventually(() => isWatching, { what: 'statistics are watched', interval: 10 });
}

// Timers of Node are too coarse: what has to be met is a turn of a loop.
function spin(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

async function endTogether(w, { first, gap, hasShell }) {
  const { server, agent, client, host } = w;
  if (server.process.exit) {
    await server.up();
    await agent.up();
    await client.onlineHost();
  }
  const logs = await LogSocket.open(server, client.key);
  logs.subscribe(1, host.id, talker.name, { tail: 10 });
  await Promise.all([logs.has('line', { interval: 10 }), watchStatistics(w)]);
  if (hasShell) {
    const shell = await Shell.open(server, client.key, host.id, talker.name, { start: { cmd: ['sh', '-c', 'echo here; sleep 1000'], tty: false } });
    await shell.until(/here/);
  }
  const [one, other] = first === 'server' ? [server, agent] : [agent, server];
  one.process.child.kill('SIGTERM');
  spin(gap);
  other.process.child.kill('SIGTERM');
  await Promise.all([one.process.exited, other.process.exited]);
  await server.down(); // both have ended: asserts how
  await agent.down();
}

// Milliseconds between the two signals. The short ones are there for the close frame of the server, which reaches the agent
// a few turns after the agent's own signal; the long ones for the end of the process of the shell, which takes 300 ms.
const times = (n, make) => Array.from({ length: n }, (_, i) => make(i));
const rounds = [
  ...times(18, (i) => ({ first: 'server', gap: i * 0.2, hasShell: false })),
  ...times(6, (i) => ({ first: 'agent', gap: i * 0.5, hasShell: i % 2 === 0 })),
  ...times(6, (i) => ({ first: i % 2 ? 'server' : 'agent', gap: i * 70, hasShell: true })),
];

test('server and agent end together, at 30 different moments', { timeout: 300000 }, async () => {
  const waiting = [...rounds];
  let failure;
  await Promise.all(times(WORLDS, async () => {
    const w = await makeWorld();
    while (waiting.length > 0 && !failure) {
      const r = waiting.shift();
      await endTogether(w, r).catch((e) => {
        failure = `${r.first} first, ${r.gap.toFixed(1)} ms, ${r.hasShell ? 'a' : 'no'} shell: ${e.message}`;
      });
    }
  }));
  if (failure) throw new Error(failure);
});

// Measures the cost of container_stats messages of DockMon's agents, as they send them and in a form that is read
// into a JSON tree: a number with an exponent is enough for that. Both run in turn on one server, so that their ratio
// does not depend on the machine's load.
import { rm } from 'node:fs/promises';
import { HandAgent, containerElement } from '../integration/lib/hand-agent.mjs';
import { eventually, sleep } from '../integration/lib/wait.mjs';
import { cpuMs, printTable } from './lib.mjs';
import { startServer } from './simulated.mjs';

const CONTAINERS = Number(process.env.CONTAINERS ?? 100);
const ROUNDS = Number(process.env.ROUNDS ?? 5);
const SAMPLES = 20000; // of a round
const GOAL_US = 12; // of a sample that is read directly; more is a failure

const server = await startServer();
const client = await server.client('viewer');
const agent = new HandAgent(server);
agent.containers = Array.from({ length: CONTAINERS }, (_, i) => containerElement({ name: `c${i}` }));
await agent.connect(await server.token());
await eventually(async () => (await client.get('/api/containers')).length === CONTAINERS);

let n = 0;
function message(form) {
  const c = agent.containers[n++ % CONTAINERS];
  const text = JSON.stringify({
    type: 'event',
    command: 'container_stats',
    payload: { container_id: c.Id, container_name: c.Names[0], cpu_percent: 1.5, disk_read: n, disk_write: n, memory_limit: 25276510208,
      memory_percent: 4.5, memory_usage: 712704, network_rx: n, network_tx: n, timestamp: '2026-12-01T21:19:03Z' },
    timestamp: '2026-12-01T21:19:03.361941486Z',
  });
  return form === 'tree' ? text.replace('4.5', '45e-1') : text;
}

const used = { direct: 0, tree: 0 };
for (let round = 0; round < ROUNDS; round++) {
  for (const form of Object.keys(used)) {
    const texts = Array.from({ length: SAMPLES }, () => message(form));
    const before = await cpuMs(server.process.child.pid);
    for (const text of texts) agent.ws.send(text);
    const pong = new Promise((done) => agent.ws.once('pong', done));
    agent.ws.ping(); // its pong comes when all were read
    await pong;
    used[form] += (await cpuMs(server.process.child.pid)) - before;
    await sleep(500);
  }
}
const us = (form) => (used[form] * 1000) / (ROUNDS * SAMPLES);
printTable(`Samples of DockMon's agents, one a message (at most ${GOAL_US} µs)`, ['form', 'µs per sample'], [
  ['as they send it, read directly', us('direct').toFixed(2)],
  ['read into a tree', us('tree').toFixed(2)],
  ['ratio', (us('direct') / us('tree')).toFixed(2)],
]);
await agent.close();
await server.down('SIGKILL');
await rm(server.dir, { recursive: true, force: true });
process.exit(us('direct') <= GOAL_US ? 0 : 1);

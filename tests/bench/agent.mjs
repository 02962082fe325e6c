// Measures the agent: CPU of list_containers with 300 containers, cold and warm, and memory at rest.
import { Agent } from '../integration/lib/dockmon.mjs';
import { Engine, IMAGE } from '../integration/lib/engine.mjs';
import { HandServer } from '../integration/lib/hand-server.mjs';
import { sleep } from '../integration/lib/wait.mjs';
import { cpuMs, memoryKb, ms, printTable, timed } from './lib.mjs';

const CONTAINERS = Number(process.env.CONTAINERS ?? 300);
const WARM_ROUNDS = 10;
const REST_MS = 5000;

const engine = new Engine();
await engine.ensureImage();
const server = await HandServer.start({ era: 'head' });
const agent = await Agent.start(server, engine, { token: 'bench', env: { LOG_LEVEL: 'info' } });
const pid = agent.process.child.pid;
await server.session();
await sleep(REST_MS);
const idle = await memoryKb(pid);
const restBegin = await cpuMs(pid);
await sleep(REST_MS);
const restCpu = (await cpuMs(pid)) - restBegin;
await agent.remove();

console.error(`creating ${CONTAINERS} containers ...`);
for (let made = 0; made < CONTAINERS; made += 10)
  await Promise.all(
    Array.from({ length: Math.min(10, CONTAINERS - made) }, (_, i) =>
      engine.docker('create', '--network', 'none', '-e', `INDEX=${made + i}`, '--label', `bench.index=${made + i}`,
        '--name', `${engine.prefix}-${made + i}`, IMAGE, 'sleep', '3600')),
  );

// The first list of a new agent is cold, because its caches are empty.
const fresh = await Agent.start(server, engine, { token: 'bench', env: { LOG_LEVEL: 'info' } });
await server.session({ count: 2 });
await sleep(500);
const freshPid = fresh.process.child.pid;
const list = async () => {
  const begin = await cpuMs(freshPid);
  let reply;
  const wall = await timed(async () => {
    reply = await server.command('list_containers', undefined, { timeout: 60000 });
  });
  return { cpu: (await cpuMs(freshPid)) - begin, wall, n: reply.payload.length };
};
const cold = await list();
const warm = [];
for (let i = 0; i < WARM_ROUNDS; i++) warm.push(await list());
const mean = (key) => warm.reduce((sum, w) => sum + w[key], 0) / warm.length;
const loaded = await memoryKb(freshPid);

printTable(
  `list_containers with ${cold.n} containers, milliseconds (aims: agent CPU <= 100 cold, <= 20 warm)`,
  ['', 'agent CPU', 'wall'],
  [['cold', ms(cold.cpu), ms(cold.wall)], [`warm, mean of ${WARM_ROUNDS}`, ms(mean('cpu')), ms(mean('wall'))]],
);
printTable(
  'Memory of the agent, KiB (aim: idle RSS <= 7168)',
  ['', 'RSS', 'anonymous', 'peak RSS'],
  [
    ['idle', idle.rss, idle.anonymous, idle.peak],
    [`after the lists of ${cold.n}`, loaded.rss, loaded.anonymous, loaded.peak],
  ],
);
printTable('CPU at rest', ['seconds', 'agent CPU ms', '% of a core'], [[REST_MS / 1000, ms(restCpu), ((restCpu / REST_MS) * 100).toFixed(3)]]);

await fresh.remove();
await server.stop();
await engine.cleanup();
process.exit(0);

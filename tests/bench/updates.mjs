// Measures how long a container is away: from the end of the old one to the start of the new one, as the engine has both times.
// An update by REST and `docker stop` with `docker run` by hand alternate, each with containers of its own, so that both see the
// same load.
import { Agent, Server } from '../integration/lib/dockmon.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { ImageRegistry } from '../integration/lib/image-registry.mjs';
import { ms, percentile, printTable } from './lib.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 24);
const engine = new Engine();
await engine.ensureImage();
const registry = await ImageRegistry.start();
const command = 'CMD ["sh", "-c", "trap \\"exit 0\\" TERM; while true; do sleep 1 & wait; done"]'; // ends at once
const v1 = await registry.push(engine, 'app:1', [command]);
const v2 = await registry.push(engine, 'app:2', [command, 'LABEL version=2']);
const server = await Server.start({ args: ['--log-level', 'info'] });
const client = await server.client('operator');
const agent = await Agent.start(server, engine, { env: { LOG_LEVEL: 'info' } });
const host = await client.onlineHost();
const options = ['--network', 'none', '--restart', 'unless-stopped'];

const start = (name, image) => engine.docker('run', '-d', '--name', name, ...options, image);
const time = (text) => { // nanoseconds; Date keeps milliseconds only
  const [, seconds, fraction] = /^(.*:\d\d)(?:\.(\d+))?Z$/.exec(text);
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt((fraction ?? '').padEnd(9, '0'));
};

async function awayMs(before, after) {
  const [old, now] = [await engine.inspect(before), await engine.inspect(after)];
  return Number(time(now.State.StartedAt) - time(old.State.FinishedAt)) / 1e6;
}

async function byUpdate(n) {
  const name = `${engine.prefix}-update-${n}`;
  const id = await start(name, v1);
  await client.container(name);
  const r = await client.post(`/api/hosts/${host.id}/containers/${name}/execute-update`, { image: v2, stop_timeout: 10, stays_up_s: 1 });
  if (r.status !== 'success') throw new Error(JSON.stringify(r));
  return awayMs(id, name);
}

async function byHand(n) {
  const name = `${engine.prefix}-hand-${n}`;
  const id = await start(name, v1);
  await client.container(name);
  await engine.docker('stop', name);
  return awayMs(id, await start(`${name}-new`, v2));
}

const hand = [];
const update = [];
for (let n = 0; n < ROUNDS; n++) {
  if (n % 2 === 0) update.push(await byUpdate(n));
  hand.push(await byHand(n));
  if (n % 2 === 1) update.push(await byUpdate(n));
  await engine.cleanup();
}
const row = (p) => [`p${p}`, ms(percentile(hand, p)), ms(percentile(update, p)), (percentile(update, p) / percentile(hand, p)).toFixed(2)];
printTable(`Old container stopped to new one started, ${ROUNDS} pairs (aim: median at most 1.10x)`,
  ['', 'docker stop + docker run ms', 'update ms', 'ratio'], [row(50), row(90)]);

await agent.remove();
await server.remove();
await engine.cleanup();
await registry.remove();

// Measures the time that the path REST -> server -> agent -> engine adds to an operation, compared with the same call
// straight to the engine. Both alternate in one run, so that they see the same load.
import { Agent, Server } from '../integration/lib/dockmon.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { keepAlive, ms, percentile, printTable, request, timed } from './lib.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 40);
const INSPECTS = ROUNDS * 10;

const engine = new Engine();
await engine.ensureImage();
const server = await Server.start({ args: ['--log-level', 'info'] });
const client = await server.client('operator');
const agent = await Agent.start(server, engine, { env: { LOG_LEVEL: 'info' } });
const host = await client.onlineHost();
// With an init, `sleep` ends at once on SIGTERM, so that a stop does not wait for its timeout.
const c = await engine.run('bench', { command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1 & wait; done'] });
await client.container(c.name);

const direct = keepAlive();
const through = keepAlive();
const socketPath = engine.host.replace('unix://', '');
const rest = `/api/hosts/${host.id}/containers/${c.id}`;
const viaEngine = (method, path) => timed(() => request(direct, { socketPath, method, path: `/v1.41/containers/${c.id}${path}` }));
const viaDockmon = (method, path) =>
  timed(() => request(through, { port: server.port, method, path: rest + path, headers: { authorization: `Bearer ${client.key}` } }));

async function arm(name, rounds, step) {
  const samples = { engine: [], dockmon: [] };
  for (let i = 0; i < rounds; i++) await step(samples);
  const row = (p) => [percentile(samples.engine, p), percentile(samples.dockmon, p)];
  const [e50, d50] = row(50);
  const [e99, d99] = row(99);
  return [name, rounds, ms(e50), ms(d50), ms(d50 - e50), ms(e99), ms(d99), (d50 / e50).toFixed(2)];
}

const stops = { engine: [], dockmon: [] };
const starts = await arm('start', ROUNDS, async (s) => {
  stops.engine.push(await viaEngine('POST', '/stop?t=5'));
  s.engine.push(await viaEngine('POST', '/start'));
  stops.dockmon.push(await viaDockmon('POST', '/stop?timeout=5'));
  s.dockmon.push(await viaDockmon('POST', '/start'));
});
let next = 0;
const stopRow = await arm('stop', ROUNDS, async (s) => {
  s.engine.push(stops.engine[next]);
  s.dockmon.push(stops.dockmon[next++]);
});
// Starting a running container and stopping a stopped one take the same path, but the engine answers at once. So the time
// that DockMon adds is not hidden in the tens of milliseconds by which real starts and stops vary.
const started = await arm('start of a running one', INSPECTS, async (s) => {
  s.engine.push(await viaEngine('POST', '/start'));
  s.dockmon.push(await viaDockmon('POST', '/start'));
});
await viaEngine('POST', '/stop?t=5');
const stopped = await arm('stop of a stopped one', INSPECTS, async (s) => {
  s.engine.push(await viaEngine('POST', '/stop?t=5'));
  s.dockmon.push(await viaDockmon('POST', '/stop?timeout=5'));
});
const inspects = await arm('inspect', INSPECTS, async (s) => {
  s.engine.push(await viaEngine('GET', '/json'));
  s.dockmon.push(await viaDockmon('GET', '/inspect'));
});

printTable(
  'Round trip, milliseconds (aim: added p50 <= 2)',
  ['call', 'n', 'engine p50', 'DockMon p50', 'added p50', 'engine p99', 'DockMon p99', 'ratio p50'],
  [starts, stopRow, started, stopped, inspects],
);
direct.destroy();
through.destroy();
await agent.remove();
await server.remove();
await engine.cleanup();
process.exit(0);

// `dockmon history`: graphs, summaries and marks from the server's history of a real container and its host.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { dockmon } from './lib/dockmon.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'viewer' });
const { engine } = world;
const history = (...args) => dockmon(world.server, world.client.key, ['history', ...args]);
const json = async (...args) => JSON.parse((await history('--json', ...args)).stdout);
let burner;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  burner = await engine.run('burner', { args: ['--cpus', '0.5'], command: ['sh', '-c', 'while :; do :; done'] });
  await world.client.container(burner.name);
  await eventually(async () => (await json(burner.name, '--metric', 'cpu')).metrics.cpu.values.some((v) => v > 0), { timeout: 90000, interval: 500, what: 'a history' });
});

const row = (text, name) => text.split('\n').find((l) => l.startsWith(`${name} `)).split(/ {3,}/);

test('a container: a row for each metric with min, mean, max, last and a graph', async () => {
  const r = await history(burner.name, '--since', '10m', '--step', '10s');
  const answer = await json(burner.name, '--since', '10m', '--step', '10s');

  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /^\S+Z to \S+Z, 10 s per step\nMETRIC +MIN +MEAN +MAX +LAST +GRAPH\n/);
  assert.deepEqual(Object.keys(answer.metrics), ['cpu', 'mem_used', 'net_rx', 'net_tx']);
  const [, min, mean, max, last] = row(r.stdout, 'cpu');
  for (const v of [min, mean, max, last]) assert.match(v, /^\d+\.\d\d%$/);
  assert.ok(parseFloat(min) <= parseFloat(mean) && parseFloat(mean) <= parseFloat(max), r.stdout);
  assert.match(row(r.stdout, 'cpu').at(-1), /[▁▂▃▄▅▆▇█]/);
  assert.match(row(r.stdout, 'mem_used')[4], /^[\d.]+[KM]iB$/);
});

test('--ascii and dumb terminals get ASCII graphs; a host is found by name', async () => {
  const plain = await history(burner.name, '--ascii', '--metric', 'cpu');
  const dumb = await dockmon(world.server, world.client.key, ['history', world.host.name, '--metric', 'cpu,load_1'], { env: { TERM: 'dumb' } });

  assert.match(plain.stdout, /[#*+]/);
  for (const r of [plain, dumb]) assert.match(r.stdout, /^[\x20-\x7e\n]*$/);
  assert.match(dumb.stdout, /^load_1 +[\d.]+ /m);
});

test('--csv: a line for each step, with empty cells for unknown values', async () => {
  const r = await history(burner.name, '--since', '2h', '--step', '10m', '--metric', 'cpu,net_rx', '--csv');
  const lines = r.stdout.trimEnd().split('\r\n');

  assert.equal(lines[0], 'time,cpu,cpu_max,net_rx_per_second');
  assert.ok(lines.length >= 12 && lines.length <= 15, `${lines.length} lines`);
  assert.match(lines[1], /^\d{4}-.*Z,,,$/);
  // The newest step may have just begun and be empty.
  assert.ok(lines.slice(-2).some((l) => /Z,[\d.]+,[\d.]+,/.test(l)), r.stdout);
});

test('events are listed as marks', async () => {
  await engine.docker('kill', burner.id);
  await eventually(async () => /^\S+Z +died /m.test((await history(burner.name)).stdout), { timeout: 60000, interval: 500, what: 'the mark' });
  assert.match((await history(burner.name)).stdout, /^\S+Z +started /m);
});

test('invalid arguments are errors', async () => {
  assert.match((await history('nobody')).stderr, /nobody/);
  assert.match((await history(world.host.name, '--metric', 'colour')).stderr, /colour/);
  assert.equal((await history(world.host.name, '--since', 'yesterday')).code, 125);
  assert.equal((await history(world.host.name, '--csv', '--json')).code, 125);
});

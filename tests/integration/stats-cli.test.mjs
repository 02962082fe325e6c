// `dockmon stats` on the real engine, compared with `docker stats` of the same containers.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { bin, dockmon } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'viewer' });
const { engine } = world;
const stats = (...args) => dockmon(world.server, world.client.key, ['stats', ...args]);
const env = () => ({ ...process.env, DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key, NO_COLOR: '1' });
let burner, idle, stopped;

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  burner = await engine.run('burner', { args: ['--cpus', '0.5'], command: ['sh', '-c', 'while :; do :; done'] });
  idle = await engine.run('idle', { args: ['--memory', '64m'] });
  stopped = await engine.run('stopped', { command: ['true'] });
  for (const c of [burner, idle, stopped]) await world.client.container(c.name);
});

// Cells of a line: columns are at least three spaces apart, or padded to ten.
const cells = (line) => line.split(/ {2,}/);
const HEADER = ['CONTAINER ID', 'HOST', 'NAME', 'CPU %', 'MEM USAGE / LIMIT', 'MEM %', 'NET I/O', 'BLOCK I/O', 'PIDS'];

test('--no-stream: the same columns and about the same values as docker stats', async () => {
  let ours, theirs;
  await eventually(async () => {
    ours = await stats('--no-stream', burner.name, idle.name);
    theirs = await run('docker', ['stats', '--no-stream', '--format', '{{.CPUPerc}}|{{.MemUsage}}|{{.PIDs}}', burner.id], { env: engine.env });
    return (ours.stdout.match(/\d%/g) ?? []).length >= 4 && /^\d/.test(theirs.stdout); // both need two samples of a new container
  }, { timeout: 60000, what: 'statistics of both' });
  const [header, ...lines] = ours.stdout.trimEnd().split('\n');
  const rows = lines.map(cells);
  const [cpu, memory, pids] = theirs.stdout.trim().split('|');

  assert.equal(ours.code, 0, ours.stderr);
  assert.deepEqual(cells(header), HEADER);
  assert.deepEqual(rows.map((r) => r[2]), [burner.name, idle.name]); // the busiest first
  assert.equal(rows[0][0], burner.id.slice(0, 12));
  // On a busy machine the burner may get little CPU, but more than the idle container.
  assert.ok(parseFloat(rows[0][3]) > parseFloat(rows[1][3]) && parseFloat(rows[0][3]) < 60, ours.stdout);
  assert.ok(parseFloat(cpu) > 0, cpu);
  assert.equal(rows[0][8], pids);
  assert.match(rows[0][4], /^[\d.]+[KM]iB \/ [\d.]+GiB$/);
  assert.equal(rows[0][4].split(' / ')[1], memory.split(' / ')[1]); // the same limit in the same words
  assert.equal(rows[1][4].split(' / ')[1], '64MiB');
});

test('unknown values are --', async () => {
  const r = await stats('--no-stream', '--all', '--filter', `name=${stopped.name}`);

  assert.deepEqual(cells(r.stdout.split('\n')[1]), [stopped.id.slice(0, 12), world.host.name, stopped.name, '--', '-- / --', '--', '-- / --', '-- / --', '--']);
  assert.doesNotMatch((await stats('--no-stream')).stdout, new RegExp(stopped.name));
});

test('--json, --sort and --filter', async () => {
  const list = JSON.parse((await stats('--no-stream', '--json', '--all', '--sort', 'name', '-r', '-f', `name=${engine.prefix}`)).stdout);
  const byName = Object.fromEntries(list.map((c) => [c.name, c]));

  assert.deepEqual(list.map((c) => c.name), [burner.name, idle.name, stopped.name].sort().reverse());
  assert.equal(byName[stopped.name].stats, null);
  assert.ok(byName[burner.name].stats.cpu_percent > byName[idle.name].stats.cpu_percent);
  assert.equal(byName[idle.name].stats.memory_limit, 64 << 20);
  assert.equal((await stats('--sort', 'colour')).code, 125);
  assert.equal((await stats('--hosts', '--all')).code, 125);
  const failed = await stats('--no-stream', '--format', '{{slice .Name 1000}}');
  assert.equal(failed.code, 1, 'a failure while it runs');
  assert.match(failed.stderr, /slice/);
  assert.match((await stats('nobody')).stderr, /nobody/);
});

test('--hosts', async () => {
  const [header, line] = (await stats('--hosts', '--no-stream')).stdout.split('\n').map(cells);

  assert.deepEqual(header, ['HOST ID', 'HOST', 'STATUS', 'CPU %', 'MEM %', 'NET I/O', 'CONTAINERS', 'SOURCE']);
  assert.deepEqual(line.slice(1, 3), [world.host.name, 'online']);
  assert.match(line[3], /^\d+\.\d\d%$/);
  assert.match(line[7], /^cgroup[12]|api$/);
});

// A process left by a failed test would keep this file from ending.
const children = [];
after(() => children.forEach((c) => c.kill('SIGKILL')));

// The output of a program that keeps running.
function follow(...args) {
  const child = spawn(bin('dockmon'), ['stats', ...args], { env: env() });
  children.push(child);
  const f = { child, text: '', exited: new Promise((done) => child.on('exit', (code) => done(code))) };
  child.stdout.on('data', (d) => (f.text += d));
  return f;
}

test('in a pipe: a block every second, and the agent samples as often', async () => {
  const f = follow('--json', burner.name);
  const seen = () => new Set(f.text.split('\n').slice(0, -1).map((l) => JSON.parse(l)[0]?.stats?.timestamp));

  await eventually(() => seen().size >= 6, { timeout: 30000, what: 'new samples' });
  const times = [...seen()].filter(Boolean).map((t) => Date.parse(t)).slice(1);
  const median = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b)[Math.floor((times.length - 1) / 2)];
  assert.ok(median < 5000, `${median} ms apart, as if nobody watched`);
  f.child.kill('SIGTERM');
  assert.equal(await f.exited, 0);

  const plain = follow(burner.name);
  await eventually(() => plain.text.split('CONTAINER ID').length > 3, { timeout: 30000, what: 'blocks' });
  assert.doesNotMatch(plain.text, /\x1b/);
  assert.match(plain.text, /\n\nCONTAINER ID/);
  plain.child.kill('SIGINT');
  assert.equal(await plain.exited, 130);
});

test('containers that start or are removed meanwhile appear and disappear', async () => {
  const f = follow('--json', '-f', `name=${engine.prefix}-late`);
  const last = () => f.text.trimEnd().split('\n').at(-1) || '[]';

  await eventually(() => last() === '[]' && f.text, { timeout: 30000 });
  const late = await engine.run('late');
  await eventually(() => JSON.parse(last())[0]?.stats?.memory_usage > 0, { timeout: 30000, what: 'statistics of the new container' });
  await engine.docker('rm', '-f', late.id);
  await eventually(() => last() === '[]', { timeout: 30000, what: 'its removal' });
  f.child.kill('SIGTERM');
  await f.exited;
});

test('on a terminal: redrawn in place within its width, sorted by keys, q quits and restores the terminal', async () => {
  const child = spawn('script', ['-qec', `stty cols 60 rows 12; before=$(stty -g); ${bin('dockmon')} stats; code=$?; [ "$before" = "$(stty -g)" ] && echo the same; exit $code`, '/dev/null'], { env: { ...env(), SHELL: '/bin/sh', TERM: 'xterm' } });
  children.push(child);
  const exited = new Promise((done) => child.on('exit', done));
  let text = '';
  child.stdout.on('data', (d) => (text += d));
  const frames = () => text.split('\x1b[H').slice(1).map((f) => f.replace(/\x1b\[[?\d]*[a-zA-Z]/g, ''));

  await eventually(() => /\d%/.test(frames().at(-1) ?? ''), { timeout: 30000, what: 'statistics' });
  assert.match(frames().at(-1), /by cpu/);
  child.stdin.write('n');
  await eventually(() => /by name/.test(frames().at(-1)), { timeout: 30000 });
  child.stdin.write('r');
  await eventually(() => /reversed/.test(frames().at(-1)), { timeout: 30000 });
  for (const f of frames().slice(0, -1)) {
    const lines = f.split('\r\n');
    assert.ok(lines.length <= 12 && lines.every((l) => [...l].length <= 60), f);
  }
  assert.doesNotMatch(text, /\x1b\[2J/); // clearing the screen would flicker
  child.stdin.write('q');
  assert.equal(await exited, 0);
  assert.match(text, /\x1b\[\?1049h[^]*\x1b\[\?1049l[^]*the same/);
});

test('it reconnects by itself when the server restarts', async () => {
  const f = follow('--json', idle.name);
  const last = () => JSON.parse(f.text.trimEnd().split('\n').at(-1) || '[]')[0]?.stats?.timestamp;

  await eventually(last, { timeout: 30000 });
  const before = last();
  await world.server.down();
  await world.server.up();
  await eventually(() => last() > before && Date.parse(last()) - Date.parse(before) > 1000, { timeout: 60000, what: 'newer statistics' });
  f.child.kill('SIGTERM');
  assert.equal(await f.exited, 0);
});

test('dockmon hosts --wide shows the source of the statistics', async () => {
  const hosts = (...args) => dockmon(world.server, world.client.key, ['hosts', ...args]);
  const { stats: source } = (await world.client.get('/api/hosts'))[0].agent;

  assert.match((await hosts('--wide')).stdout, new RegExp(`${source.containers}, ${source.network}`));
  assert.match((await hosts('-w')).stdout, /STATISTICS +WHY +ERROR\n/);
  assert.doesNotMatch((await hosts()).stdout, /STATISTICS/);
});

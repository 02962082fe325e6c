// `dockmon logs` of several containers, and -f: new lines are shown once and in order, across restarts, rotation and
// outages of agent and server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bin, dockmon } from './lib/dockmon.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'viewer' });
const { engine, listed } = world;

const logs = (...args) => dockmon(world.server, world.client.key, ['logs', ...args]);
const followAs = (key, ...args) =>
  new Process(bin('dockmon'), ['logs', '-f', ...args], { env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: key, NO_COLOR: '1' } });
const follow = (...args) => followAs(world.client.key, ...args);
const numbers = (p, pattern = /n(\d+)$/) => p.lines.map((l) => pattern.exec(l)).filter(Boolean).map((m) => Number(m[1]));
const until = (n, from = 1) => Array.from({ length: n - from + 1 }, (_, i) => i + from);

test('several containers are merged by time, each line with its container', async () => {
  const a = await listed('a', 'echo one; sleep 0.6; echo three');
  const b = await listed('bb', 'sleep 0.3; echo two; sleep 0.6; echo four');

  await eventually(async () => (await engine.state(b.id)) === 'exited');
  const r = await logs(a.name, b.name);
  const host = world.host.name;
  assert.equal(r.code, 0);
  const times = await Promise.all([a, b].map(async (c) => (await engine.docker('logs', '-t', c.id)).split('\n').map((l) => ({ at: l.split(' ')[0], text: `${host}/${c.name}${c === a ? ' ' : ''} | ${l.split(' ')[1]}` }))));
  const expected = times.flat().sort((x, y) => (x.at < y.at ? -1 : 1)).map((l) => l.text);
  assert.deepEqual(r.stdout.trimEnd().split('\n'), expected);
});

test('-f shows every line once, in order', async () => {
  const c = await listed('once', 'i=0; while [ $i -lt 300 ]; do i=$((i + 1)); echo n$i; busybox usleep 20000; done; sleep 600');
  const p = follow(c.name);

  await p.line(/n300$/, { timeout: 60000 });
  assert.deepEqual(numbers(p), until(300));
  await p.stop('SIGINT');
});

test('lines with the same time are shown exactly once', async () => {
  const c = await listed('burst', 'for k in 1 2 3 4 5; do busybox seq $((k * 1000 - 999)) $((k * 1000)) | busybox sed s/^/n/; sleep 0.7; done; sleep 600');
  const p = follow(c.name);

  await p.line(/n5000$/, { timeout: 30000 });
  assert.deepEqual(numbers(p), until(5000));
  await p.stop('SIGINT');
});

test('-n 0 shows only new lines, also of an empty log', async () => {
  const c = await listed('new', 'echo n1; echo n2; sleep 5; echo n3; sleep 600');
  const empty = await listed('empty', 'sleep 5; echo n4; echo n5; sleep 600');
  const p = follow('-n', '0', c.name, empty.name);

  await p.line(/n3$/);
  await p.line(/n5$/);
  assert.deepEqual(numbers(p).sort(), [3, 4, 5]);
  await p.stop('SIGINT');
});

test('-f ends with the container, as docker does, and after the last of several', async () => {
  const [a, b] = [await listed('first', 'trap "echo n2; exit 3" TERM; echo n1; while :; do busybox usleep 100000; done'), await listed('last', 'echo n3; exec sleep 600')];
  const [one, both, theirs] = [follow(a.name), follow(a.name, b.name), new Process('docker', ['logs', '-f', a.id], { env: engine.env })];

  for (const p of [one, both, theirs]) await p.line(/n1$/);
  await both.line(/n3$/);
  await engine.docker('restart', a.id);
  assert.equal((await theirs.exited).code, 0);
  assert.equal((await one.exited).code, 0);
  await both.line(/n2$/);
  assert.deepEqual(numbers(one), [1, 2]);
  assert.deepEqual(numbers(theirs), [1, 2]);
  await engine.docker('kill', b.id);
  assert.equal((await both.exited).code, 0);
});

test('the log continues with --follow-restarts when the container starts again', async () => {
  const c = await listed('again', 'echo n7; sleep 600');
  const p = follow('--follow-restarts', c.name);

  await p.line(/n\d+$/);
  for (let i = 2; i <= 3; i++) {
    await engine.docker('restart', '-t', '0', c.id);
    await eventually(() => p.lines.filter((l) => l !== '').length === i, { what: `run ${i}` });
  }
  await engine.docker('rm', '-f', c.id);
  assert.equal((await p.exited).code, 0, 'nothing is left to follow');
});

test('rotation loses nothing', async () => {
  const c = await listed('rotate', 'i=0; while [ $i -lt 400 ]; do i=$((i + 1)); echo "$(busybox seq -s . 1 60) n$i"; busybox usleep 20000; done; sleep 600', [
    '--log-opt', 'max-size=16k', '--log-opt', 'max-file=3',
  ]);
  const p = follow(c.name);

  await p.line(/n400$/, { timeout: 60000 });
  assert.deepEqual(numbers(p), until(400));
  await p.stop('SIGINT');
});

test('it survives outages of agent and server', async () => {
  const c = await listed('away', 'i=0; while [ $i -lt 600 ]; do i=$((i + 1)); echo n$i; busybox usleep 20000; done; sleep 600');
  const p = follow(c.name);

  await p.line(/n20$/);
  await world.agent.process.stop('SIGKILL');
  await p.line(/offline|not connected|disconnected/);
  await world.agent.up();
  await p.line(/n250$/, { timeout: 60000 });
  await world.server.process.stop('SIGKILL');
  await p.line(/cannot talk to the DockMon server/);
  await world.server.up();
  await p.line(/n600$/, { timeout: 60000 });
  assert.deepEqual(numbers(p), until(600));
  await p.stop('SIGINT');
});

test('logs of several containers name the one that failed, and show the others', async () => {
  const a = await listed('good', 'echo fine; sleep 600');
  const b = await listed('none', 'echo lost; sleep 600', ['--log-driver', 'none']);
  await eventually(async () => (await engine.docker('logs', a.id)) === 'fine');
  const r = await logs(a.name, 'no-such-container', b.name);
  assert.equal(r.code, 1);
  assert.match(r.stdout, / \| fine\n$/);
  const errors = r.stderr.trimEnd().split('\n');
  assert.equal(errors.length, 2, r.stderr);
  assert.match(errors[0], /^Error: .*no-such-container/);
  assert.ok(errors[1].startsWith(`Error: ${b.name}: `) && /does not support reading/.test(errors[1]), r.stderr);
});

test('a log driver that keeps nothing is an error, also with -f', async () => {
  const c = await listed('driver', 'echo lost; sleep 600', ['--log-driver', 'none']);
  for (const args of [[c.name], ['-f', c.name], ['-f', '-n', '0', c.name]]) {
    const r = await logs(...args);
    assert.equal(r.code, 1, args.join(' '));
    assert.match(r.stderr, /^Error: .*does not support reading/);
    assert.equal(r.stderr.trimEnd().split('\n').length, 1, 'said once');
  }
});

test('-f of a stopped container prints its log and ends', async () => {
  const c = await listed('ended', 'echo n1; echo n2');
  await eventually(async () => (await world.client.container(c.name)).state === 'exited');
  const r = await logs('-f', c.name);
  assert.deepEqual([r.code, r.stdout, r.stderr], [0, 'n1\nn2\n', '']);
});

test('stderr of a container is printed on stderr, and --details as docker does', async () => {
  const c = await listed('both', 'echo out; sleep 0.1; echo bad >&2; sleep 0.1; echo again; sleep 600', ['--label', 'tier=front', '--log-opt', 'labels=tier']);
  await eventually(async () => (await engine.docker('logs', c.id)).endsWith('again'));
  const r = await logs(c.name);
  assert.deepEqual([r.code, r.stdout, r.stderr], [0, 'out\nagain\n', 'bad\n']);
  const operator = await world.server.client('operator');
  const refused = await logs('--details', c.name);
  assert.deepEqual([refused.code, refused.stdout], [1, '']);
  assert.match(refused.stderr, /details .* need the role operator/);
  const details = await dockmon(world.server, operator.key, ['logs', '--details', c.name]);
  assert.deepEqual([details.stdout, details.stderr], ['tier=front out\ntier=front again\n', 'tier=front bad\n']);
  for (const flags of [[], ['--details']]) {
    const p = followAs(operator.key, ...flags, c.name);
    const theirs = await run('docker', ['logs', ...flags, c.id], { env: engine.env });
    await p.line(/again$/);
    await eventually(() => p.lines.filter((l) => l !== '').length === 3);
    assert.deepEqual(p.lines.filter((l) => l !== '').sort(), (theirs.stdout + theirs.stderr).trimEnd().split('\n').sort());
    await p.stop('SIGINT');
  }
});

test('a closed pipe ends it', async () => {
  const c = await listed('pipe', 'while true; do echo x; busybox usleep 50000; done');
  const p = new Process('sh', ['-c', `${bin('dockmon')} logs -f ${c.name} | head -n 3`], {
    env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key },
  });

  assert.equal((await p.exited).code, 0);
  assert.deepEqual(p.lines.filter((l) => l !== ''), ['x', 'x', 'x']);
});

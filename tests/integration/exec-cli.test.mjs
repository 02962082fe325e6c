// `dockmon exec` on the real engine: with and without a terminal, sizes, exit codes, standard input, signals.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { IMAGE } from './lib/engine.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;

const listed = async (name, options) => {
  const c = await engine.run(name, options);
  await world.client.container(c.name);
  return c;
};
const exec = (args, options) => dockmon(world.server, world.client.key, ['exec', ...args], options);
const cli = (...args) => dockmon(world.server, world.client.key, args);
const processes = async (c) => (await engine.docker('top', c.id)).split('\n').length - 1;

// In a terminal of its own, made by script(1).
const inTerminal = (script, input) =>
  run('script', ['-qec', script, '/dev/null'], {
    env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key, SHELL: '/bin/sh', DOCKMON: bin('dockmon') },
    input,
  });

test('without a terminal: separate streams, input, environment, exit code', async () => {
  const c = await listed('plain');
  const r = await exec(['-i', '-e', 'A=b c', '-w', '/bin', c.name, 'sh', '-c', 'cat; echo "$A $PWD $1"; echo bad >&2; exit 42', '-x', '-i'], { input: 'in\n' });

  assert.deepEqual([r.code, r.stdout, r.stderr], [42, 'in\nb c /bin -i\n', 'bad\n']);
});

test('--env-file, --env and a name alone, as docker reads them', async () => {
  const c = await listed('env');
  const dir = await temporaryDirectory();
  const file = join(dir, 'env');
  await writeFile(file, '# comment\n\nPLAIN=a b\r\nQUOTED="x"\n  INDENTED=1\nFROM_HERE\nNOT_SET\nTWICE=file\n');
  const flags = ['--env-file', file, '-e', 'TWICE=flag', '-e', 'ALSO_HERE', '-e', 'NOT_SET_EITHER'];
  const env = { FROM_HERE: 'yes', ALSO_HERE: 'too' };
  const show = ['sh', '-c', 'busybox env | busybox grep -E "PLAIN|QUOTED|INDENTED|HERE|NOT_SET|TWICE" | busybox sort'];
  const theirs = await run('docker', ['exec', ...flags, c.name, ...show], { env: { ...engine.env, ...env } });
  const ours = await exec([...flags, c.name, ...show], { env });
  assert.equal(theirs.code, 0, theirs.stderr);
  assert.deepEqual([ours.code, ours.stdout, ours.stderr], [0, theirs.stdout, '']);
  await writeFile(file, 'WITH SPACE=1\n');
  const bad = await exec(['--env-file', file, c.name, 'true']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /"WITH SPACE=1" is not NAME=VALUE/);
  await rm(dir, { recursive: true });
});

test('-it needs a terminal; -t alone does not', async () => {
  const c = await listed('tty');
  const both = await exec(['-it', c.name, 'echo', 'ran'], { input: '' });
  assert.deepEqual([both.code, both.stdout], [1, '']);
  assert.match(both.stderr, /not a terminal; leave out -t/);
  const alone = await exec(['-t', c.name, 'sh', '-c', 'test -t 1 && echo terminal'], { input: '' });
  assert.deepEqual([alone.code, alone.stdout, alone.stderr], [0, 'terminal\r\n', '']);
  const input = await exec(['-i', c.name, 'cat'], { input: 'through\n' });
  assert.deepEqual([input.code, input.stdout], [0, 'through\n']);
});

test('without -i the command has no input', async () => {
  const c = await listed('noinput');
  const r = await exec([c.name, 'cat'], { input: 'not for it\n' });

  assert.deepEqual([r.code, r.stdout], [0, '']);
});

test('a large input and a large output arrive complete', async () => {
  const c = await listed('large');
  const input = Buffer.alloc(20 << 20, 'z').toString();
  const r = await exec(['-i', c.name, 'sh', '-c', 'busybox wc -c; yes x | head -c 20971520'], { input });

  assert.equal(r.code, 0);
  assert.equal(r.stdout.length, '20971520\n'.length + 20971520);
  assert.ok(r.stdout.startsWith('20971520\n'));
});

test('standard input may be a file or the null device', async () => {
  const c = await listed('file');
  const r = await inTerminal(`$DOCKMON exec -i ${c.name} busybox wc -l < /etc/passwd; $DOCKMON exec -i ${c.name} cat < /dev/null`);
  const lines = (await run('sh', ['-c', 'wc -l < /etc/passwd'])).stdout.trim();

  assert.equal(r.code, 0, r.stdout);
  assert.equal(r.stdout.trim(), lines);
});

test('with a terminal: size, resize, keys, exit code', async () => {
  const c = await listed('terminal');
  const r = await inTerminal(
    `stty cols 101 rows 31; (sleep 3; stty cols 91 rows 21 < /dev/tty) & exec $DOCKMON exec -it ${c.name} sh -c 'sleep 1; busybox stty size; read line; echo "got $line"; sleep 4; busybox stty size; exit 9'`,
    'typed\n',
  );

  assert.equal(r.code, 9, r.stdout);
  assert.match(r.stdout, /31 101/);
  assert.match(r.stdout, /got typed/);
  assert.match(r.stdout, /21 91/);
});

test('without a command it runs a shell', async () => {
  const c = await listed('shell');
  const r = await exec([c.name], { input: 'echo $((6 * 7))\nexit 4\n' });

  assert.deepEqual([r.code, r.stdout], [4, '42\n']);
});

test('the terminal is restored, even after a signal', async () => {
  const c = await listed('restore');
  const r = await inTerminal(
    `before=$(stty -g); sh -c '(sleep 2; kill -TERM $$) & exec $DOCKMON exec -it ${c.name} sleep 100'; echo code $?; after=$(stty -g); [ "$before" = "$after" ] && echo same`,
  );

  assert.match(r.stdout, /code 143\s+same/);
  await eventually(async () => (await processes(c)) === 1, { what: 'the process has ended' });
});

test('failures print an error and exit with 1, as with docker', async () => {
  const c = await listed('failures');

  let r = await exec(['no-such-container', 'true']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /no-such-container/);
  const viewer = await world.server.client('viewer');
  r = await dockmon(world.server, viewer.key, ['exec', c.name, 'true']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /operator/);
  await engine.docker('stop', '-t', '0', c.id);
  r = await exec([c.name, 'true']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /not running/);
});

test('-d leaves the command running, and says how its start went', async () => {
  const c = await listed('detached');
  const r = await exec(['-d', '-e', 'KEPT=yes', c.name, 'sh', '-c', 'sleep 1; echo $KEPT > /kept; sleep 900']);
  assert.deepEqual([r.code, r.stdout, r.stderr], [0, '', '']);
  await eventually(async () => (await engine.docker('exec', c.id, 'sh', '-c', 'cat /kept || true')) === 'yes', { what: 'it goes on' });
  assert.equal(await processes(c), 2, 'the container and the command');
  await world.agent.process.stop('SIGKILL');
  await world.agent.up();
  await eventually(async () => (await exec([c.name, 'true'])).code === 0, { what: 'the agent is back' });
  assert.equal(await processes(c), 2, 'it is none of the commands that end with their session');
  const none = await exec(['-d', c.name, 'no-such-program']);
  assert.notEqual(none.code, 0);
  assert.match(none.stderr, /no-such-program/);
  const bare = await exec(['-d', c.name]);
  assert.deepEqual([bare.code, bare.stderr], [1, 'Error: exec -d needs a command\n']);
});

test('start -a prints the output of this run and exits with its code', async () => {
  const made = async (word, ...script) => {
    await engine.docker('create', '--name', `${engine.prefix}-${word}`, IMAGE, 'sh', '-c', script.join('; '));
    return (await world.client.container(`${engine.prefix}-${word}`)).name;
  };
  const job = await made('job', 'echo out', 'echo bad >&2', 'busybox usleep 300000', 'echo end', 'exit 7');
  for (let run = 1; run <= 2; run++) {
    const r = await cli('start', '-a', job);
    assert.deepEqual([r.code, r.stdout, r.stderr], [7, 'out\nend\n', 'bad\n'], `run ${run}`);
  }
  const quick = await made('quick', 'echo n1');
  assert.deepEqual(await cli('start', '-a', quick).then((r) => [r.code, r.stdout]), [0, 'n1\n']);
  const input = await cli('start', '-ai', job);
  assert.equal(input.code, 1);
  assert.match(input.stderr, /start -i is not possible: .*exec -it/);
  const none = await cli('start', '-a', 'no-such-container');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no-such-container/);
});

test('a killed client ends its process in the container', async () => {
  const c = await listed('killed');
  const p = new Process(bin('dockmon'), ['exec', c.name, 'sleep', '999'], {
    env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key },
  });

  await eventually(async () => (await processes(c)) === 2);
  await p.stop('SIGKILL');
  await eventually(async () => (await processes(c)) === 1);
});

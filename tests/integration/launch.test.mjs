// The launcher of the agent: which program it starts, and when it puts the one before an update back.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { bin, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

let dir, packaged, data, folder;

beforeEach(async () => {
  dir = await temporaryDirectory();
  packaged = join(dir, 'packaged');
  data = join(dir, 'data');
  folder = join(data, 'bin');
  await mkdir(folder, { recursive: true });
  await program(packaged, 'packaged');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

// A program that prints its name, its arguments and the variable of the launcher.
async function program(path, name, exit = 0) {
  await writeFile(path, `#!/bin/sh\necho ${name} "$@" "$DOCKMON_LAUNCH_DIR"\nexit ${exit}\n`);
  await chmod(path, 0o755);
}

const update = (name, exit) => program(join(folder, 'dockmon-agent'), name, exit);
const previous = (name) => program(join(folder, 'dockmon-agent.old'), name);
const setTries = (text) => writeFile(join(folder, 'tries'), text);
const files = async () => (await readdir(folder)).sort();

async function launch() {
  const r = await run(bin('dockmon-agent-launch'), [packaged, data, '--a', 'b c']);
  return { ...r, started: r.stdout.split(' ')[0] };
}

test('without an update the packaged program runs with the arguments', async () => {
  const r = await launch();
  assert.equal(r.stdout, `packaged --a b c ${folder}\n`);
  assert.deepEqual(await files(), []);
});

test('an update that has proved itself runs, and nothing is counted', async () => {
  await update('new');
  await previous('old');
  assert.equal((await launch()).started, 'new');
  assert.deepEqual(await files(), ['dockmon-agent', 'dockmon-agent.old']);
});

test('after three tries the previous program returns', async () => {
  await update('new', 1);
  await previous('old');
  await setTries('0');
  for (const tries of ['1', '2', '3']) {
    const r = await launch();
    assert.deepEqual([r.started, r.code], ['new', 1]);
    assert.equal(await readFile(join(folder, 'tries'), 'utf8'), tries);
  }
  const r = await launch();
  assert.equal(r.started, 'old');
  assert.match(r.stderr, /undone: it was started three times without reaching the server/);
  assert.deepEqual(await files(), ['dockmon-agent', 'dockmon-agent.bad', 'undone']);
  assert.equal(await readFile(join(folder, 'undone'), 'utf8'), 'it was started three times without reaching the server');
  assert.equal((await launch()).started, 'old');
});

test('after three tries of a first update the packaged program returns', async () => {
  await update('new');
  await setTries('3');
  assert.equal((await launch()).started, 'packaged');
  assert.deepEqual(await files(), ['dockmon-agent.bad', 'undone']);
});

test('a program that does not start is replaced at once', async () => {
  await update('new');
  await writeFile(join(folder, 'dockmon-agent'), '\x7fELF and no more');
  await previous('old');
  await setTries('0');
  const r = await launch();
  assert.equal(r.started, 'old');
  assert.match(r.stderr, /dockmon-agent does not start: Exec format error/);
  assert.deepEqual(await files(), ['dockmon-agent', 'dockmon-agent.bad', 'undone']);
});

test('neither of them starts: the packaged program runs', async () => {
  for (const name of ['dockmon-agent', 'dockmon-agent.old']) {
    await program(join(folder, name), name);
    await chmod(join(folder, name), 0o644);
  }
  assert.equal((await launch()).started, 'packaged');
});

test('a package that is installed after the update wins', async () => {
  await update('new');
  const { ctimeNs } = await stat(join(folder, 'dockmon-agent'), { bigint: true });
  do await program(packaged, 'packaged');
  while ((await stat(packaged, { bigint: true })).ctimeNs === ctimeNs); // the kernel's clock has ticks
  assert.equal((await launch()).started, 'packaged');
});

test('a damaged counter counts as three tries', async () => {
  for (const text of ['', 'x', '9']) {
    await update('new');
    await previous('old');
    await setTries(text);
    assert.equal((await launch()).started, 'old', JSON.stringify(text));
  }
});

test('tries that cannot be counted are not made', async () => {
  await update('new');
  await previous('old');
  await setTries('1');
  await mkdir(join(folder, 'tries.new'));
  const r = await launch();
  assert.equal(r.started, 'old');
  assert.match(r.stderr, /its tries cannot be counted/);
});

test('paths must be absolute', async () => {
  for (const args of [[], [packaged], ['packaged', data], [packaged, 'data']]) {
    const r = await run(bin('dockmon-agent-launch'), args);
    assert.equal(r.code, 2);
    assert.match(r.stderr, /usage: /);
  }
});

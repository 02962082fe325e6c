// script/soak chaos itself: the seed decides what is chosen, good programs pass, and a report of a sanitizer is a failure.
import assert from 'node:assert/strict';
import { chmod, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ROOT, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

const chaos = (args, env) => run(process.execPath, [join(ROOT, 'tests/soak/chaos.mjs'), ...args], { env, timeout: 120000 });
const dirs = [];
after(() => Promise.all(dirs.map((d) => rm(d, { recursive: true, force: true }))));

test('the same seed makes the same plan, another one another', async () => {
  const plan = async (seed) => (await chaos(['--plan', '--seed', seed])).stdout;

  assert.equal((await plan('1')).trim().split('\n').length, 20);
  assert.equal(await plan('1'), await plan('1'));
  assert.notEqual(await plan('1'), await plan('2'));
});

test('a short run passes, unless the CLI ends with a report', { concurrency: true, timeout: 180000 }, async () => {
  const dir = await temporaryDirectory();
  dirs.push(dir);
  for (const name of ['dockmond', 'dockmon-agent']) await symlink(bin(name), join(dir, name));
  await writeFile(join(dir, 'dockmon'), '#!/bin/sh\necho "SUMMARY: AddressSanitizer: heap-use-after-free" >&2\nexit 99\n');
  await chmod(join(dir, 'dockmon'), 0o755);

  const args = ['--seconds', '5', '--seed', '1'];
  const [good, bad] = await Promise.all([chaos(args), chaos(args, { DOCKMON_BIN_DIR: dir })]);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /^chaos: ok: 5 s, seed 1: \d+ pieces of work, \d+ ends, \d+ restarts, 0 failures of 0 kinds$/m);
  assert.equal(bad.code, 1, bad.stdout + bad.stderr);
  assert.match(bad.stdout, /FAILURE dockmon \w+: SUMMARY: AddressSanitizer: heap-use-after-free/);
  assert.match(bad.stdout, /^chaos: FAILED: 5 s, seed 1: /m);
});

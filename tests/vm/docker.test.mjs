// Runs the agent on the host as root, with pure cgroup v2 and the systemd driver.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { SLOW, assertAllAgree, assertBusyAgree, sh, assertSource, createLoads, removeLoads } from './lib.mjs';

const engine = new Engine();
const later = cleanups();

before(() => engine.ensureImage());

test('the machine has cgroup v2, systemd and its cgroup driver', SLOW, async () => {
  assert.equal(await sh('stat -fc %T /sys/fs/cgroup'), 'cgroup2fs');
  assert.equal((await readFile('/proc/1/comm', 'utf8')).trim(), 'systemd');
  assert.equal(await engine.docker('info', '-f', '{{.CgroupVersion}} {{.CgroupDriver}}'), '2 systemd');
});

test('an agent on the host agrees with docker stats and the kernel', SLOW, async () => {
  later(() => removeLoads(engine));
  const all = await createLoads(engine);
  const m = await measure(engine, later);
  await assertAllAgree(engine, m, all);
  await assertBusyAgree(engine, m);
  assertSource(m, 'netlink');
  const { host } = m.all().findLast((b) => b.host);
  assert.ok(host.cpus === 2 && host.mem_total > 1e9 && host.swap_total === 0 && host.mounts.some((f) => f.path === '/' && f.written > 0), JSON.stringify(host));
});

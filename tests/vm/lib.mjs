// Common functions of the tests in the machine of script/vm: the kernel's values, read without our code, and containers that
// use every measured resource.
import assert from 'node:assert/strict';
import { chown, mkdtemp, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from '../integration/lib/dockmon.mjs';
import { IMAGE } from '../integration/lib/engine.mjs';
import { agreement, agreementOnCpu, engineSays } from '../integration/lib/engine-stats.mjs';
import { run } from '../integration/lib/process.mjs';
import { SLOWNESS, eventually } from '../integration/lib/wait.mjs';

export const ROOT = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../..');
export const SLOW = { timeout: 400000 * SLOWNESS };

export async function sh(script, options = {}) {
  const r = await run('sh', ['-c', script], { timeout: 120000, ...options });
  assert.equal(r.code, 0, `${script}: ${r.stdout}${r.stderr}`);
  return r.stdout.trim();
}

const keys = (text) => Object.fromEntries(text.split('\n').filter(Boolean).map((l) => l.split(' ')).map(([k, v]) => [k, Number(v)]));
const words = (line) => Object.fromEntries((line ?? '').split(' ').slice(1).map((w) => w.split('=')).map(([k, v]) => [k, Number(v)]));

// Searches the cgroup of a container: the topmost folder with the id in its name, except that of Podman's monitor.
export async function findCgroup(id, base = '/sys/fs/cgroup') {
  for (const e of await readdir(base, { withFileTypes: true })) {
    if (!e.isDirectory()) continue;
    const path = join(base, e.name);
    if (e.name.includes(id) && !e.name.includes('conmon')) return e.name.startsWith('libpod-') ? join(path, 'container') : path; // of crun
    const below = await findCgroup(id, path);
    if (below) return below;
  }
  return null;
}

// A reference for agreement(): the files of cgroup v2.
export const kernelSays = async (_, id) => {
  const dir = await findCgroup(id);
  const text = async (name) => readFile(join(dir, name), 'utf8').catch(() => null);
  const cpu = keys(await text('cpu.stat'));
  const memory = keys(await text('memory.stat'));
  const io = (await text('io.stat'))?.split('\n').filter(Boolean).map(words);
  const sum = (name) => io?.reduce((n, w) => n + (w[name] ?? 0), 0);
  const psi = async (file, name) => {
    const [some, full] = (await text(`${file}.pressure`)).split('\n').map((l) => Math.round(words(l).avg10 * 100));
    return { [`psi_${name}_some`]: some, [`psi_${name}_full`]: full };
  };
  return {
    counters: {
      cpu_time: cpu.usage_usec, cpu_periods: cpu.nr_periods, cpu_throttled: cpu.nr_throttled, cpu_throttled_time: cpu.throttled_usec,
      blk_read: sum('rbytes'), blk_write: sum('wbytes'), pids: Number(await text('pids.current')), oom_kills: keys(await text('memory.events')).oom_kill,    },
    sizes: {
      mem_used: Number(await text('memory.current')) - memory.inactive_file, mem_anon: memory.anon, mem_file: memory.file, mem_kernel: memory.kernel,
      ...(await psi('cpu', 'cpu')), ...(await psi('memory', 'mem')), ...(await psi('io', 'io')), // they only decrease
    },
  };
};

const PING = String.raw`busybox ping -c 3 -s 1000 $(busybox ip route | busybox sed -n 's/default via \([0-9.]*\) .*/\1/p')`;
const DISK = 'busybox dd if=/dev/zero of=/d/data bs=1M count=24 oflag=direct && busybox dd if=/d/data of=/dev/null bs=1M count=16 iflag=direct';
const HOG = 'busybox dd if=/dev/zero of=/cache bs=1M count=24; busybox dd if=/dev/zero of=/shared/data bs=1M count=16; x=$(yes | head -c 8000000)';

// Creates containers that have used every measured resource and are idle; removeLoads() removes them.
export async function createLoads(engine) {
  const start = (name, script, ...args) => engine.run(name, { args, command: ['sh', '-c', `${script}; echo ready; sleep 3600; true`] });
  const network = `${engine.prefix}-net`;
  await engine.docker('network', 'create', network);
  const all = {
    hog: await start('hog', HOG, '--memory', '256m', '--tmpfs', '/shared'),
    // Bypasses the page cache; a virtual disk counts, too.
    disk: await start('disk', DISK, '-v', '/d', '--memory', '64m'),
    throttled: await start('throttled', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done', '--cpus', '0.2'),
    killed: await start('killed', '(x=$(yes | head -c 90000000))', '--memory', '24m'),
    wired: { id: await engine.docker('run', '-d', '--cap-add', 'NET_RAW', '--network', network, '--name', `${engine.prefix}-wired`, IMAGE, 'sh', '-c', `${PING}; echo ready; exec sleep 3600`) },
  };
  for (const c of Object.values(all))
    await eventually(async () => /ready/.test(await engine.docker('logs', c.id)), { timeout: 90000, interval: 500, what: 'it is ready' });
  return all;
}

export async function removeLoads(engine) {
  await engine.cleanup();
  await run('docker', ['network', 'rm', `${engine.prefix}-net`], { env: engine.env });
}

// Compares all containers with both references, and checks that the values are large enough to compare.
export async function assertAllAgree(engine, m, all, says = engineSays) {
  const now = () => m.all().at(-1)?.containers ?? {};
  await eventually(() => Object.values(all).every((c) => now()[c.id]?.mem_used > 0), { timeout: 120000, what: 'samples of all' }).catch((e) =>
    assert.fail(`${e.message}: ${JSON.stringify({ source: m.source(), now: now() })}`));
  const verdicts = await Promise.allSettled(
    Object.entries(all).flatMap(([what, c]) => [agreement(engine, m, c.id, `${what}, by the engine`, says), agreement(engine, m, c.id, `${what}, by the kernel`, kernelSays)]),
  );
  assert.deepEqual(verdicts.filter((v) => v.reason).map((v) => v.reason.message), []);
  const { hog, disk, throttled, killed, wired } = Object.fromEntries(Object.entries(all).map(([what, c]) => [what, now()[c.id]]));
  assert.equal(hog.mem_limit, 256 << 20);
  assert.ok(hog.mem_anon >= 8000000 && hog.mem_file >= 15 << 20 && hog.mem_kernel > 0, JSON.stringify(hog));
  assert.ok(disk.blk_write >= 24 << 20 && disk.blk_read >= 16 << 20, JSON.stringify(disk));
  assert.ok(throttled.cpu_throttled > 0 && throttled.cpu_throttled_time > 0, JSON.stringify(throttled));
  assert.ok(killed.oom_kills >= 1, JSON.stringify(killed));
  assert.ok(wired.net_tx >= 3000, JSON.stringify(wired));
}

// Compares a container that uses a whole processor, and one that is limited to a tenth and waits most of the time.
export async function assertBusyAgree(engine, m) {
  const work = { command: ['sh', '-c', 'while :; do :; done'] };
  const burner = await engine.run('burner', work);
  await eventually(() => m.of(burner.id).at(-1)?.cpu != null, { timeout: 60000, what: 'samples of the busy container' });
  await agreementOnCpu(engine, m, burner.id);
  await engine.docker('rm', '-f', burner.id);

  const waits = await engine.run('waits', { args: ['--cpus', '0.1'], ...work });
  let last;
  await eventually(async () => {
    const { sizes: before } = await kernelSays(engine, waits.id);
    const ours = (await m.next(6)).at(-1).containers[waits.id];
    const { sizes: after } = await kernelSays(engine, waits.id);
    last = JSON.stringify({ ours, before, after });
    const [low, high] = [before.psi_cpu_some, after.psi_cpu_some].sort((x, y) => x - y);
    return low > 1000 && ours.psi_cpu_some >= low - 500 && ours.psi_cpu_some <= high + 500; // 0.01 %
  }, { timeout: 120000, what: 'agreement about pressure' }).catch((e) => assert.fail(`${e.message}: ${last}`));
  await engine.docker('rm', '-f', waits.id);
}

// For measure(): starts an agent with the `options` of Agent.start().
export const startAgent = (engine, options) => (server) =>
  Agent.start(server, engine, { token: 'registration-token', env: { STATS_INTERVAL: '1s' }, ...options });

export const assertSource = (m, network, containers = 'cgroup2') => {
  const s = m.source();
  assert.deepEqual([s.containers, s.network, s.why, s.notes ?? []], [containers, network, '', []]);
};

// The user of the rootless engines, its service manager, and a data folder for its agent.
export const ROOTLESS = {
  uid: 1000,
  runtime: '/run/user/1000',
  as: ['setpriv', '--reuid=1000', '--regid=1000', '--init-groups'],
  systemctl: (words) =>
    sh(`runuser -u rootless -- env XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus systemctl --user ${words}`),
  folder: async () => {
    const dir = await mkdtemp('/tmp/dockmon-rootless-');
    await chown(dir, 1000, 1000);
    return dir;
  },
};

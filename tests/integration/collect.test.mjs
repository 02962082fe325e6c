// The agent's samples on a real engine, compared with one-shot samples of the engine taken before and after.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { agreement, agreementOnCpu } from './lib/engine-stats.mjs';
import { measure } from './lib/measure.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { SLOWNESS, eventually } from './lib/wait.mjs';

const engine = new Engine();
const networks = [];
const later = cleanups();

before(() => engine.ensureImage());
after(async () => {
  await engine.cleanup();
  for (const n of networks) await engine.docker('network', 'rm', n);
});

test('samples agree with docker stats', { timeout: 240000 * SLOWNESS }, async () => {
  const rest = (name, script, options) => engine.run(name, { command: ['sh', '-c', `${script}; echo ready; sleep 3600; true`], ...options });
  const burner = await engine.run('burner', { command: ['sh', '-c', 'while :; do :; done'] });
  const hog = await rest('hog', 'busybox dd if=/dev/zero of=/cache bs=1M count=48; busybox dd if=/dev/zero of=/shared/data bs=1M count=16; x=$(yes | head -c 8000000)', { args: ['--memory', '256m', '--tmpfs', '/shared'] });
  const writer = await rest('writer', 'busybox dd if=/dev/zero of=/data bs=1M count=8 conv=fsync');
  const paused = await rest('paused', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done');
  const stopped = await engine.run('stopped', { command: ['true'] });
  const named = async (name, network, script) => ({
    id: await engine.docker('run', '-d', '--network', network, '--name', `${engine.prefix}-${name}`, IMAGE, 'sh', '-c', `${script}; echo ready; exec sleep 3600`),
  });
  const network = `${engine.prefix}-net`;
  await engine.docker('network', 'create', '--internal', network);
  networks.push(network);
  const gateway = await engine.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', network);
  const wired = await named('wired', network, `busybox ping -c 3 -s 1000 ${gateway}`);
  const hosted = await named('hosted', 'host', 'true');

  for (const c of [hog, writer, paused, wired, hosted])
    await eventually(async () => /ready/.test(await engine.docker('logs', c.id)), { timeout: 60000, what: 'it is ready' });
  await engine.docker('pause', paused.id);
  const m = await measure(engine, later);
  await eventually(() => m.all().at(-1)?.containers[burner.id]?.cpu != null, { timeout: 60000, what: 'statistics' });

  // An idle container: equal to the engine's samples before and after, when these are the same.
  await Promise.all(Object.entries({ hog, writer, paused, wired, hosted }).map(([what, c]) => agreement(engine, m, c.id, what)));
  const now = m.all().at(-1).containers;
  assert.equal(now[hog.id].mem_limit, 256 << 20);
  assert.ok(now[hog.id].mem_anon >= 8000000 && now[hog.id].mem_file >= 15 << 20);
  assert.ok(now[wired.id].net_tx >= 3000);
  assert.equal(now[hosted.id].net_rx, null, 'the network of the host is not that of a container');
  assert.equal(now[paused.id].cpu, 0);
  assert.equal(now[stopped.id], undefined);

  await agreementOnCpu(engine, m, burner.id);
  await engine.docker('rm', '-f', burner.id); // the tests below need its age
});

test('a restarted container begins at 0 without a CPU spike, and short-lived containers leave no open files', { timeout: 180000 * SLOWNESS }, async () => {
  const c = await engine.run('again', { command: ['sh', '-c', 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exec sleep 3600'] });
  const m = await measure(engine, later);
  await eventually(() => m.of(c.id).length >= 8 && m.of(c.id).at(-1).cpu === 0, { timeout: 60000, what: 'statistics at rest' });
  const open = async () => (await readdir(`/proc/${m.agent.process.child.pid}/fd`)).length;
  const before = m.of(c.id).at(-1);
  const n = await open();

  await engine.docker('restart', '-t', '0', c.id);
  await eventually(() => m.of(c.id).at(-1).started_at > before.started_at, { timeout: 60000, what: 'the new start' });
  const first = m.of(c.id).find((s) => s.started_at > before.started_at);
  // Unknown, or the usage since the restart; the CPU time from before would be far more.
  assert.ok(first.cpu === null || (first.cpu >= 0 && first.cpu <= cpus().length * 10000), `${first.cpu}`);

  await Promise.all([1, 2, 3, 4].map(async (k) => {
    for (let i = 0; i < 5; i++) await engine.docker('run', '--rm', '--network', 'none', '--name', `${engine.prefix}-short-${k}-${i}`, IMAGE, 'true');
  }));
  await eventually(async () => (await open()) <= n + 2, { timeout: 60000, what: 'descriptors closed' });
  const [last] = await m.next();
  assert.ok(!Object.values(last.containers).some((s) => s.name.includes(`${engine.prefix}-short`)));
});

test('with the engine as the source, its statistics and the reason are reported', { timeout: 120000 * SLOWNESS }, async () => {
  const c = await engine.run('asked', { args: ['--memory', '64m'] });
  const m = await measure(engine, later, { env: { STATS_SOURCE: 'api' } });
  const sample = await eventually(() => m.all().map((b) => b.containers[c.id]).find((s) => s?.mem_used > 0), { timeout: 60000, what: 'statistics' });
  assert.equal(sample.mem_limit, 64 << 20);
  assert.equal(sample.pids, 1);
  assert.equal(sample.cpu, null, 'the first one is not invented');
  const { source } = m.all().find((b) => b.source);
  assert.equal(source.containers, 'api');
  assert.equal(source.why, 'STATS_SOURCE=api');
});

test('a thousand starts and ends in quick succession leave nothing behind', { timeout: 180000 * SLOWNESS }, async () => {
  const scripted = await ScriptedEngine.start();
  later(() => scripted.stop());
  const stays = scriptedContainer(1);
  scripted.containers = [stays];
  const m = await measure(scripted, later);
  await eventually(() => scripted.events.size > 0 && m.all().at(-1)?.host?.containers_running === 1, { timeout: 60000, what: 'the one that stays' });
  for (let i = 0; i < 1000; i++) {
    const c = scriptedContainer(100 + i);
    for (const action of ['create', 'start', 'die', 'destroy']) scripted.event(c, action);
    if (i % 50 === 0) await new Promise((done) => setImmediate(done));
  }
  await m.next(2);
  await eventually(() => {
    const { host } = m.all().at(-1);
    return host.containers === 1 && host.containers_running === 1;
  }, { timeout: 60000, what: 'the one that stays, alone' });
});

test('a server of protocol 3 receives container_stats and stats in its own form', { timeout: 120000 * SLOWNESS }, async () => {
  const c = await engine.run('plain', { args: ['--memory', '64m'], command: ['sh', '-c', 'while :; do :; done'] });
  const m = await measure(engine, later, { capabilities: {} });
  const { payload } = await m.server.message((v) => v.command === 'container_stats' && v.payload.container_id === c.id, { timeout: 60000, what: 'container_stats' });
  assert.deepEqual(Object.keys(payload).sort(), [
    'container_id', 'container_name', 'cpu_percent', 'disk_read', 'disk_write', 'memory_limit', 'memory_percent', 'memory_usage', 'network_rx', 'network_tx', 'timestamp',
  ]);
  assert.equal(payload.container_name, c.name);
  assert.ok(payload.cpu_percent > 0, 'the first one, which has no CPU, is not sent');
  assert.ok(payload.memory_usage > 0);
  assert.equal(payload.memory_limit, 64 << 20);
  assert.match(payload.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const { stats } = await m.server.message((v) => v.type === 'stats', { timeout: 60000, what: 'stats' });
  assert.deepEqual(Object.keys(stats).sort(), ['cpu_percent', 'mem_percent', 'net_bytes_per_sec']);
  assert.ok(stats.cpu_percent > 0 && stats.mem_percent > 0);
  assert.deepEqual(m.all(), [], 'nothing binary');
});

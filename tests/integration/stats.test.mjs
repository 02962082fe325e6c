// What the agent measures, side by side with what the engine says of the same containers.
import assert from 'node:assert/strict';
import { access, mkdir, readFile, readdir, realpath, rmdir, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, bin } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { readSamples } from './lib/msgpack.mjs';
import { run } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const engine = new Engine();
const cleanup = [];

before(() => engine.ensureImage());
after(async () => {
  for (const end of cleanup.reverse()) await end();
  await engine.cleanup();
});

const ACCEPT = { type: 'auth_success', agent_id: 'agent-1', host_id: 'host-1', permanent_token: 'permanent-1' };

async function pair({ samples = true, env = {}, on = engine, ...more } = {}) {
  const authorize = () => ({ ...ACCEPT, ...(samples && { capabilities: { samples: true } }) });
  const server = await HandServer.start({ authorize });
  cleanup.push(() => server.stop());
  const agent = await Agent.start(server, on, { token: 'registration-token', env: { STATS_INTERVAL: '1s', ...env }, ...more });
  let isUp = true;
  const stop = async () => {
    if (isUp) await agent.remove();
    isUp = false;
  };
  cleanup.push(stop);
  await server.session();
  let read = 0;
  const batches = [];
  const all = () => {
    for (; read < server.messages.length; read++)
      if (server.messages[read].binary) batches.push(readSamples(server.messages[read].binary));
    return batches;
  };
  const of = (id) => all().filter((b) => b.containers[id]).map((b) => ({ at: b.at, ...b.containers[id] }));
  return { server, agent, stop, all, of, last: (id) => of(id).at(-1) };
}

// The engine's own figures, straight from its socket.
function api(path) {
  return new Promise((resolve, reject) => {
    request({ socketPath: engine.host.replace('unix://', ''), path }, (res) => {
      let text = '';
      res.on('data', (d) => (text += d));
      res.on('end', () => resolve(JSON.parse(text)));
    })
      .on('error', reject)
      .end();
  });
}
const engineStats = (id) => api(`/v1.41/containers/${id}/stats?stream=false&one-shot=true`);
const used = (s) => s.memory_stats.usage - (s.memory_stats.stats.total_inactive_file ?? s.memory_stats.stats.inactive_file);
const blocks = (s, op) =>
  (s.blkio_stats.io_service_bytes_recursive ?? []).reduce((sum, e) => sum + (e.op.toLowerCase() === op ? e.value : 0), 0);
const cpuBetween = (a, b) =>
  ((b.cpu_stats.cpu_usage.total_usage - a.cpu_stats.cpu_usage.total_usage) /
    (b.cpu_stats.system_cpu_usage - a.cpu_stats.system_cpu_usage)) *
  b.cpu_stats.online_cpus *
  100;

// Kernels count what a container of cgroup v1 reads and writes only where a limit is set.
async function diskLimits() {
  const { DockerRootDir } = await api('/v1.41/info');
  const { dev } = await stat(DockerRootDir);
  const path = await realpath(`/sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`);
  const isPart = await access(join(path, 'partition')).then(() => true, () => false);
  const disk = `/dev/${basename(isPart ? dirname(path) : path)}:1gb`;
  return ['--device-read-bps', disk, '--device-write-bps', disk];
}

const near = (a, b, part) => Math.abs(a - b) <= Math.abs(b) * part;
const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;

// Both look at the same time, so what the machine does to the container is the same for both; the ends of a window are
// not, which is why there are several windows.
async function agreeOnCpu(p, id, { windows = 8, ms = 8000 } = {}) {
  const seen = [];
  for (let i = 0; i < windows; i++) {
    const from = Date.now();
    const a = await engineStats(id);
    const begin = (from + Date.now()) / 2;
    await sleep(ms);
    const again = Date.now();
    const b = await engineStats(id);
    const end = (again + Date.now()) / 2;
    await eventually(() => p.last(id)?.at >= end, { what: 'a sample after the window' });
    const ours = mean(p.of(id).filter((s) => s.at > begin && s.at <= end && s.cpu !== null).map((s) => s.cpu / 100));
    const theirs = cpuBetween(a, b);
    seen.push(`${ours.toFixed(2)} ${theirs.toFixed(2)}`);
    if (Math.abs(ours - theirs) <= 1 || near(ours, theirs, 0.02)) return theirs;
  }
  assert.fail(`the agent and the engine never agreed on the CPU: ${seen.join(', ')}`);
}

// What grows meanwhile is read by the engine between two of our samples.
async function agreeOnMemory(p, id) {
  await eventually(
    async () => {
      const theirs = await engineStats(id);
      const ours = p.last(id);
      return near(ours.mem_used, used(theirs), 0.005) && near(ours.mem_limit, theirs.memory_stats.limit, 0.005) && theirs;
    },
    { timeout: 60000, interval: 1000, what: 'agreement on memory'},
  );
}

test('the figures agree with those of the engine', { timeout: 600000 }, async () => {
  const sh = (script) => ({ command: ['sh', '-c', script], args: [] });
  const burner = await engine.run('burner', { ...sh('while :; do :; done'), args: ['--cpus', '0.4'] });
  const hog = await engine.run('hog', {
    ...sh('dd if=/dev/zero of=/cache bs=1M count=24 2>/dev/null; dd if=/dev/zero bs=40M count=1000000 2>/dev/null | (sleep 5; sleep 3600)'),
    args: ['--memory', '300m'],
  });
  const writer = await engine.run('writer', {
    ...sh('dd if=/dev/zero of=/f bs=1M count=12 oflag=direct 2>/dev/null; dd if=/f of=/dev/null bs=1M iflag=direct 2>/dev/null; sleep 3600'),
    args: await diskLimits(),
  });
  const idle = await engine.run('idle', sh('sleep 3600 & sleep 3600'));
  const paused = await engine.run('paused', sh('while :; do :; done'));
  await engine.docker('pause', paused.id);
  const p = await pair();
  await eventually(() => p.last(paused.id)?.cpu !== undefined && p.last(burner.id), { what: 'samples of all' });

  const source = p.all()[0].source;
  assert.match(source.containers, /^cgroup[12]$/);
  assert.equal(source.why, '');
  assert.equal(p.of(burner.id)[0].name, burner.name);

  // CPU, and its throttling.
  const percent = await agreeOnCpu(p, burner.id);
  assert.ok(percent > 5, `the burner burnt ${percent} %`);
  const throttled = (await engineStats(burner.id)).cpu_stats.throttling_data;
  assert.ok(throttled.throttled_periods > 0);
  await eventually(() => p.last(burner.id).cpu_throttled >= throttled.throttled_periods, { what: 'the throttled periods' });
  const later = (await engineStats(burner.id)).cpu_stats;
  assert.ok(p.last(burner.id).cpu_throttled <= later.throttling_data.throttled_periods);
  assert.ok(p.last(burner.id).cpu_time * 1000 <= later.cpu_usage.total_usage);

  // A paused container uses nothing and is still there.
  await eventually(() => p.last(paused.id).cpu === 0, { what: 'a paused container at rest' });
  await agreeOnMemory(p, paused.id);

  // Memory: with page cache of its own, which `docker stats` leaves out.
  await agreeOnMemory(p, hog.id);
  await agreeOnMemory(p, idle.id);
  const hogNow = p.last(hog.id);
  assert.equal(hogNow.mem_limit, 300 << 20);
  assert.ok(hogNow.mem_anon > 0 && hogNow.mem_file > 4 << 20, JSON.stringify(hogNow));
  assert.ok(hogNow.mem_used > 0 && hogNow.mem_kernel !== null);

  // Counters, once they stand still: equal to the byte.
  await eventually(
    async () => {
      const theirs = await engineStats(writer.id);
      const ours = p.last(writer.id);
      return (
        ours.blk_write >= 12 << 20 && ours.blk_read >= 12 << 20 && ours.blk_write === blocks(theirs, 'write') && ours.blk_read === blocks(theirs, 'read')
      );
    },
    { timeout: 60000, interval: 1000, what: 'equal block counters' },
  );
  const idleTheirs = await engineStats(idle.id);
  await eventually(() => p.last(idle.id).cpu_time === Math.floor(idleTheirs.cpu_stats.cpu_usage.total_usage / 1000), {
    what: 'equal CPU time',
  });
  assert.equal(p.last(idle.id).pids, idleTheirs.pids_stats.current);
  assert.equal(p.last(idle.id).oom_kills, 0);
  assert.equal(p.last(idle.id).restarts, 0);
  assert.equal(p.last(idle.id).started_at, Date.parse((await engine.inspect(idle.id)).State.StartedAt));
  assert.equal(p.last(idle.id).net_rx, 0); // only lo is in there

  // What has stopped is in no batch any more.
  await engine.docker('stop', '-t', '0', idle.id);
  await eventually(() => p.all().length > 0 && !p.all().at(-1).containers[idle.id], { what: 'the end of the stopped container' });
  await sleep(3000);
  assert.equal(p.all().at(-1).containers[idle.id], undefined);

  // The host.
  const host = p.all().at(-1).host;
  const info = await api('/v1.41/info');
  assert.equal(host.cpus, info.NCPU);
  assert.equal(host.mem_total, info.MemTotal);
  assert.ok(host.cpu >= 0 && host.cpu <= 10000);
  assert.ok(host.uptime > 0 && host.load_1 >= 0 && host.mounts.length > 0);
  assert.ok(host.containers >= host.containers_running && host.containers_running >= 4);
  await p.stop();
});

test('network counters, by /proc and by netlink', async () => {
  const c = await engine.run('net');
  const pid = (await engine.inspect(c.id)).State.Pid;
  const outer = `dmv${process.pid % 100000}`;
  const ip = async (...args) => {
    const r = await run('ip', args);
    assert.equal(r.code, 0, `ip ${args.join(' ')}: ${r.stderr}`);
  };
  const inside = async () => {
    const text = await readFile(`/proc/${pid}/net/dev`, 'utf8');
    const words = text.split('\n').find((l) => l.includes('inner:')).split(':')[1].trim().split(/\s+/);
    return { rx: Number(words[0]), tx: Number(words[8]) };
  };

  // The interface comes after the agent knows the container: /proc tells of it.
  const first = await pair();
  await eventually(() => first.last(c.id), { what: 'a sample' });
  await ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'inner', 'netns', String(pid));
  cleanup.push(() => run('ip', ['link', 'del', outer]));
  await ip('addr', 'add', '198.18.77.1/24', 'dev', outer);
  await ip('link', 'set', outer, 'up');
  const enter = (...args) => run('nsenter', ['-t', String(pid), '-n', ...args]);
  await enter('ip', 'addr', 'add', '198.18.77.2/24', 'dev', 'inner');
  await enter('ip', 'link', 'set', 'inner', 'up');
  const traffic = async () => {
    for (let i = 0; i < 20; i++) await run('bash', ['-c', 'head -c 1000 /dev/zero > /dev/udp/198.18.77.2/9']);
  };
  await traffic();
  const agree = (p) =>
    eventually(
      async () => {
        const now = await inside();
        const ours = p.last(c.id);
        return now.rx > 15000 && ours.net_rx === now.rx && ours.net_tx === now.tx;
      },
      { timeout: 60000, interval: 500, what: 'equal network counters' },
    );
  await agree(first);
  await first.stop();

  // A new agent finds the host's end of it.
  const second = await pair();
  await agree(second);
  await eventually(() => second.all().some((b) => b.source?.network === 'netlink'), { what: 'netlink in use' });
  await traffic();
  await agree(second);
  await second.stop();
});

test("a container with the host's network has no network figures of its own", async () => {
  const id = await engine.docker('run', '-d', '--network', 'host', '--label', 'dockmon-integration-test=1', '--name',
    `${engine.prefix}-hostnet`, 'dockmon-test:busybox', 'sleep', '3600');
  const p = await pair();
  await eventually(() => p.last(id)?.cpu_time > 0, { what: 'a sample' });
  assert.equal(p.last(id).net_rx, null);
  assert.equal(p.last(id).net_tx, null);
  await p.stop();
});

test('the first sample says nothing of the CPU, also after a restart', async () => {
  const c = await engine.run('again');
  const p = await pair();
  await eventually(() => p.of(c.id).length >= 2, { what: 'samples' });
  const before = p.last(c.id);
  await engine.docker('restart', '-t', '0', c.id);
  const restarted = Date.parse((await engine.inspect(c.id)).State.StartedAt);
  await eventually(() => p.last(c.id).started_at === restarted, { what: 'a sample after the restart' });
  assert.notEqual(before.started_at, restarted);
  for (const s of p.of(c.id)) assert.ok(s.cpu === null || (s.cpu >= 0 && s.cpu < 100 * 100 * 64), JSON.stringify(s));
  await engine.docker('rename', c.name, `${c.name}-2`);
  await eventually(() => p.last(c.id).name === `${c.name}-2`, { what: 'the new name' });
  await p.stop();
});

test('what somebody looks at is measured more often, for as long as the server says', async () => {
  const seen = await engine.run('seen');
  const other = await engine.run('unseen');
  const p = await pair({ env: { STATS_INTERVAL: '1h' } });
  await eventually(() => p.last(seen.id) && p.last(other.id), { what: 'the first samples' });
  const before = p.of(other.id).length;
  p.server.send({ type: 'stats_rate', payload: { interval_ms: 1000, ttl_s: 5, host: false, containers: [seen.id] } });
  const n = p.of(seen.id).length;
  await eventually(() => p.of(seen.id).length >= n + 3, { what: 'samples of what is looked at' });
  assert.equal(p.of(other.id).length, before);
  assert.equal(p.all().at(-1).host, undefined);
  await sleep(5000);
  const rest = p.of(seen.id).length;
  await sleep(3000);
  assert.ok(p.of(seen.id).length <= rest, 'it goes on after the end of its time');

  // The sequence has no holes.
  assert.deepEqual(p.all().map((b) => b.seq), p.all().map((_, i) => p.all()[0].seq + i));
  assert.equal(new Set(p.all().map((b) => b.epoch)).size, 1);
  await p.stop();
});

test('without the files the engine is asked, every 10 s at most', async () => {
  const c = await engine.run('by-api', { command: ['sh', '-c', 'while :; do :; done'], args: ['--cpus', '0.2'] });
  const p = await pair({ env: { STATS_SOURCE: 'api' } });
  await eventually(() => p.of(c.id).length >= 3, { timeout: 90000, what: 'samples' });
  const source = p.all()[0].source;
  assert.deepEqual({ containers: source.containers, network: source.network, why: source.why }, {
    containers: 'api', network: 'api', why: 'STATS_SOURCE=api',
  });
  const [first, ...rest] = p.of(c.id);
  assert.equal(first.cpu, null);
  assert.ok(rest.every((s) => s.cpu > 0), JSON.stringify(rest.map((s) => s.cpu)));
  assert.ok(rest[0].at - first.at >= 7000, 'the engine was asked too often'); // two answers, each up to 2 s late
  assert.ok(first.mem_used > 0 && first.pids >= 1);
  await p.stop();
});

test('a server that knows no samples gets container_stats and stats', async () => {
  const c = await engine.run('plain', { command: ['sh', '-c', 'while :; do :; done'], args: ['--cpus', '0.2', '--memory', '64m'] });
  const p = await pair({ samples: false, env: { STATS_INTERVAL: '1h' } });
  const mine = () => p.server.events('container_stats').filter((m) => m.container_id === c.id);
  await eventually(() => mine().length >= 3, { timeout: 60000, what: 'container_stats' });
  const m = mine().at(-1);
  assert.deepEqual(Object.keys(m).sort(), ['container_id', 'container_name', 'cpu_percent', 'disk_read', 'disk_write', 'memory_limit',
    'memory_percent', 'memory_usage', 'network_rx', 'network_tx', 'timestamp']);
  assert.equal(m.container_name, c.name);
  assert.ok(m.cpu_percent > 0 && m.cpu_percent < 100, JSON.stringify(m));
  assert.equal(m.memory_limit, 64 << 20);
  assert.equal(m.memory_percent, Math.floor(((m.memory_usage * 100) / m.memory_limit) * 10 + 0.5) / 10);
  assert.match(m.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const host = await p.server.message((v) => v.type === 'stats', { what: 'stats of the host' });
  assert.ok(host.stats.cpu_percent >= 0 && host.stats.cpu_percent <= 100);
  assert.ok(host.stats.mem_percent > 0 && host.stats.mem_percent <= 100);
  assert.ok(host.stats.net_bytes_per_sec >= 0);
  assert.ok(p.server.messages.every((v) => !v.binary));
  await p.stop();
});

test('our server shows the figures, and where they come from', async () => {
  const server = await Server.start();
  cleanup.push(() => server.remove());
  const c = await engine.run('shown', { args: ['--memory', '64m'] });
  const agent = await Agent.start(server, engine, { env: { STATS_INTERVAL: '1s' } });
  cleanup.push(() => agent.remove());
  const client = await server.client('admin');
  const get = (path) => client.get(path);
  const shown = await eventually(
    async () => {
      const list = await get('/api/containers');
      const found = Array.isArray(list) && list.find((v) => v.id === c.id || v.id === c.id.slice(0, 12));
      return found && found.cpu_percent !== null && found;
    },
    { timeout: 60000, what: 'figures in the list' },
  );
  assert.equal(shown.memory_limit, 64 << 20);
  assert.ok(shown.memory_usage > 0 && shown.memory_percent > 0 && shown.cpu_percent >= 0);
  const [host] = await get('/api/hosts');
  const { stats } = await get(`/api/hosts/${host.id}/agent`);
  assert.match(stats.containers, /^cgroup[12]$/);
  assert.equal(stats.why, '');
});

// A thousand starts and ends in a minute, of containers that live under a second: an engine can be made to tell of
// them faster than a real one can do them, and cgroups are made by hand.
test('starts and ends by the hundred leave no descriptor behind', { timeout: 180000 }, async () => {
  const ROUNDS = 1000;
  const WIDTH = 25;
  const scripted = await ScriptedEngine.start();
  cleanup.push(() => scripted.stop());
  const isV2 = (await readdir('/sys/fs/cgroup')).includes('cgroup.controllers');
  const roots = isV2 ? ['/sys/fs/cgroup'] : ['cpuacct', 'cpu', 'memory', 'blkio', 'pids'].map((c) => `/sys/fs/cgroup/${c}`);
  const parent = `dmt-${process.pid}`;
  const dirs = (id) => roots.map((r) => `${r}/${parent}/${id}`);
  for (const r of roots) await mkdir(`${r}/${parent}`);
  cleanup.push(async () => {
    for (const r of roots) await rmdir(`${r}/${parent}`).catch(() => {});
  });
  const p = await pair({ on: scripted, env: { LOG_LEVEL: 'info' } });
  const pid = p.agent.process.child.pid;
  const open = async () => (await readdir(`/proc/${pid}/fd`)).length;
  await eventually(() => p.all().length >= 2, { what: 'the first batches' });
  const before = await open();

  const begin = Date.now();
  for (let i = 0; i < ROUNDS; i += WIDTH) {
    const ids = Array.from({ length: WIDTH }, (_, k) => i + k + 1);
    for (const n of ids) {
      for (const d of dirs(scriptedId(n))) await mkdir(d);
      const c = scriptedContainer(n);
      scripted.containers.push(c);
      scripted.event(c, 'start');
    }
    await sleep(300);
    for (const c of scripted.containers) {
      for (const d of dirs(c.Id)) await rmdir(d);
      if (Number(c.Labels.number) % 3) scripted.event(c, 'die'); // of some the end is told by the files only
    }
    scripted.containers = [];
  }
  const seconds = (Date.now() - begin) / 1000;
  await eventually(async () => (await open()) <= before, { timeout: 60000, what: 'descriptors closed again' });
  assert.ok(p.all().some((b) => Object.keys(b.containers).length > 0), 'none of them was ever measured');
  assert.ok(seconds < 170);
  await p.stop();
});

test('when files and engine do not agree, the engine is believed', async () => {
  const scripted = await ScriptedEngine.start();
  cleanup.push(() => scripted.stop());
  const real = await engine.run('doubted');
  const { State } = await engine.inspect(real.id);
  const c = scriptedContainer(1, { Id: real.id, inspect: { State: { Running: true, Pid: State.Pid, StartedAt: State.StartedAt } } });
  scripted.containers = [c];
  const stats = {
    cpu_stats: { cpu_usage: { total_usage: 5e15 }, system_cpu_usage: 1e16, online_cpus: 2, throttling_data: {} },
    memory_stats: { usage: 7 << 20, limit: 1 << 30, stats: { inactive_file: 1 << 20 } },
    pids_stats: { current: 3 },
  };
  scripted.misbehave = (method, path) =>
    path.endsWith('/stats') ? (res) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(stats)) : null;
  const p = await pair({ on: scripted });
  await eventually(() => p.all().some((b) => b.source?.containers === 'api'), { timeout: 30000, what: 'another source' });
  const { source } = p.all().findLast((b) => b.source);
  assert.match(source.why, /^cgroup[12] does not agree with the engine: CPU time/);
  await eventually(() => p.last(real.id)?.mem_used === 6 << 20, { timeout: 30000, what: "the engine's figures" });
  assert.equal(p.last(real.id).pids, 3);
  await p.stop();
});

// An agent in a container of its own, with what it needs of the host mounted below /host, and without.
for (const [name, mounts, wanted] of [
  ['with', ['-v', '/proc:/host/proc:ro', '-v', '/sys/fs/cgroup:/host/sys/fs/cgroup:ro'], /^cgroup[12]$/],
  ['without', [], null],
]) {
  test(`an agent in a container, ${name} the host's files`, async () => {
    const c = await engine.run(`beside-${name}`);
    const server = await HandServer.start({ authorize: () => ({ ...ACCEPT, capabilities: { samples: true } }) });
    cleanup.push(() => server.stop());
    const libraries = ['/usr', '/lib', '/lib64'].flatMap((d) => ['-v', `${d}:${d}:ro`]); // a sanitizer build is not static
    const socket = engine.host.replace('unix://', '');
    const id = await engine.docker('run', '-d', '--network', 'host', '--name', `${engine.prefix}-inside-${name}`, ...mounts, ...libraries,
      '-v', `${await realpath(bin('dockmon-agent'))}:/dockmon-agent:ro`, '-v', `${socket}:/var/run/docker.sock`, '-e', `DOCKMON_URL=${server.url}`,
      '-e', 'REGISTRATION_TOKEN=registration-token', '-e', 'STATS_INTERVAL=1s', '-e', 'ASAN_OPTIONS=detect_leaks=0', 'dockmon-test:busybox',
      '/dockmon-agent');
    await server.session();
    const batches = () => server.messages.filter((m) => m.binary).map((m) => readSamples(m.binary));
    const seen = await eventually(() => batches().findLast((b) => b.containers[c.id]), { timeout: 60000, what: 'a sample' });
    const { source } = batches().findLast((b) => b.source);
    const text = JSON.stringify({ source, host: seen.host });
    if (wanted) {
      assert.match(source.containers, wanted, text);
      assert.equal(source.why, '', text);
      assert.ok(seen.host.net_rx > 0, text);
    }
    assert.ok(seen.containers[c.id].mem_used > 0 && seen.containers[c.id].pids >= 1);
    assert.ok(seen.host.mem_total > 0, text);
    await engine.docker('stop', '-t', '5', id);
    const log = await engine.docker('logs', id);
    assert.doesNotMatch(log, /Sanitizer|runtime error/);
  });
}

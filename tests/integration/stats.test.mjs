// Agents' samples in the history and in the last minutes: exact values from scripted agents, a server
// that is killed, full disks, damaged files.
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { KNOWS_SAMPLES, STEP, Sampler, history, span, start } from './lib/sampler.mjs';
import { eventually } from './lib/wait.mjs';

const compose = (service, number = '1') => ({
  'com.docker.compose.project': 'shop', 'com.docker.compose.service': service, 'com.docker.compose.container-number': number,
});

let server, viewer;

before(async () => {
  server = await Server.start();
  viewer = await server.client('viewer');
});

after(() => server?.remove());

// Waits until a step can be read.
const written = (client, a, id, from, n, i = n - 1) => eventually(async () => {
  const r = await history(client, a, id, `${span(from, n)}&metrics=cpu`);
  return r.metrics.cpu.values[i] !== null && r;
}, { what: `step ${i} is in the history` });

test('history has rates of counters, with gaps and counters that were reset', async () => {
  const [web] = [containerElement({ name: 'past-web' })];
  const a = await Sampler.start(server, viewer, [web]);
  const from = start();
  const rx = [1000, 2000, 4000, null, null, null, 9000, 10000, 500, 1500];

  rx.forEach((v, i) => {
    if (v === null) return;
    a.batch(from + i * STEP + 500, {
      [web.Id]: { name: 'past-web', cpu: 1000 + i, mem_used: 1 << 20, mem_limit: 4 << 20, net_rx: v, net_tx: 10 * v, started_at: i < 8 ? 1 : 2 },
    }, { cpu: 50 + i, mem_used: 100, mem_total: 400, net_rx: v, net_tx: 0, uptime: 1000 + 10 * i });
  });
  const named = await written(viewer, a, web.Id, from, rx.length);
  assert.deepEqual(named.metrics.cpu, {
    unit: 'percent',
    values: rx.map((v, i) => (v === null ? null : 10 + i / 100)),
    max: rx.map((v, i) => (v === null ? null : 10 + i / 100)),
  });

  const r = await history(viewer, a, web.Id, span(from, rx.length));
  assert.equal(r.host_id, a.hostId);
  assert.equal(r.container_id, web.Id);
  assert.equal(r.series, 'past-web');
  assert.equal(r.step_seconds, 10);
  assert.deepEqual(r.timestamps, rx.map((_, i) => (from + i * STEP) / 1000));
  // There is no rate for the first sample and across the gap; the growth of a counter that was reset is its value.
  assert.deepEqual(r.net_bps, [null, 1100, 2200, null, null, null, null, 1100, 550, 1100]);
  assert.deepEqual(r.mem, rx.map((v) => (v === null ? null : 25)));
  assert.deepEqual(r.memory_used_bytes, rx.map((v) => (v === null ? null : 1 << 20)));
  assert.deepEqual(r.memory_limit_bytes, rx.map((v) => (v === null ? null : 4 << 20)));
  assert.deepEqual(r.marks, []);

  const host = await viewer.get(`/api/hosts/${a.hostId}/stats/history?${span(from, rx.length)}&metrics=cpu,net_rx,swap_used&marks=false`);
  assert.equal(host.series, '');
  assert.equal(host.container_id, null);
  assert.equal(host.marks, undefined);
  assert.deepEqual(host.metrics.cpu.values[9], 0.59);
  assert.equal(host.metrics.net_rx.unit, 'bytes_per_second');
  assert.deepEqual(host.metrics.net_rx.values, [null, 100, 200, null, null, null, null, 100, 50, 100]);
  assert.deepEqual(host.metrics.swap_used.values, rx.map(() => null), 'unknown values are not 0');

  const minute = await history(viewer, a, web.Id, `${span(from, rx.length).replace('step=10', 'step=1m')}&metrics=cpu`);
  const expected = rx.map((v, i) => [Math.floor((from + i * STEP) / 60000), v === null ? null : 10 + i / 100]).filter(([, v]) => v !== null);
  const first = expected.filter(([m]) => m === expected[0][0]).map(([, v]) => v);
  assert.ok(Math.abs(minute.metrics.cpu.values[0] - first.reduce((x, y) => x + y, 0) / first.length) < 0.011, 'a mean');
  assert.equal(minute.metrics.cpu.max[0], Math.max(...first));

  // The rate of a first step needs the step before it.
  const later = await history(viewer, a, web.Id, span(from + STEP, 2));
  assert.deepEqual(later.net_bps, [1100, 2200]);
  await a.close();
});

test('history is returned as CSV, by parameter or by Accept', async () => {
  const web = containerElement({ name: 'csv-web' });
  const a = await Sampler.start(server, viewer, [web]);
  const from = start();
  a.batch(from + 1, { [web.Id]: { cpu: 150, net_rx: 5 } });
  a.batch(from + STEP + 1, { [web.Id]: { cpu: 151, net_rx: 105 } });
  await written(viewer, a, web.Id, from, 2);
  const path = `/api/hosts/${a.hostId}/containers/csv-web/stats/history?${span(from, 3)}&metrics=net_rx,cpu`;
  const expected = [
    'time,cpu,cpu_max,net_rx_per_second',
    `${new Date(from).toISOString()},1.5,1.5,`,
    `${new Date(from + STEP).toISOString()},1.51,1.51,10`,
    `${new Date(from + 2 * STEP).toISOString()},,,`,
    '',
  ].join('\r\n');
  for (const r of [await viewer.fetch('GET', `${path}&format=csv`), await viewer.fetch('GET', path, { headers: { accept: 'text/csv' } })]) {
    assert.equal(r.headers.get('content-type'), 'text/csv; charset=utf-8');
    assert.equal(await r.text(), expected);
  }
  const json = await viewer.fetch('GET', `${path}&format=json`, { headers: { accept: 'text/csv' } });
  assert.equal(json.headers.get('content-type'), 'application/json');
  await json.text();
  await a.close();
});

const SECONDS = { '1h': 3600, '8h': 28800, '24h': 86400, '7d': 604800, '30d': 2592000 };

// The members that DockMon's web UI reads, and its polls for the steps after the last one that it has.
async function dockmonShape(path, range, step) {
  const r = await viewer.get(`${path}?range=${range}`);
  assert.deepEqual([r.tier, r.tier_seconds, r.interval_seconds], [range, SECONDS[range], step]);
  for (const name of ['from', 'to', 'server_time']) assert.ok(Number.isInteger(r[name]), name);
  assert.ok(Math.abs(r.server_time - Date.now() / 1000) < 60);
  assert.equal(Date.parse(r.from_iso), r.from * 1000);
  assert.equal(Math.floor(Date.parse(r.to_iso) / 1000), r.to);
  const arrays = ['cpu', 'mem', 'net_bps', 'memory_used_bytes', 'memory_limit_bytes', ...(path.includes('/containers/') ? [] : ['container_count'])];
  for (const name of arrays) assert.equal(r[name].length, r.timestamps.length, name);
  const known = r.timestamps.at(-3);
  const { timestamps: newer, ...rest } = await viewer.get(`${path}?range=${range}&since=${known}`);
  assert.ok(newer.length >= 2 && newer.length <= 60, `${range}: ${newer.length}`);
  assert.deepEqual(newer.slice(0, 2), r.timestamps.slice(-2));
  assert.equal(rest.interval_seconds, step);
  for (const name of arrays) assert.equal(rest[name].length, newer.length, name);
  const none = await viewer.get(`${path}?range=${range}&since=${r.server_time + step + 3600}`);
  assert.deepEqual([none.timestamps, none.cpu, none.marks], [[], [], []]);
}

test('invalid queries are refused with the reason', async () => {
  const web = containerElement({ name: 'ask-web' });
  const a = await Sampler.start(server, viewer, [web]);
  for (const [query, status, detail] of [
    ['', 400, /either `range` .* or `from`/],
    ['to=2026-01-01T00:00:00Z', 400, /either `range`/],
    ['range=2h', 422, /`range` must be one of 1h/],
    ['from=yesterday', 422, /`from` must be a time/],
    ['from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 422, /ends before it begins/],
    ['range=1h&step=15', 422, /`step` must be a multiple of 10 s/],
    ['range=1h&step=fast', 422, /`step`/],
    ['range=1h&step=0', 422, /`step`/],
    ['range=1h&metrics=cpu,speed', 422, /there is no metric `speed`/],
    ['range=1h&format=xml', 422, /`format` must be json or csv/],
    ['range=1h&marks=maybe', 422, /`marks` must be true or false/],
    ['range=30d&step=10', 422, /the response would have 259200 points of 5 metrics.*longer `step`/],
    ['range=24h&step=10&metrics=cpu,pids,net_rx,net_tx,mem_used,mem_limit', 422, /8640 points of 6 metrics/],
  ]) {
    const r = await history(viewer, a, web.Id, query).catch((e) => e);
    assert.ok(r instanceof Error && r.message.includes(`: ${status} `), `${query}: ${r.message ?? JSON.stringify(r)}`);
    assert.match(r.message, detail);
  }
  await viewer.get(`/api/hosts/${a.hostId}/containers/nobody/stats/history?range=1h`, { status: 404 });
  await viewer.get(`/api/hosts/${a.hostId}/containers/nobody/stats/live`, { status: 404 });
  await viewer.get('/api/hosts/nobody/stats/history?range=1h', { status: 404 });
  for (const [range, step, n] of [['1h', 10, 360], ['8h', 60, 480], ['24h', 120, 720], ['7d', 900, 672], ['30d', 3600, 720]]) {
    const r = await history(viewer, a, web.Id, `range=${range}`);
    assert.equal(r.step_seconds, step);
    assert.ok(r.timestamps.length === n || r.timestamps.length === n + 1, `${range}: ${r.timestamps.length}`);
    assert.equal(r.cpu.length, r.timestamps.length);
    await dockmonShape(`/api/hosts/${a.hostId}/containers/${web.Id}/stats/history`, range, step);
    await dockmonShape(`/api/hosts/${a.hostId}/stats/history`, range, step);
  }
  await a.close();
});

test('a re-created container continues the series, with marks for its events', async () => {
  const old = containerElement({ name: 'shop-web-1', labels: compose('web') });
  const second = containerElement({ name: 'shop-web-2', labels: compose('web', '2') });
  const a = await Sampler.start(server, viewer, [old, second]);
  const from = start();
  const event = (id, action, at, attributes = {}) => a.event('container_event', {
    container_id: id, container_name: 'shop-web-1', image: 'i', action, timestamp: new Date(at).toISOString(), attributes,
  });

  a.batch(from + 1, { [old.Id]: { cpu: 100, net_rx: 5000, net_tx: 0, started_at: 1 }, [second.Id]: { cpu: 900 } });
  event(old.Id, 'die', from + STEP, { exitCode: '137' });
  event(old.Id, 'oom', from + STEP + 1000);
  const fresh = containerElement({ name: 'shop-web-1', labels: compose('web') });
  a.containers = [fresh, second];
  event(fresh.Id, 'start', from + STEP + 2000);
  await viewer.container(fresh.Id);
  a.batch(from + STEP + 5000, { [fresh.Id]: { cpu: 200, net_rx: 7000, net_tx: 0, started_at: 2 } });
  await written(viewer, a, fresh.Id, from, 2);
  const r = await eventually(async () => {
    const h = await history(viewer, a, fresh.Id, span(from, 2));
    return h.marks.length === 3 && h;
  }, { what: 'the marks are there' });
  assert.equal(r.series, 'shop/web');
  assert.deepEqual(r.cpu, [1, 2]);
  assert.deepEqual(r.net_bps, [null, 700], 'a new container: its counter is the growth');
  assert.deepEqual(r.marks.map((m) => [m.kind, Date.parse(m.at) - from]), [['died', STEP], ['oom', STEP + 1000], ['started', STEP + 2000]]);
  assert.match(r.marks[0].text, /died \(exit code 137\)/);
  const other = await history(viewer, a, second.Id, span(from, 2));
  assert.equal(other.series, 'shop/web/2');
  assert.deepEqual(other.cpu, [9, null]);
  assert.deepEqual(other.marks, []);
  await a.close();
});

test('the last minutes; a query makes the agent sample more often', async () => {
  const web = containerElement({ name: 'live-web' });
  const a = await Sampler.start(server, viewer, [web]);
  const path = `/api/hosts/${a.hostId}/containers/${web.Id.slice(0, 12)}/stats/live`;
  assert.deepEqual(await viewer.get(path), {
    timestamps: [], cpu: [], mem: [], net: [], memory_used_bytes: [], memory_limit_bytes: [], net_rx: [], net_tx: [], disk_read: [], disk_write: [],
  });
  const rate = await eventually(() => a.commands.find((m) => m.type === 'stats_rate'), { what: 'stats_rate' });
  assert.equal(rate.payload.interval_ms, 1000);
  assert.deepEqual(rate.payload.containers, [web.Id]);
  assert.equal(rate.payload.host, false);

  const now = Date.now();
  a.batch(now - 4000, { [web.Id]: { cpu: 100, mem_used: 50, mem_limit: 200, net_rx: 1000, net_tx: 0, blk_read: 0 } }, { cpu: 1200, mem_used: 10, mem_total: 40, net_rx: 5, net_tx: 6 });
  a.batch(now - 2000, { [web.Id]: { cpu: 101, net_rx: 3000, net_tx: 500, blk_read: 100 } });
  const r = await eventually(async () => {
    const live = await viewer.get(path);
    return live.timestamps.length === 2 && live;
  });
  assert.deepEqual(r, {
    timestamps: [(now - 4000) / 1000, (now - 2000) / 1000],
    cpu: [1, 1.01], mem: [25, null], net: [null, 1250], memory_used_bytes: [50, null], memory_limit_bytes: [200, null],
    net_rx: [null, 1000], net_tx: [null, 250], disk_read: [null, 50], disk_write: [null, null],
  });
  const newer = await viewer.get(`${path}?since=${new Date(now - 3000).toISOString()}`);
  assert.deepEqual(newer.net, [1250], 'the rate of the first requested value is known, too');
  const host = await viewer.get(`/api/hosts/${a.hostId}/stats/live`);
  assert.deepEqual(host.cpu, [12]);
  await eventually(() => a.commands.find((m) => m.type === 'stats_rate' && m.payload.host), { what: 'stats_rate of the host' });
  const metrics = await viewer.get(`/api/hosts/${a.hostId}/metrics`);
  assert.equal(metrics.timestamp, Math.floor(Date.parse(metrics.timestamp_iso) / 1000), 'unix time');
  assert.equal(metrics.cpu_percent, 12);
  assert.equal(metrics.memory_percent, 25);
  assert.equal(metrics.network_tx_bytes, 6);
  assert.equal(metrics.container_count, 1);
  await a.close();
});

test('agents that send no samples have statistics', async () => {
  const web = containerElement({ name: 'go-web' });
  const a = new HandAgent(server);
  a.containers = [web];
  await a.connect(await server.token());
  await viewer.container(web.Id);
  await viewer.get(`/api/hosts/${a.hostId}/metrics`, { status: 503 });
  const said = Date.now();
  a.event('container_stats', {
    container_id: web.Id, container_name: '/go-web', cpu_percent: 12.345, memory_usage: 1000, memory_limit: 4000, memory_percent: 25,
    network_rx: 7, network_tx: 8, disk_read: 9, disk_write: 10, timestamp: new Date().toISOString(),
  });
  a.send({ type: 'stats', stats: { cpu_percent: 7, mem_percent: 50, net_bytes_per_sec: 12 } });
  const live = await eventually(async () => {
    const r = await viewer.get(`/api/hosts/${a.hostId}/containers/go-web/stats/live`);
    return r.cpu.length === 1 && r;
  });
  assert.deepEqual(live.cpu, [12.35]);
  assert.deepEqual(live.mem, [25]);
  assert.deepEqual(live.net, [null]);
  const host = await eventually(() => viewer.get(`/api/hosts/${a.hostId}/metrics`));
  assert.equal(host.cpu_percent, 7);
  assert.equal(host.memory_percent, 50);
  assert.ok(host.network_rx_bytes >= 0); // summed from the rate, which is of both directions
  const r = await eventually(async () => {
    const h = await history(viewer, a, web.Id, `from=${Math.floor(said / 1000) - 20}&step=10`);
    return h.cpu.some((v) => v !== null) && h;
  }, { timeout: 40000, what: 'it is in the history' });
  assert.ok(r.cpu.includes(12.35) && r.memory_used_bytes.includes(1000));
  await a.close();
});

test('samples of an agent with a wrong clock have the correct times', async () => {
  for (const hours of [-5, 5]) {
    const web = containerElement({ name: `clock-${hours < 0 ? 'slow' : 'fast'}` });
    const a = await Sampler.start(server, viewer, [web]);
    const off = hours * 3600000;
    const from = Math.floor(Date.now() / STEP) * STEP;
    // The first message of our agent after connecting: the time of its clock.
    a.send({ type: 'event', command: 'inventory_delta', payload: { containers: [], removed: [] }, timestamp: new Date(Date.now() + off).toISOString() });
    a.batch(Date.now() + off, { [web.Id]: { cpu: 100 } });
    const live = await eventually(async () => {
      const r = await viewer.get(`/api/hosts/${a.hostId}/containers/${web.Id}/stats/live`);
      return r.cpu.length === 1 && r;
    });
    assert.ok(Math.abs(live.timestamps[0] * 1000 - Date.now()) < 60000, `${hours} h off`);
    const r = await eventually(async () => {
      const h = await history(viewer, a, web.Id, `from=${from / 1000 - 60}&step=10`);
      return h.cpu.some((v) => v !== null) && h;
    }, { timeout: 40000, what: 'it is in the history at our time' });
    assert.ok(r.cpu.includes(1));
    await a.close();
  }
});

test('a server that is killed keeps the samples', async () => {
  const s = await Server.start();
  try {
    let client = await s.client('viewer');
    const web = containerElement({ name: 'kill-web' });
    const a = await Sampler.start(s, client, [web]);
    const from = start();
    const n = 50;
    for (let i = 0; i < n; i++) a.batch(from + i * STEP, { [web.Id]: { cpu: i + 1, net_rx: 100 * i } });
    await written(client, a, web.Id, from, n, n - 2);
    // More samples are in flight while it is killed.
    for (let i = 0; i < 5; i++) a.batch(from + (n + i) * STEP, { [web.Id]: { cpu: n + i + 1 } });
    await s.process.stop('SIGKILL');
    assertClean(s.process);
    await s.up();
    client = await s.client('viewer');
    const b = new HandAgent(s, { engineId: a.engineId, hostname: a.hostname, fields: { ...KNOWS_SAMPLES, token: a.permanentToken } });
    b.containers = [web];
    await b.connect(a.permanentToken);
    b.hostId = a.hostId;
    await client.container(web.Id);
    const r = await history(client, a, web.Id, span(from, n));
    assert.deepEqual(r.cpu.slice(0, n - 1), Array.from({ length: n - 1 }, (_, i) => (i + 1) / 100), 'nothing but the last step is lost');
    await b.close();
  } finally {
    await s.remove();
  }
});

test('a damaged file is set aside and reported, the rest keeps working', async () => {
  const s = await Server.start();
  try {
    let client = await s.client('viewer');
    const web = containerElement({ name: 'damaged-web' });
    let a = await Sampler.start(s, client, [web]);
    let from = start();
    for (let i = 0; i < 3; i++) a.batch(from + i * STEP, { [web.Id]: { cpu: 5 } });
    await written(client, a, web.Id, from, 3);
    await s.down();
    const dir = join(s.dir, 'history');
    const files = (await readdir(dir)).filter((f) => f.endsWith('.db'));
    assert.ok(files.length > 0);
    for (const f of files) {
      await writeFile(join(dir, f), Buffer.alloc(8192, 0x55));
      await rm(join(dir, `${f}-wal`), { force: true });
      await rm(join(dir, `${f}-shm`), { force: true });
    }
    await s.up();
    client = await s.client('viewer');
    a = await Sampler.start(s, client, [web]);
    from = start();
    for (let i = 0; i < 3; i++) a.batch(from + i * STEP, { [web.Id]: { cpu: 6 } });
    const r = await written(client, a, web.Id, from, 3);
    assert.deepEqual(r.metrics.cpu.values, [0.06, 0.06, 0.06]);
    const health = await client.get('/health');
    assert.ok(health.components.history.damaged >= 1, JSON.stringify(health));
    assert.equal(health.components.history.status, 'ok');
    assert.equal((await (await s.client('admin')).get('/api/history')).damaged, health.components.history.damaged);
    assert.ok((await readdir(dir)).some((f) => f.endsWith('.damaged')));
    await s.process.line(/damaged/);
    await a.close();
  } finally {
    await s.remove();
  }
});

test('a full disk stops only the history, and is reported', { timeout: 120000 }, async () => {
  const dir = await temporaryDirectory();
  await mkdir(join(dir, 'history'));
  const process = new Process('unshare', [
    '-m', 'sh', '-c', `mount -t tmpfs -o size=512k,mode=700 tmpfs ${dir}/history && exec "$0" "$@"`, bin('dockmond'), '--listen', '127.0.0.1:0', '--data-dir', dir,
  ], { name: 'dockmond' });
  try {
    const line = await process.line(/listening on /);
    const s = { url: `http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(line)[1]}` };
    const admin = async (...words) => (await run(bin('dockmond'), ['--data-dir', dir, ...words])).stdout.trim();
    s.token = () => admin('token', 'create');
    const client = new Client(s, { key: await admin('apikey', 'create', '--name', 'test', '--role', 'admin') });
    const a = await Sampler.start(s, client, Array.from({ length: 40 }, (_, i) => containerElement({ name: `full-${i}` })));
    const health = async () => (await client.fetch('GET', '/health')).json();
    assert.equal((await health()).components.history.status, 'ok');
    const noise = () => Math.floor(Math.random() * 2 ** 50);
    let at = start() - 600 * STEP;
    const failed = await eventually(async () => {
      for (let i = 0; i < 20; i++, at += STEP) {
        a.batch(at, Object.fromEntries(a.containers.map((c) => [c.Id, { cpu: noise(), mem_used: noise(), net_rx: noise(), net_tx: noise() }])));
      }
      const h = await health();
      return h.components.history.status !== 'ok' && h;
    }, { timeout: 60000, what: 'the disk is full' });
    assert.equal(failed.components.history.status, 'disk_full');
    assert.equal(failed.components.database.status, 'ok');
    assert.equal(failed.status, 'degraded');
    assert.equal((await client.fetch('GET', '/health')).status, 200, 'it serves');
    await process.line(/history is not written: .*disk is full/);
    assert.match((await client.get('/api/history')).problem, /disk is full/);
    assert.equal((await client.post('/api/agent/generate-token')).success, true, 'everything else is still stored');
    a.batch(Date.now(), { [a.containers[0].Id]: { cpu: 4200 } });
    await eventually(async () => (await client.get(`/api/hosts/${a.hostId}/containers/full-0/stats/live`)).cpu.includes(42), { what: 'the last minutes go on' });
    assert.equal(process.lines.filter((l) => /history is not written/.test(l)).length, 1, 'logged once');
    await run('nsenter', ['-t', String(process.child.pid), '-m', 'mount', '-o', 'remount,size=64m', `${dir}/history`]);
    await eventually(async () => (await health()).components.history.status === 'ok', { what: 'it is written again' });
    await process.line(/history is written again/);
    await a.close();
  } finally {
    assert.deepEqual(await process.stop(), { code: 0, signal: null });
    assertClean(process);
    await rm(dir, { recursive: true, force: true });
  }
});

test('without a history, queries are refused and live samples work', async () => {
  const s = await Server.start({ args: ['--no-history'] });
  try {
    const client = await s.client('admin');
    const web = containerElement({ name: 'off-web' });
    const a = await Sampler.start(s, client, [web]);
    a.batch(Date.now(), { [web.Id]: { cpu: 100 } });
    await eventually(async () => (await client.get(`/api/hosts/${a.hostId}/containers/off-web/stats/live`)).cpu.length === 1);
    const r = await client.get(`/api/hosts/${a.hostId}/containers/off-web/stats/history?range=1h`, { status: 503 });
    assert.match(r.detail, /--no-history/);
    await client.get('/api/history', { status: 503 });
    assert.equal((await client.get('/health')).components.history.status, 'off');
    assert.equal((await client.get('/health')).status, 'healthy');
    await a.close();
    await assert.rejects(readdir(join(s.dir, 'history')), /ENOENT/);
  } finally {
    await s.remove();
  }
});

// The size of the history's files, and the first day of the oldest of each tier, read from the disk.
async function diskUse(dir) {
  const use = { bytes: 0, head_bytes: 0, tiers: {} };
  for (const name of (await readdir(dir)).sort()) {
    const { size } = await stat(join(dir, name));
    const [, tier, day, companion] = /^(\w+)-([\d-]{10})\.db(-\w+)?$/.exec(name) ?? [];
    use.bytes += size;
    if (!tier) {
      use.head_bytes += size;
      continue;
    }
    const t = use.tiers[tier] ??= { bytes: 0, files: 0, oldest: `${day}T00:00:00.000Z` };
    t.bytes += size;
    t.files += companion ? 0 : 1;
  }
  return use;
}

test('the disk use and the retention of history are reported', async () => {
  const admin = await server.client('admin');
  const r = await admin.get('/api/history');
  assert.equal(r.status, 'ok');
  assert.deepEqual(r.tiers.map((t) => [t.name, t.step_seconds, t.keep_days]), [['10s', 10, 2], ['1m', 60, 14], ['10m', 600, 90], ['1h', 3600, 730]]);
  const s = await Server.start({ args: ['--history-tiers', '10s:72h,5m:30d,1d:10y'] });
  assert.deepEqual((await (await s.client('admin')).get('/api/history')).tiers.map((t) => [t.name, t.step_seconds, t.keep_days, t.is_made]),
    [['10s', 10, 3, true], ['5m', 300, 30, true], ['1d', 86400, 3650, true]]);
  await s.remove();
  await assert.rejects(Server.start({ args: ['--history-tiers', '1m:14d'] }));
});

test('the reported disk use is that of the files', async () => {
  const DAY = 86400000;
  const today = Math.floor(Date.now() / DAY) * DAY;
  const s = await Server.start({ args: ['--history-tiers', '10s:10d,1m:14d,10m:90d,1h:2y'] });
  try {
    const client = await s.client('viewer');
    const web = containerElement({ name: 'disk-web' });
    const a = await Sampler.start(s, client, [web]);
    // Two past days are sealed and rolled up at once, which creates files of all tiers.
    for (const days of [4, 3]) {
      const from = today - days * DAY;
      for (let i = 0; i < 200; i++) a.batch(from + i * STEP, { [web.Id]: { name: 'disk-web', cpu: (i * 7919) % 5000, mem_used: i * 4096 } }, { cpu: i });
      await written(client, a, web.Id, from, 199);
    }
    await a.close();
    await s.down();
    await s.up();
    const again = await s.client('viewer');
    const [told, found] = await eventually(async () => {
      const [h, use] = [await again.get('/api/history'), await diskUse(join(s.dir, 'history'))];
      return Object.keys(use.tiers).length === 4 && h.bytes === use.bytes && [h, use];
    }, { timeout: 150000, what: 'the reported size to be that on disk' });
    assert.equal(told.head_bytes, found.head_bytes);
    for (const t of told.tiers) {
      const f = found.tiers[t.name];
      assert.ok(f.bytes > 16384 && f.files >= 1);
      assert.deepEqual({ bytes: t.bytes, files: t.files, oldest: new Date(t.oldest).toISOString() }, f);
    }
    assert.equal(told.tiers[0].files, 2);
    assert.equal(Date.parse(told.tiers[0].oldest), today - 4 * DAY);
  } finally {
    await s.remove();
  }
});

test('the last minutes of all stay within their memory limit', async () => {
  const s = await Server.start({ args: ['--stats-memory', '1'] });
  try {
    const client = await s.client('viewer');
    const web = containerElement({ name: 'mem-web' });
    const a = await Sampler.start(s, client, [web]);
    const n = 160;
    const from = Date.now() - 45000;
    const others = Array.from({ length: 1000 }, (_, i) => [i.toString(16).padStart(64, '0'), `other-${i}`]);
    const figures = (i, k) => ({ cpu: (i * 7919 + k) % 9973, mem_used: ((i * 104729 + k) % 99991) * 4096, net_rx: i * 1e6 + k, net_tx: i * 3e5 + k, blk_read: i * 40961, blk_write: i * 8193 });
    for (let i = 0; i < n; i++) {
      const all = { [web.Id]: { name: 'mem-web', ...figures(i, 0) } };
      others.forEach(([id, name], k) => { all[id] = { name, ...figures(i, k) }; });
      a.batch(from + i * 250, all);
    }
    const live = await eventually(async () => {
      const r = await client.get(`/api/hosts/${a.hostId}/containers/${web.Id}/stats/live`);
      return r.timestamps.at(-1) === (from + (n - 1) * 250) / 1000 && r;
    }, { what: 'the newest is there' });
    assert.ok(live.timestamps.length < n && live.timestamps.length >= 30, `${live.timestamps.length} of ${n}`);
    assert.equal(live.cpu.at(-1), ((n - 1) * 7919 % 9973) / 100);
    const told = await client.get('/api/history');
    assert.equal(told.live_max_bytes, 1 << 20);
    assert.ok(told.live_bytes > 1 << 18 && told.live_bytes < (1 << 20) + 1001 * 1100, `${told.live_bytes}`);
    await s.process.line(/raise --stats-memory/);
    await a.close();
  } finally {
    await s.remove();
  }
});

// GET /metrics as Prometheus reads it: promtool checks the text, and a real Prometheus runs the queries of the dashboard.
import assert from 'node:assert/strict';
import { copyFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, ROOT, Server, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { writeSamples } from './lib/msgpack.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let server, viewer;

before(async () => {
  server = await Server.start();
  viewer = await server.client('viewer');
});

after(() => server?.remove());

const scrape = async (client = viewer) => {
  const r = await client.fetch('GET', '/metrics');
  const text = await r.text();
  assert.equal(r.status, 200, text);
  assert.equal(r.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  return text;
};

// Lines by name and labels, as an independent reader sees them.
function parse(text) {
  const values = new Map();
  for (const line of text.split('\n')) {
    if (!line || line.startsWith('#')) continue;
    const [, series, value] = /^([a-z_0-9]+(?:\{.*\})?) (\S+)$/.exec(line) ?? assert.fail(line);
    assert.ok(!values.has(series), `twice: ${series}`);
    assert.match(series, /^(dockmon|process)_/);
    values.set(series, Number(value));
  }
  return values;
}

async function sampler(elements, hostname) {
  const a = new HandAgent(server, { hostname, fields: { capabilities: { container_operations: true, samples: true } } });
  a.containers = elements;
  await a.connect(await server.token());
  await eventually(async () => (await viewer.get(`/api/containers?host_id=${a.hostId}`)).length === elements.length, { timeout: 60000, what: 'its containers are listed' });
  a.seq = 0;
  a.batch = (containers, host) => a.send(writeSamples({ epoch: 1, seq: a.seq++, at: Date.now(), containers, host }));
  return a;
}

test('promtool accepts it', async () => {
  const labels = { 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web "a\\b"\nc' };
  const web = containerElement({ name: 'prom-web', labels, Image: 'nginx:"1"' });
  const plain = containerElement({ name: 'prom-plain', state: 'exited', Status: 'Exited (137) 2 minutes ago', OOMKilled: true });
  const paused = containerElement({ name: 'prom-paused', state: 'paused', Status: 'Up 2 hours (Paused)' });
  const a = await sampler([web, plain, paused], 'prom-host');
  a.event('container_event', { action: 'health_status: unhealthy', container_id: paused.Id, container_name: 'prom-paused', attributes: {} });
  a.batch({
    [web.Id]: { cpu: 12345, cpu_time: 1500000, mem_used: 2 ** 40 + 1, net_rx: 2 ** 53 - 1, psi_io_some: 150, started_at: 1763900000500 },
  }, { cpu: 5050, load_1: 123, mem_total: 1000, uptime: 77 });
  const at = `{host_id="${a.hostId}",host="prom-host"`;
  const of = `${at},container="prom-web",image="nginx:\\"1\\"",compose_project="shop",compose_service="web \\"a\\\\b\\"\\nc"}`;
  const simple = (name) => `${at},container="${name}",image="nginx:1.27"`;
  const text = await eventually(async () => {
    const t = await scrape();
    return t.includes('dockmon_container_cpu_cores{') && t.includes('dockmon_container_health{') && t;
  });
  const v = parse(text);
  for (const [series, value] of [
    [`dockmon_host_up${at}}`, 1], [`dockmon_host_cpu_ratio${at}}`, 0.505], [`dockmon_host_load1${at}}`, 1.23], [`dockmon_host_memory_total_bytes${at}}`, 1000],
    [`dockmon_host_uptime_seconds${at}}`, 77], [`dockmon_container_running${of}`, 1], [`dockmon_container_cpu_cores${of}`, 1.2345],
    [`dockmon_container_cpu_seconds_total${of}`, 1.5], [`dockmon_container_memory_used_bytes${of}`, 2 ** 40 + 1],
    [`dockmon_container_pressure_io_some_ratio${of}`, 0.015], [`dockmon_container_start_time_seconds${of}`, 1763900000.5],
    ['dockmon_agents_online', 1], ['dockmon_hosts', 1], ['dockmon_containers', 3],
    [`dockmon_container_state${of.slice(0, -1)},state="running"}`, 1], [`dockmon_container_state${simple('prom-plain')},state="exited"}`, 1],
    [`dockmon_container_state${simple('prom-paused')},state="paused"}`, 1], [`dockmon_container_running${simple('prom-paused')}}`, 0],
    [`dockmon_container_health${simple('prom-paused')}}`, 0], [`dockmon_container_last_exit_code${simple('prom-plain')}}`, 137],
    [`dockmon_container_oom_killed${simple('prom-plain')}}`, 1], ['dockmon_sessions', 1], ['dockmon_feed_clients', 0], ['dockmon_store_up', 1],
    ['dockmon_history_up', 1], ['dockmon_history_enabled', 1], ['dockmon_history_dropped_total', 0],
  ]) assert.equal(v.get(series), value, series);
  assert.ok(Math.abs(v.get(`dockmon_container_network_receive_bytes_total${of}`) - 2 ** 53) < 16, 'numbers are exact to 15 digits');
  assert.equal([...v.keys()].filter((s) => s.includes('prom-plain')).length, 4, 'unknown values are omitted: no sample is known');
  for (const name of ['cpu_seconds_total', 'open_fds', 'max_fds', 'virtual_memory_bytes', 'virtual_memory_max_bytes', 'resident_memory_bytes', 'start_time_seconds'])
    assert.ok(v.get(`process_${name}`) >= 0, name);
  for (const name of ['uptime_seconds', 'history_size_bytes', 'store_queue_length']) assert.ok(v.get(`dockmon_${name}`) >= 0, name);
  assert.ok(v.get('process_open_fds') > 5);
  assert.ok(v.get('process_virtual_memory_bytes') > v.get('process_resident_memory_bytes'));
  const now = Date.now() / 1000;
  assert.ok(Math.abs(now - v.get('process_start_time_seconds') - v.get('dockmon_uptime_seconds')) < 5, 'the start of the server');
  assert.ok(Math.abs(now - 77 - v.get(`dockmon_host_start_time_seconds${at}}`)) < 60, 'the boot of the host');

  const judged = await run('promtool', ['check', 'metrics'], { input: text });
  assert.deepEqual({ code: judged.code, out: judged.stdout + judged.stderr }, { code: 0, out: '' });

  await a.close();
  const gone = await eventually(async () => {
    const t = parse(await scrape());
    return t.get(`dockmon_host_up${at}}`) === 0 && t;
  });
  assert.ok(!gone.has(`dockmon_container_running${of}`), 'the last list of an offline host is not reported as current');
});

test('permissions and scopes', async () => {
  const one = await sampler([containerElement({ name: 'scope-one', labels: { team: 'a' } }), containerElement({ name: 'scope-two' })], 'scope-host');
  const other = await sampler([containerElement({ name: 'scope-other' })], 'other-host');
  assert.equal((await new Client(server).fetch('GET', '/metrics')).status, 401);
  const limited = async (scope) => parse(await scrape(new Client(server, { key: await server.admin('apikey', 'create', '--name', `s-${scope.length}`, '--role', 'viewer', '--scope', scope) })));
  const host = [...(await limited(`host=${one.hostId}`)).keys()];
  assert.ok(host.some((s) => s.includes('scope-one')) && host.some((s) => s.includes('scope-two')));
  assert.ok(!host.some((s) => s.includes('other')), 'other hosts do not exist');
  assert.ok(!host.some((s) => /^(process|dockmon_(agents|history|store))/.test(s)), 'nor does the server');
  const label = [...(await limited('label=team=a')).keys()];
  assert.ok(label.some((s) => s.includes('scope-one')));
  assert.ok(!label.some((s) => s.includes('scope-two') || s.includes('scope-other')));
  await one.close();
  await other.close();
});

test('tens of thousands of series are sent in pieces', { timeout: 180000 }, async () => {
  const n = 1500;
  const many = await sampler(Array.from({ length: n }, (_, i) => containerElement({ name: `many-${i}` })), 'many-host');
  many.batch(Object.fromEntries(many.containers.map((c, i) => [c.Id, {
    cpu: i, cpu_time: i, mem_used: i, mem_limit: i, mem_anon: i, mem_file: i, mem_kernel: i, pids: i, net_rx: i, net_tx: i, blk_read: i, blk_write: i, oom_kills: i,
    psi_cpu_some: i, psi_cpu_full: i, psi_mem_some: i, psi_mem_full: i, psi_io_some: i, psi_io_full: i, restarts: i,
  }])));
  const text = await eventually(async () => {
    const t = await scrape();
    return t.includes('dockmon_container_restarts{') && t;
  }, { timeout: 60000, what: 'the report' });
  const series = [...parse(text).keys()].filter((s) => s.includes('many-host') && s.startsWith('dockmon_container_'));
  assert.equal(series.length, 22 * n);
  const judged = await run('promtool', ['check', 'metrics'], { input: text });
  assert.deepEqual({ code: judged.code, out: judged.stdout + judged.stderr }, { code: 0, out: '' });
  const packed = await viewer.fetch('GET', '/metrics', { headers: { 'accept-encoding': 'gzip' } });
  assert.deepEqual([packed.headers.get('content-encoding'), packed.headers.get('vary')], ['gzip', 'Accept-Encoding']);
  const names = (t) => t.replace(/ \S+$/gm, '');
  assert.equal(names(await packed.text()), names(text), 'gzip changes nothing but the size');
  const plain = await viewer.fetch('GET', '/metrics', { headers: { 'accept-encoding': 'identity, gzip;q=0' } });
  assert.equal(plain.headers.get('content-encoding'), null);
  await plain.arrayBuffer();
  // A reader that leaves in the middle, and hosts that disappear meanwhile.
  const left = new AbortController();
  const r = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${viewer.key}` }, signal: left.signal });
  await r.body.getReader().read();
  await (await server.client('admin')).delete(`/api/hosts/${many.hostId}`);
  left.abort();
  await eventually(async () => !(await scrape()).includes('many-host'));
  await many.close();
});

// The expressions of a dashboard, with Grafana's variables as it replaces them.
async function dashboardQueries() {
  const dashboard = JSON.parse(await readFile(join(ROOT, 'packaging/grafana/dockmon.json'), 'utf8'));
  const variables = { $__rate_interval: '1m', $host: '.*', $container: '.*', $job: 'dockmon' };
  const fill = (s) => Object.entries(variables).reduce((t, [name, value]) => t.replaceAll(name, value), s);
  const lists = dashboard.templating.list.filter((v) => v.type === 'query').map((v) => /^label_values\((.*), (\w+)\)$/.exec(v.definition));
  return [...lists.map(([, selector, label]) => fill(`count by (${label}) (${selector})`)), ...dashboard.panels.flatMap((p) => (p.targets ?? []).map((t) => fill(t.expr)))];
}

test('each query of the dashboard has a result in a real Prometheus', { timeout: 150000 }, async () => {
  const dir = await temporaryDirectory();
  const web = containerElement({ name: 'board-web', Status: 'Up 2 hours (unhealthy)', OOMKilled: false });
  const old = containerElement({ name: 'board-old', state: 'exited', Status: 'Exited (3) 2 hours ago', OOMKilled: true });
  const a = await sampler([web, old], 'board-host');
  let n = 0;
  const beat = setInterval(() => {
    n++;
    a.batch({ [web.Id]: { cpu: 1, cpu_time: n, cpu_periods: n, cpu_throttled: n, mem_used: n, mem_limit: 100, net_rx: n, net_tx: n, blk_read: n, blk_write: n, restarts: n } },
      { cpu: 1, cpus: 2, load_5: 1, mem_used: 1, mem_total: 2, net_rx: n, net_tx: n, uptime: n });
  }, 1000);
  let prometheus;
  try {
    await writeFile(join(dir, 'key'), viewer.key, { mode: 0o600 });
    await writeFile(join(dir, 'prometheus.yml'), `global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: dockmon
    authorization: {credentials_file: ${join(dir, 'key')}}
    static_configs: [{targets: ["${new URL(server.url).host}"]}]
`);
    prometheus = new Process('prometheus', [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`, '--web.listen-address=127.0.0.1:0'], { name: 'prometheus' });
    const [, listen] = /"Listening on" address=(127\.0\.0\.1:[1-9]\d*)/.exec(await prometheus.line(/"Listening on" address=/, { timeout: 60000 }));
    const queries = await dashboardQueries();
    assert.ok(queries.length > 30);
    for (const query of queries) {
      await eventually(async () => {
        const r = await (await fetch(`http://${listen}/api/v1/query?${new URLSearchParams({ query })}`)).json();
        assert.equal(r.status, 'success', `${query}: ${r.error}`);
        assert.ok(r.data.result.length > 0, `no result: ${query}`);
        return true;
      }, { timeout: 60000, what: query });
    }
  } finally {
    clearInterval(beat);
    await prometheus?.stop();
    await a.close();
    await rm(dir, { recursive: true, force: true });
  }
});

test('the real Prometheus scrapes a server with TLS as docs/statistics.md says', { timeout: 150000 }, async () => {
  const dir = await temporaryDirectory();
  const secure = await Server.start({ args: ['--tls'] });
  let prometheus;
  try {
    const documented = /```yaml\n(scrape_configs:[^]*?)```/.exec(await readFile(join(ROOT, 'docs/statistics.md'), 'utf8'))[1];
    const config = documented.replaceAll('/etc/prometheus', dir).replace('dockmon.example:8443', `localhost:${secure.port}`);
    // The timeout is at most the interval, and the machine may be busy.
    await writeFile(join(dir, 'prometheus.yml'), `global: {scrape_interval: 5s, scrape_timeout: 5s}\n${config}`);
    await writeFile(join(dir, 'dockmon.key'), await secure.admin('apikey', 'create', '--name', 'prometheus', '--role', 'viewer'), { mode: 0o640 });
    await copyFile(join(secure.dir, 'tls/cert.pem'), join(dir, 'dockmon.pem'));
    prometheus = new Process('prometheus', [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`, '--web.listen-address=127.0.0.1:0'], { name: 'prometheus' });
    const [, listen] = /"Listening on" address=(127\.0\.0\.1:[1-9]\d*)/.exec(await prometheus.line(/"Listening on" address=/, { timeout: 60000 }));
    await eventually(
      async () => {
        const [target] = (await (await fetch(`http://${listen}/api/v1/targets`)).json()).data.activeTargets;
        assert.equal(target?.health, 'up', target?.lastError);
        return true;
      },
      { timeout: 90000, what: 'Prometheus has scraped' },
    );
  } finally {
    await prometheus?.stop();
    await secure.remove();
    await rm(dir, { recursive: true, force: true });
  }
});

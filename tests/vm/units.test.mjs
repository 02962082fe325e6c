// Tests the units of packaging/systemd under a real systemd: they start, report readiness, are restarted when killed, and
// their restrictions do not prevent the agent from measuring.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { before, after, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Client } from '../integration/lib/dockmon.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { eventually } from '../integration/lib/wait.mjs';
import { ROOT, SLOW, assertAllAgree, sh, assertSource, createLoads, removeLoads } from './lib.mjs';

const engine = new Engine();
const later = cleanups();
const dockmond = 'dockmond --data-dir /var/lib/dockmon';
const show = async (unit, ...names) =>
  Object.fromEntries((await sh(`systemctl show ${unit} -p ${names.join(',')}`)).split('\n').map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]));
const configure = (lines) => writeFile('/etc/dockmon/dockmon-agent.conf', lines.join('\n') + '\n');
let client;

before(async () => {
  await engine.ensureImage();
  await sh(`install -m 755 ${ROOT}/build/dockmon* /usr/local/bin/`);
  for (const unit of ['dockmond', 'dockmon-agent']) {
    const text = await readFile(`${ROOT}/packaging/systemd/${unit}.service.in`, 'utf8');
    await writeFile(`/etc/systemd/system/${unit}.service`, text.replaceAll('@bindir@', '/usr/local/bin'));
  }
  await sh('systemctl daemon-reload');
  await mkdir('/etc/dockmon', { recursive: true });
});
after(async () => {
  await sh('systemctl stop dockmon-agent dockmond');
  await rm('/etc/dockmon', { recursive: true });
});

// `systemctl start` of a unit with Type=notify returns when the service has reported that it is ready.
test('dockmond starts as a separate user', SLOW, async () => {
  await sh('systemctl start dockmond');
  const { ActiveState, StatusText, MainPID } = await show('dockmond', 'ActiveState', 'StatusText', 'MainPID');
  assert.equal(ActiveState, 'active', StatusText);
  assert.notEqual(await sh(`stat -c %u /proc/${MainPID}`), '0');
  client = new Client({ url: 'http://127.0.0.1:8001' }, { key: await sh(`${dockmond} apikey create --name vm --role admin`) });
  assert.deepEqual(await client.get('/api/hosts'), []);
});

test('the agent starts and its host comes online', SLOW, async () => {
  const token = await sh(`${dockmond} token create`);
  await configure(['DOCKMON_URL=http://127.0.0.1:8001', `REGISTRATION_TOKEN=${token}`]);
  await sh('chown root:docker /etc/dockmon/dockmon-agent.conf && chmod 640 /etc/dockmon/dockmon-agent.conf && systemctl start dockmon-agent');
  const { ActiveState, MainPID } = await show('dockmon-agent', 'ActiveState', 'MainPID');
  assert.equal(ActiveState, 'active');
  assert.notEqual(await sh(`stat -c %u /proc/${MainPID}`), '0');
  const host = await client.onlineHost({ timeout: 60000 });
  const agent = await eventually(async () => {
    const a = await client.get(`/api/hosts/${host.id}/agent`);
    return a.stats?.containers && a;
  }, { timeout: 60000, what: 'a source' });
  assert.equal(agent.stats.containers, 'cgroup2', JSON.stringify(agent.stats));
});

for (const unit of ['dockmon-agent', 'dockmond']) {
  test(`${unit} is restarted after a kill, and the host is online again`, SLOW, async () => {
    const { MainPID: old, NRestarts: n } = await show(unit, 'MainPID', 'NRestarts');
    await sh(`kill -9 ${old}`);
    await eventually(async () => {
      const now = await show(unit, 'MainPID', 'ActiveState', 'NRestarts');
      return now.ActiveState === 'active' && now.MainPID !== old && Number(now.NRestarts) > Number(n);
    }, { timeout: 60000, what: 'another process' });
    // A new container in the list proves a new session.
    const { id } = await engine.run(`after-${unit}`);
    await eventually(async () => (await client.get('/api/containers')).some((c) => c.full_id === id), { timeout: 90000, what: 'a new container is listed' });
    await engine.docker('rm', '-f', id);
  });
}

test('both units survive a reload and feed the watchdog', SLOW, async () => {
  const units = ['dockmon-agent', 'dockmond'];
  const before = await Promise.all(units.map((u) => show(u, 'MainPID', 'NRestarts', 'WatchdogTimestampMonotonic')));
  for (const unit of units) await sh(`systemctl reload ${unit}`);
  await eventually(async () => {
    const now = await Promise.all(units.map((u) => show(u, 'WatchdogTimestampMonotonic')));
    return now.every((v, i) => Number(v.WatchdogTimestampMonotonic) > Number(before[i].WatchdogTimestampMonotonic));
  }, { timeout: 60000, what: 'signs of life' });
  const now = await Promise.all(units.map((u) => show(u, 'MainPID', 'NRestarts')));
  now.forEach((v, i) => assert.equal(v.MainPID, before[i].MainPID));
});

test('an agent with the restrictions of the unit agrees with docker stats and the kernel', SLOW, async () => {
  later(() => removeLoads(engine));
  const all = await createLoads(engine);
  await sh('systemctl stop dockmon-agent; rm -rf /var/lib/private/dockmon-agent');
  const m = await measure(engine, later, {
    start: async ({ url }) => {
      await configure([`DOCKMON_URL=${url}`, 'INSECURE_HTTP=true', 'REGISTRATION_TOKEN=registration-token', 'STATS_INTERVAL=1s']);
      await sh('systemctl start dockmon-agent');
      return { remove: () => sh('systemctl stop dockmon-agent') };
    },
  });
  await assertAllAgree(engine, m, all);
  assertSource(m, 'netlink');
  const { host } = m.all().findLast((b) => b.host);
  assert.ok(host.mounts.some((f) => f.path === '/' && f.written > 0), JSON.stringify(host));
});

// An engine that does not answer is seen in every list, and the state of its containers is marked as old.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server, dockmon } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import WebSocket from 'ws';
import { eventually } from './lib/wait.mjs';

let server, admin, hand, element;

before(async () => {
  server = await Server.start();
  admin = await server.client('admin');
  hand = new HandAgent(server, { hostname: 'web1' });
  element = containerElement({
    name: 'web', Status: 'Up 2 hours (healthy)', StartedAt: new Date(Date.now() - 250_000).toISOString(),
  });
  hand.containers = [element];
  assert.equal((await hand.connect(await server.token())).type, 'auth_success');
  await admin.container('web');
});

after(async () => {
  await hand?.close();
  await server?.remove();
});

async function shown(...args) {
  const r = await dockmon(server, admin.key, args);

  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
}

test('ps shows the uptime of now, not that of the last list', async () => {
  assert.match(await shown('ps'), /Up 4 minutes \(healthy\) /);
});

test('hosts and ps say that the engine is down, and no longer when it answers', async () => {
  hand.event('engine_state', { error: 'the engine does not answer: connection refused' });
  await eventually(async () => /engine down/.test(await shown('hosts')));
  assert.match(await shown('ps'), /Up 4 minutes \(healthy\) \(engine down\)/);
  const c = await admin.container('web');
  assert.match(c.host_error, /does not answer/);
  assert.equal(c.stale_since, c.confirmed_at);
  assert.ok(Date.parse(c.stale_since) <= Date.now());
  assert.equal((await admin.get('/api/hosts'))[0].stale_since, c.stale_since);
  hand.event('engine_state', { error: null });
  await eventually(async () => !/engine down/.test(await shown('hosts')));
  assert.doesNotMatch(await shown('ps'), /engine down/);
  assert.equal((await admin.container('web')).stale_since, null);
  assert.equal((await admin.get('/api/hosts'))[0].stale_since, null);
});

test('the last sample is not shown for ever when no further one comes', async () => {
  const sample = { container_id: element.Id, container_name: 'web', cpu_percent: 12.5, memory_usage: 1000, memory_limit: 2000, memory_percent: 50, network_rx: 1, network_tx: 1, disk_read: 0, disk_write: 0 };
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws?subscribe=true`, { headers: { authorization: `Bearer ${admin.key}` } });
  const updates = [];

  ws.on('message', (d) => updates.push(...(JSON.parse(d).stats ?? [])));
  ws.on('open', () => ws.send(JSON.stringify({ type: 'subscribe', topics: [`stats/${hand.hostId}`] })));

  hand.event('container_stats', sample);
  await eventually(async () => (await admin.container('web')).cpu_percent === 12.5);
  hand.event('container_stats', { ...sample, cpu_percent: 13.5 });
  await eventually(async () => (await admin.container('web')).cpu_percent === 13.5);
  await eventually(async () => (await admin.container('web')).cpu_percent === null, { timeout: 40_000 });
  assert.equal((await admin.container('web')).memory_usage, null);
  const update = await eventually(async () => updates.find((x) => x.cpu_percent === null));
  assert.equal(update.id, element.Id.slice(0, 12));
  assert.ok(Date.parse(update.timestamp) < Date.now());
  ws.close();
  // The server ends the connection of DockMon's agent whose engine may have been restarted.
  assert.equal((await hand.closed).code, 1013);
  assert.equal((await hand.connect(hand.permanentToken)).type, 'auth_success');
  await eventually(async () => (await admin.container('web')).state === 'running');
});

test('a container that has ended has no samples', async () => {
  const sample = { container_id: element.Id, container_name: 'web', cpu_percent: 12.5, memory_usage: 1000, memory_limit: 2000, memory_percent: 50, network_rx: 1, network_tx: 1, disk_read: 0, disk_write: 0 };

  await eventually(async () => {
    hand.event('container_stats', sample);
    return (await admin.container('web')).cpu_percent === 12.5;
  });
  hand.containers = [{ ...element, State: 'exited', Status: 'Exited (0) 1 second ago' }];
  const c = await eventually(async () => {
    hand.event('container_stats', sample);
    const now = await admin.container('web');
    return now.state === 'exited' && now;
  });
  assert.deepEqual([c.cpu_percent, c.memory_usage, c.network_rx], [null, null, null]);
});

test('a host that is offline, with containers that are not known, is named instead of left out in silence', async () => {
  const silent = new HandAgent(server, { hostname: 'web2' });

  silent.isSilent = true; // it never sends its list
  assert.equal((await silent.connect(await server.token())).type, 'auth_success');
  await silent.close();
  const missing = await eventually(async () => {
    const r = await dockmon(server, admin.key, ['ps', '-a']);
    return /left out/.test(r.stderr) && r;
  });
  assert.match(missing.stderr, /web2 is offline and left out: its containers are not known/);
  assert.match(missing.stdout, /web1/);
  for (const [ref, ...words] of [['db', 'restart'], ['web2/db', 'rm', '-f'], ['db', 'history']]) {
    const r = await dockmon(server, admin.key, [...words, ref]);
    assert.equal(r.code, 1, `${words}`);
    assert.match(r.stderr, /db: not found, but host web2 is offline and its containers are not known; check the agent there/);
  }
  const other = await dockmon(server, admin.key, ['restart', 'nosuchhost/web']);
  assert.match(other.stderr, /No such container: nosuchhost\/web/);
});

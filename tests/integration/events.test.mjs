// The event log stores events of containers on the real engine once, mapped; the API filters and pages them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandAgent, containerId } from './lib/hand-agent.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'viewer' });
const { engine } = world;

const events = async (c) => (await world.client.get(`/api/events?container_id=${c.id}&limit=1000`)).events.reverse();
const types = async (c) => (await events(c)).map((e) => e.event_type);
const has = (c, type) => eventually(async () => (await types(c)).includes(type), { what: `${type} of ${c.name}` });

test('events of the lifecycle of a container are stored', async () => {
  const c = await engine.run('life');
  await has(c, 'started');
  await engine.docker('restart', '-t', '0', c.id);
  await has(c, 'restarted');
  await engine.docker('rm', '-f', c.id);
  await has(c, 'deleted');
  const list = await events(c);
  const start = list.find((e) => e.event_type === 'started');

  assert.equal(start.host_id, world.host.id);
  assert.equal(start.host_name, world.host.name);
  assert.equal(start.container_id, c.id.slice(0, 12));
  assert.equal(start.container_name, c.name);
  assert.equal(start.category, 'container');
  assert.ok(Math.abs(Date.parse(start.timestamp) - Date.now()) < 60000);
  assert.equal((await types(c)).filter((t) => t === 'deleted').length, 1);
});

test('exit code 0 is "stopped", any other is "died" with severity error', async () => {
  const good = await engine.run('good', { command: ['true'] });
  const bad = await engine.run('bad', { command: ['sh', '-c', 'exit 7'] });
  await has(good, 'stopped');
  await has(bad, 'died');

  assert.equal((await events(good)).find((e) => e.event_type === 'stopped').severity, 'info');
  const died = (await events(bad)).find((e) => e.event_type === 'died');
  assert.equal(died.severity, 'error');
  assert.equal(died.details.exit_code, 7);
});

test('a harmless signal does not end a container', async () => {
  const c = await engine.run('hup', { command: ['sh', '-c', 'trap : HUP; while true; do sleep 0.1; done'] });
  await has(c, 'started');
  await engine.docker('kill', '-s', 'HUP', c.id);
  await engine.docker('pause', c.id);
  await has(c, 'paused');

  assert.ok(!(await types(c)).some((t) => t === 'died' || t === 'stopped'));
  await eventually(async () => (await world.client.container(c.name)).state === 'paused');
  await engine.docker('unpause', c.id);
});

test('a hundred containers started and removed at once: each event exactly once', { timeout: 180000 }, async () => {
  const names = Array.from({ length: 20 }, (_, i) => `many-${i}`);
  const made = await Promise.all(names.map((n) => engine.run(n, { command: ['true'] })));
  await Promise.all(made.map((c) => has(c, 'stopped')));
  await engine.docker('rm', '-f', ...made.map((c) => c.id));
  for (const c of made) {
    await has(c, 'deleted');
    const list = await types(c);
    for (const t of ['started', 'stopped', 'deleted']) assert.equal(list.filter((x) => x === t).length, 1, `${t} of ${c.name}: ${list}`);
  }
});

test('events are filtered and paged', async () => {
  const all = await world.client.get('/api/events?limit=5');
  assert.equal(all.events.length, 5);
  assert.equal(all.limit, 5);
  assert.equal(all.has_more, true);
  const next = await world.client.get('/api/events?limit=5&offset=5');
  assert.ok(next.events.every((e) => !all.events.some((x) => x.id === e.id)));
  assert.ok(Date.parse(all.events[4].timestamp) >= Date.parse(next.events[0].timestamp), 'newest first');
  const died = await world.client.get('/api/events?event_type=died');
  assert.ok(died.events.length >= 1 && died.events.every((e) => e.event_type === 'died'));
  assert.equal((await world.client.get('/api/events?host_id=nobody')).total_count, 0);
  assert.equal((await world.client.get(`/api/events?since=${new Date(Date.now() + 60000).toISOString()}`)).total_count, 0);
  assert.ok((await world.client.get('/api/events?search=many-7')).events.every((e) => /many-7/.test(e.title + e.message + e.container_name)));
  for (const q of ['limit=0', 'limit=1001', 'offset=-1', 'since=x']) await world.client.get(`/api/events?${q}`, { status: 422 });
});

test('events of a Go agent, which carry no nanoseconds, are mapped in the same way', async () => {
  const a = new HandAgent(world.server, { era: 'seed' });
  await a.connect(await world.server.token());
  const c = { id: containerId(), name: 'go' };
  const send = (action, attributes = {}) =>
    a.event('container_event', { container_id: c.id, container_name: 'go', image: 'nginx', action, timestamp: '2025-11-05T09:00:00+01:00', attributes });
  send('exec_start: sh');
  send('start');
  send('stop');
  send('die', { exitCode: '137' });
  send('destroy');
  await has(c, 'deleted');
  const list = await events(c);
  await a.close();

  assert.deepEqual(list.map((e) => e.event_type).sort(), ['deleted', 'died', 'started']);
  assert.ok(list.every((e) => Date.parse(e.timestamp) === Date.parse('2025-11-05T08:00:00Z')));
});

test('a host that goes online or offline causes an event', async () => {
  const a = new HandAgent(world.server);
  await a.connect(await world.server.token());
  await a.close();
  const list = await eventually(async () => {
    const found = (await world.client.get(`/api/events?host_id=${a.hostId}&category=host`)).events;
    return found.length >= 2 && found;
  });
  assert.ok(list.some((e) => /disconnected/.test(e.event_type)) && list.some((e) => /^host_(connected|added)/.test(e.event_type)), JSON.stringify(list));
});

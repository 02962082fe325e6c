// The live feed with a client written by hand on npm `ws`.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Server } from './lib/dockmon.mjs';
import { closing, eventually } from './lib/wait.mjs';

let server, keys;

before(async () => {
  server = await Server.start();
  keys = { viewer: await server.client('viewer'), operator: await server.client('operator') };
});

after(() => server?.remove());

class Watcher {
  constructor(headers, query = '') {
    this.messages = [];
    this.ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws${query}`, { headers });
    this.ws.on('message', (d) => this.messages.push(JSON.parse(d)));
    this.ws.on('error', () => {});
    this.closed = closing(this.ws);
  }

  static as(role, query) {
    return new Watcher({ authorization: `Bearer ${keys[role].key}` }, query);
  }

  next(type, match = () => true) {
    return eventually(() => this.messages.find((m) => m.type === type && match(m)), { what: type });
  }
}

test('without a valid session the socket is closed with 1008', async () => {
  assert.deepEqual(await new Watcher({}).closed, { code: 1008, reason: 'Authentication required' });
  assert.deepEqual(await new Watcher({ cookie: 'session_id=nonsense' }).closed, { code: 1008, reason: 'Invalid or expired session' });
});

test('the cookie of a login suffices, but only from our own site', async () => {
  const { cookie } = await server.adminSession('correct horse');
  const watcher = new Watcher({ cookie, origin: server.url });
  await watcher.next('initial_state');
  watcher.ws.close();
  const foreign = new Watcher({ cookie, origin: 'https://evil.example' });
  assert.equal((await foreign.closed).code, 1006, 'refused before the handshake');
});

test('a client gets the state first, then changes of hosts, containers and events', async () => {
  const watcher = Watcher.as('operator');
  const initial = await watcher.next('initial_state');
  assert.deepEqual(watcher.messages[0], initial);
  assert.deepEqual(Object.keys(initial.data).sort(), ['blackout', 'containers', 'hosts', 'settings', 'truncated']);
  await watcher.next('containers_update');

  const a = new HandAgent(server);
  a.containers = [containerElement({ name: 'watched' })];
  await a.connect(await server.token());
  await watcher.next('host_status_changed', (m) => m.data.host_id === a.hostId && m.data.status === 'online');
  const update = await watcher.next('containers_update', (m) => m.data.containers.some((c) => c.name === 'watched'));
  assert.equal(update.data.hosts.find((h) => h.id === a.hostId).status, 'online');
  assert.equal(update.data.containers.find((c) => c.name === 'watched').env.SECRET, 'hunter2');
  a.event('container_event', { container_id: a.containers[0].Id, container_name: 'watched', image: 'nginx', action: 'start', timestamp: new Date().toISOString(), attributes: {} });
  const event = await watcher.next('new_event', (m) => m.event.event_type === 'started');
  assert.equal(event.event.container_name, 'watched');
  await a.close();
  await watcher.next('host_status_changed', (m) => m.data.host_id === a.hostId && m.data.status === 'offline');
  watcher.ws.close();
});

test('actions of users are events of the feed, with the ids of the log; changes of hosts are sent', async () => {
  const a = new HandAgent(server);
  a.containers = [containerElement({ name: 'acted', state: 'exited' })];
  a.operations.start = () => ({ status: 'started' });
  a.operations.remove = () => { throw new Error('engine is busy'); };
  await a.connect(await server.token());
  await keys.operator.container('acted');
  const watcher = Watcher.as('viewer');
  const topics = Watcher.as('viewer', '?subscribe=true');
  await watcher.next('containers_update');
  topics.ws.send('{"type":"subscribe","topics":["events"]}');
  await topics.next('subscribed');
  const path = `/api/hosts/${a.hostId}/containers/${a.containers[0].Id}`;
  await keys.operator.post(`${path}/start`);
  await keys.operator.fetch('DELETE', path);
  await keys.operator.fetch('DELETE', `/api/hosts/${a.hostId}/volumes/kept`);
  const sent = {
    'Container acted was started': (c) => c.payload?.action === 'start',
    'Container acted could not be deleted': (c) => c.payload?.action === 'remove',
    [`Volume ${a.hostname}/kept could not be deleted`]: (c) => c.command === 'delete_volume',
  };
  for (const [title, isCommand] of Object.entries(sent)) {
    const { event } = await watcher.next('new_event', (m) => m.event.title === title);
    assert.ok(event.id > 0);
    assert.equal(event.correlation_id, a.commands.findLast(isCommand).id);
    assert.deepEqual((await keys.viewer.get(`/api/events/correlation/${event.correlation_id}`)).events, [event]);
    assert.deepEqual(await keys.viewer.get(`/api/events/${event.id}`), event);
    const update = await topics.next('update', (m) => m.events?.some((e) => e.title === title));
    assert.deepEqual(update.events.find((e) => e.title === title), event);
  }
  a.event('container_event', { container_id: a.containers[0].Id, container_name: 'acted', image: 'nginx', action: 'start', timestamp: new Date().toISOString(), attributes: {} });
  const { event } = await watcher.next('new_event', (m) => m.event.event_type === 'started');
  assert.deepEqual(await keys.viewer.get(`/api/events/${event.id}`), event);

  const admin = await server.client('admin');
  await admin.call('PUT', `/api/hosts/${a.hostId}`, { body: { name: 'renamed-host', tags: [] } });
  await admin.call('PATCH', `/api/hosts/${a.hostId}/tags`, { body: { tags_to_add: ['Rack-1'] } });
  await watcher.next('containers_update', (m) => m.data.hosts.some((h) => h.name === 'renamed-host' && h.tags.includes('rack-1')));
  for (const w of [watcher, topics]) w.ws.close();
  await a.close();
});

test('a viewer never sees environment variables', async () => {
  const a = new HandAgent(server);
  a.containers = [containerElement({ name: 'secretive' })];
  await a.connect(await server.token());
  const watcher = Watcher.as('viewer');
  const update = await watcher.next('containers_update', (m) => m.data.containers.some((c) => c.name === 'secretive'));

  assert.equal(update.data.containers.find((c) => c.name === 'secretive').env, null);
  assert.ok(!JSON.stringify(watcher.messages).includes('hunter2'));

  const id = a.containers[0].Id;
  const base = `/api/hosts/${a.hostId}/containers/${id}`;
  a.operations.inspect = () => ({ container: { Id: id, Name: '/secretive', Config: { Env: ['SECRET=hunter2'], Labels: {} } } });
  for (const path of ['/api/containers', `${base}/inspect`]) {
    assert.ok(!JSON.stringify(await keys.viewer.get(path)).includes('hunter2'), path);
    assert.ok(JSON.stringify(await keys.operator.get(path)).includes('hunter2'), path);
  }
  watcher.ws.close();
  await a.close();
});

test('pings are answered, invalid messages get an error, a flood is limited', async () => {
  const watcher = Watcher.as('viewer');
  await watcher.next('initial_state');
  watcher.ws.send('{"type":"ping"}');
  await watcher.next('pong');
  watcher.ws.send('nonsense');
  await watcher.next('error', (m) => m.error === 'bad_message');
  for (let i = 0; i < 300; i++) watcher.ws.send('{"type":"ping"}');
  await watcher.next('error', (m) => m.error === 'rate_limit');
  watcher.ws.close();
});

test('a client that does not read does not delay another', async () => {
  const slow = Watcher.as('operator');
  await slow.next('initial_state');
  slow.ws._socket.pause();
  const a = new HandAgent(server);
  a.containers = Array.from({ length: 2000 }, (_, i) => containerElement({ name: `mass-${i}` }));
  await a.connect(await server.token());
  const fast = Watcher.as('viewer');
  for (let round = 0; round < 6; round++) {
    a.containers[0].Names = [`/round-${round}`];
    await fast.next('containers_update', (m) => m.data.containers.some((c) => c.name === `round-${round}`));
  }
  slow.ws._socket.resume();
  await slow.next('containers_update', (m) => m.data.containers.some((c) => c.name === 'round-5'));
  slow.ws.close();
  fast.ws.close();
  await a.close();
});

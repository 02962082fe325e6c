// Clients of the feed that subscribe: state, updates, reports of agents, and readers that are too slow.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Server } from './lib/dockmon.mjs';
import { closing, eventually, opening } from './lib/wait.mjs';

let server, admin, keys;

before(async () => {
  server = await Server.start();
  admin = await server.client('admin');
  keys = { viewer: (await server.client('viewer')).key, operator: (await server.client('operator')).key };
});

after(() => server?.remove());

class Subscriber {
  constructor(role, query = '?subscribe=true') {
    this.messages = [];
    this.hosts = new Map();
    this.containers = new Map();
    this.stats = new Map();
    this.n = 0;
    const key = keys[role] ?? role;
    this.ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws${query}`, { headers: { authorization: `Bearer ${key}` } });
    this.ws.on('message', (d) => this.onMessage(JSON.parse(d)));
    this.ws.on('error', () => {});
    this.opened = opening(this.ws);
    this.closed = closing(this.ws);
  }

  // Like a real client: a complete state replaces everything, and other messages are merged.
  onMessage(m) {
    this.messages.push(m);
    if (m.type !== 'state' && m.type !== 'update') return;
    if (m.type === 'state' && m.complete && m.part === 0) for (const map of [this.hosts, this.containers, this.stats]) map.clear();
    for (const h of m.hosts ?? []) this.hosts.set(h.id, h);
    for (const c of m.containers ?? []) this.containers.set(`${c.host_id}/${c.id}`, c);
    for (const s of m.stats ?? []) this.stats.set(`${s.host_id}/${s.id}`, s);
    for (const r of m.removed ?? []) this.containers.delete(`${r.host_id}/${r.id}`);
    for (const id of m.removed_hosts ?? []) {
      this.hosts.delete(id);
      for (const key of this.containers.keys()) if (key.startsWith(id)) this.containers.delete(key);
    }
  }

  // Sends a request, which is allowed before the client is authenticated, and returns its answer.
  async ask(type, topics) {
    await this.opened;
    const id = ++this.n;
    this.ws.send(JSON.stringify({ type, id, topics }));
    return eventually(() => this.messages.find((m) => m.id === id), { what: `an answer to ${type} ${topics}` });
  }

  // Returns when the state has arrived.
  async subscribe(...topics) {
    const answer = await this.ask('subscribe', topics);
    assert.equal(answer.type, 'subscribed', JSON.stringify(answer));
    await eventually(() => this.messages.slice(this.messages.indexOf(answer)).some((m) => m.type === 'state' && m.last), { what: `state of ${topics}` });
  }

  async error(message) {
    await this.opened;
    const id = ++this.n;
    this.ws.send(JSON.stringify({ id, ...message }));
    return eventually(() => this.messages.find((m) => m.id === id && m.type === 'error'), { what: `an error for ${JSON.stringify(message)}` });
  }

  next(section, match = () => true) {
    return eventually(() => {
      for (const m of this.messages) for (const e of m[section] ?? []) if (m.type === 'update' && match(e)) return e;
      return null;
    }, { what: section });
  }

  count(type) {
    return this.messages.filter((m) => m.type === type).length;
  }
}

async function agentWith(names, options) {
  const a = new HandAgent(server, options);
  a.containers = names.map((name) => containerElement({ name }));
  await a.connect(await server.token());
  for (const name of names) await admin.container(name);
  return a;
}

const short = (element) => element.Id.slice(0, 12); // as containers are listed
const stats = (id, n, more = {}) => ({
  container_id: id, container_name: '/x', cpu_percent: n, memory_usage: 1000 + n, memory_limit: 4000, memory_percent: 25.5,
  network_rx: 1000 * n, network_tx: 0, disk_read: 7, disk_write: 8, timestamp: new Date().toISOString(), ...more,
});

test('a subscription gets its state, then changes, and nothing else', async () => {
  const a = await agentWith(['sub-one', 'sub-two']);
  const b = await agentWith(['sub-other']);
  const [one, two] = a.containers;
  const all = new Subscriber('viewer');
  const some = new Subscriber('operator');

  await all.subscribe('hosts', 'containers', 'events');
  await some.subscribe(`containers/${a.hostId}/${one.Id.slice(0, 12)}`, `hosts/${b.hostId}`);
  assert.equal(all.containers.get(`${a.hostId}/${short(one)}`).name, 'sub-one');
  assert.equal(all.containers.get(`${a.hostId}/${short(one)}`).env, null, 'a viewer never sees environment variables');
  assert.equal(all.hosts.get(b.hostId).status, 'online');
  assert.deepEqual([...some.containers.keys()], [`${a.hostId}/${short(one)}`]);
  assert.equal(some.containers.get(`${a.hostId}/${short(one)}`).env.SECRET, 'hunter2');
  assert.deepEqual([...some.hosts.keys()], [b.hostId]);

  a.containers = [{ ...one, State: 'paused' }];
  a.event('container_event', { container_id: two.Id, container_name: 'sub-two', image: 'i', action: 'destroy', timestamp: new Date().toISOString(), attributes: {} });
  await all.next('containers', (c) => c.id === short(one) && c.state === 'paused');
  await all.next('removed', (r) => r.host_id === a.hostId && r.id === short(two));
  await all.next('events', (e) => e.event_type === 'deleted' && e.container_name === 'sub-two');
  assert.ok(!all.containers.has(`${a.hostId}/${short(two)}`));
  await some.next('containers', (c) => c.id === short(one) && c.state === 'paused');
  await all.next('hosts', (h) => h.id === a.hostId && h.running_count === 0 && h.container_count === 1);
  a.containers = [{ ...one, State: 'running' }];
  await all.next('hosts', (h) => h.id === a.hostId && h.running_count === 1 && h.container_count === 1);

  await a.close();
  await b.close();
  await all.next('hosts', (h) => h.id === a.hostId && h.status === 'offline');
  await some.next('hosts', (h) => h.id === b.hostId && h.status === 'offline');
  assert.equal((await some.ask('unsubscribe', [`hosts/${b.hostId}`])).topics, 1);
  await admin.delete(`/api/hosts/${b.hostId}`);
  await admin.delete(`/api/hosts/${a.hostId}`);
  await eventually(() => !all.hosts.has(a.hostId) && !all.hosts.has(b.hostId), { what: 'both hosts to be removed' });
  await eventually(() => some.containers.size === 0, { what: 'the container is removed with its host' });
  for (const w of [all, some]) {
    assert.ok(w.messages.every((m) => ['subscribed', 'unsubscribed', 'state', 'update'].includes(m.type)), 'no messages of clients that do not subscribe');
    w.ws.close();
  }
  assert.ok(!some.messages.some((m) => m.events || (m.removed ?? []).some((r) => r.id === short(two))), 'nothing without a subscription');
});

test('invalid requests are refused as a whole with an error that names the mistake', async () => {
  const w = new Subscriber('viewer');
  await w.subscribe('hosts');

  for (const [topics, error, text] of [
    [['hosts', 'nonsense'], 'bad_topic', /"nonsense"/],
    [['stats'], 'bad_topic', /"stats"/],
    [['jobs/x'], 'bad_topic', /"jobs\/x"/],
    [['containers/h/xyz'], 'bad_topic', /containers\/h\/xyz/],
    [['containers/a b'], 'bad_topic', /a b/],
    [[7], 'bad_topic', /strings/],
    [[], 'bad_topic', /at least one/],
    ['hosts', 'bad_topic', /array/],
    [undefined, 'bad_topic', /array/],
    [['jobs'], 'permission_denied', /operator/],
    [Array.from({ length: 2001 }, (_, i) => `stats/h${i}`), 'too_many', /2000/],
  ]) {
    const e = await w.error({ type: 'subscribe', topics });
    assert.equal(e.error, error, JSON.stringify(e));
    assert.match(e.message, text);
  }
  assert.equal((await w.ask('subscribe', ['events'])).topics, 2);
  assert.equal((await w.ask('subscribe', ['events'])).topics, 2, 'a repeated subscription counts once');
  assert.equal((await w.ask('unsubscribe', ['events', 'containers'])).topics, 1);
  for (let i = 0; i < 60; i++) w.ws.send('{"type":"unsubscribe","topics":["events"]}');
  await eventually(() => w.messages.find((m) => m.error === 'rate_limit'), { what: 'a flood of subscriptions is limited' });
  w.ws.close();
});

// A text that is cut inside a character is no JSON, and once such an answer ended the server.
test('errors quote the words of a caller up to a whole character', async () => {
  const viewer = await server.client('viewer');
  const a = await agentWith([]);
  const words = (max) => ['é', '€', '😀'].flatMap((c) => [0, 1, 2, 3].map((pad) => 'x'.repeat(max - 8 + pad) + c.repeat(60)));
  const w = new Subscriber('viewer', '');
  for (const word of words(100))
    for (const type of ['subscribe', 'unsubscribe']) {
      const e = await w.error({ type, topics: [word] });
      assert.equal(e.error, 'bad_topic');
      assert.match(e.message, /^no such topic: "x+[é€😀]+";/u);
    }
  w.ws.close();

  const answers = async (method, path, body) => {
    const r = await admin.fetch(method, path, body ? { body: JSON.stringify(body) } : {});
    const answer = await r.json();
    assert.ok(r.status >= 400 && r.status < 500, `${method} ${path}: ${r.status}`);
    assert.doesNotMatch(JSON.stringify(answer), /[\ufffd]|x\?|[é€😀]\?/u, path);
  };
  for (const max of [40, 64, 80, 100, 200, 255, 400, 504, 1000]) {
    for (const word of words(max)) {
      const q = encodeURIComponent(word);
      await answers('GET', `/api/hosts/${q}/agent`);
      await answers('GET', `/api/hosts/${q}/containers/${q}/logs`);
      await answers('GET', `/api/hosts/${a.hostId}/stats/history?metrics=${q}`);
      await answers('GET', `/api/hosts/${a.hostId}/stats/live?since=${q}`);
      await answers('DELETE', `/api/v2/users/${q}`);
      await answers('PUT', '/api/admin/log-level', { level: word });
      await answers('GET', `/api/events?since=${q}`);
      await answers('POST', '/api/v2/api-keys', { name: 'k', role: word });
      await answers('POST', '/api/v2/api-keys', { name: 'k', role: 'viewer', scope: [word] });
      await answers('POST', '/api/v2/api-keys', { name: 'k', role: 'viewer', scope: [`label=${word}=`] });
      await answers('POST', '/api/v2/api-keys', { name: 'k', role: 'viewer', allowed_ips: word });
    }
  }
  assert.equal((await viewer.get('/api/hosts')).length > 0, true);
  a.ws.terminate();
});

test('samples of both channels reach the live model and its subscribers', async () => {
  const a = await agentWith(['stat-one', 'stat-two']);
  const [one, two] = a.containers;
  const w = new Subscriber('viewer');
  await w.subscribe(`stats/${a.hostId}/${one.Id}`, 'host_stats');

  a.event('container_stats', stats(one.Id, 1));
  a.event('container_stats', stats(two.Id, 2));
  const s = await w.next('stats', (e) => e.id === short(one));
  assert.deepEqual(
    [s.cpu_percent, s.memory_usage, s.memory_limit, s.memory_percent, s.network_rx, s.disk_read, s.disk_write, s.net_bytes_per_sec],
    [1, 1001, 4000, 25.5, 1000, 7, 8, null],
  );
  a.send({ type: 'stats', stats: { cpu_percent: 12.5, mem_percent: 50, net_bytes_per_sec: 77 } });
  const h = await w.next('host_stats', (e) => e.host_id === a.hostId);
  assert.deepEqual([h.cpu_percent, h.memory_percent, h.net_bytes_per_sec], [12.5, 50, 77]);
  a.event('container_stats', stats(one.Id, 50));
  await w.next('stats', (e) => e.id === short(one) && e.net_bytes_per_sec > 0);
  assert.equal((await admin.container('stat-two')).cpu_percent, 2);
  assert.ok(!w.messages.some((m) => (m.stats ?? []).some((e) => e.id === short(two))), 'the other one was not subscribed to');

  // The second channel: samples have no host id, they belong to the token's host.
  const open = (headers, query = '') => new WebSocket(`${server.url.replace('http', 'ws')}/api/stats/ws/ingest${query}`, { headers });
  for (const headers of [{}, { authorization: 'Bearer nonsense' }, { authorization: `Bearer ${keys.operator}` }]) {
    const refused = open(headers);
    refused.on('error', () => {});
    const status = await new Promise((r) => refused.on('unexpected-response', (_, response) => r(response.statusCode)));
    assert.equal(status, 401);
  }
  const channel = open({ authorization: `Bearer ${a.permanentToken}` });
  const closed = closing(channel);
  await opening(channel);
  channel.send(JSON.stringify(stats(one.Id.slice(0, 12), 60)));
  await w.next('stats', (e) => e.id === short(one) && e.cpu_percent === 60);
  for (const bad of [stats('', 61), { cpu_percent: 1 }, stats(one.Id, '62'), stats(one.Id, 63, { memory_usage: -1 }), [1]]) channel.send(JSON.stringify(bad));
  channel.send(JSON.stringify(stats(one.Id, 64)));
  await w.next('stats', (e) => e.id === short(one) && e.cpu_percent === 64);
  const second = open({}, `?token=${a.permanentToken}`);
  await opening(second);
  assert.equal((await closed).code, 1000, 'a newer channel takes over');
  second.send(JSON.stringify(stats(two.Id, 65)));
  await eventually(async () => (await admin.container('stat-two')).cpu_percent === 65);
  second.send('nonsense');
  assert.equal((await closing(second)).code, 1008);
  const large = open({ authorization: `Bearer ${a.permanentToken}` });
  await opening(large);
  large.send(JSON.stringify(stats(one.Id, 1, { container_name: 'x'.repeat(17000) })));
  assert.equal((await closing(large)).code, 1009);
  w.ws.close();
  await a.close();
});

test('clients that do not subscribe get container_stats of the listed containers', async () => {
  const a = await agentWith(['modal-one', 'modal-two']);
  const [one, two] = a.containers;
  const w = new Subscriber('viewer', '');
  await eventually(() => w.count('containers_update') > 0);
  w.ws.send(JSON.stringify({ type: 'subscribe_stats', container_id: one.Id.slice(0, 12) }));
  w.ws.send(JSON.stringify({ type: 'modal_opened', container_id: two.Id.slice(0, 12), host_id: a.hostId }));
  w.ws.send('{"type":"ping"}');
  await eventually(() => w.count('pong'));
  a.event('container_stats', stats(one.Id, 1));
  a.event('container_stats', stats(two.Id, 2));
  const of = (c, cpu) => w.messages.find((m) => m.type === 'container_stats' && m.container_id === c.Id.slice(0, 12) && m.stats.cpu_percent === cpu);
  await eventually(() => of(one, 1) && of(two, 2), { what: 'both samples' });
  assert.equal(of(one, 1).host_id, a.hostId);
  const { timestamp, net_bytes_per_sec: rate, ...values } = of(one, 1).stats;
  assert.deepEqual(values, { cpu_percent: 1, memory_usage: 1001, memory_limit: 4000, memory_percent: 25.5, network_rx: 1000, network_tx: 0, disk_read: 7, disk_write: 8, pids: null });
  assert.ok(rate === null && timestamp, 'the first sample has no rate');
  await eventually(() => w.messages.some((m) => m.type === 'containers_update' && m.data.containers.some((c) => c.id === short(one) && c.cpu_percent === 1)), { what: 'the full list has the samples, too' });

  w.ws.send('{"type":"modal_closed"}');
  w.ws.send('{"type":"ping"}');
  await eventually(() => w.count('pong') === 2);
  a.event('container_stats', stats(two.Id, 3));
  a.event('container_stats', stats(one.Id, 4));
  await eventually(() => of(one, 4));
  assert.ok(!of(two, 3), 'the container is not watched any more');
  w.ws.close();
  await a.close();
});

test('progress and errors of agents reach subscribers and the event log', async () => {
  const a = await agentWith(['upd-one']);
  const [one] = a.containers;
  const w = new Subscriber('viewer');
  const old = new Subscriber('viewer', '');
  await w.subscribe(`progress/${a.hostId}`, 'events');
  await eventually(() => old.count('containers_update') > 0);

  a.event('update_progress', { container_id: one.Id.slice(0, 12), stage: 'pulling', message: 'Pulling image' });
  const step = await w.next('progress', (p) => p.stage === 'pulling');
  assert.deepEqual(
    { type: step.type, host_id: step.host_id, container_id: step.container_id, message: step.message, error: step.error },
    { type: 'container_update_progress', host_id: a.hostId, container_id: one.Id.slice(0, 12), message: 'Pulling image', error: null },
  );
  const received = await eventually(() => old.messages.find((m) => m.type === 'container_update_progress'));
  assert.equal(received.data.stage, 'pulling');
  a.send({ type: 'progress', container_id: one.Id.slice(0, 12), stage: 'creating', percent: 40, message: 'm', download_speed: '1 MB/s' });
  assert.equal((await w.next('progress', (p) => p.stage === 'creating')).progress, 40);
  a.event('update_progress', { container_id: one.Id.slice(0, 12), stage: 'failed', message: 'no space left' });
  a.event('selfupdate_progress', { stage: 'download', message: 'Error occurred', error: 'HTTP 404' });
  a.send({ type: 'error', error: 'stats\u001b[31m stream broke', details: 'd', container_id: one.Id.slice(0, 12) });
  await eventually(() => old.messages.find((m) => m.type === 'agent_update_progress' && m.data.error === 'HTTP 404'));

  const failed = await w.next('events', (e) => e.event_type === 'update_failed');
  assert.deepEqual([failed.severity, failed.category, failed.container_name, failed.message], ['error', 'container', 'upd-one', 'no space left']);
  const self = await w.next('events', (e) => e.event_type === 'agent_update_failed');
  assert.deepEqual([self.severity, self.category, self.host_id, self.message], ['error', 'agent', a.hostId, 'HTTP 404']);
  const error = await w.next('events', (e) => e.event_type === 'agent_error');
  assert.deepEqual([error.container_name, error.details.details], ['upd-one', 'd']);
  assert.ok(!error.title.includes('\u001b'), 'a title is shown on terminals');
  const stored = await admin.get(`/api/events?host_id=${a.hostId}`);
  for (const type of ['update_failed', 'agent_update_failed', 'agent_error']) {
    assert.equal(stored.events.filter((e) => e.event_type === type).length, 1, type);
  }
  assert.ok(!stored.events.some((e) => e.details?.stage === 'pulling'), 'steps are not stored');
  w.ws.close();
  old.ws.close();
  await a.close();
});

test('an agent that floods is limited in the store and in the feed, and others are not affected', async () => {
  const loud = await agentWith(['flood-loud']);
  const quiet = await agentWith(['flood-quiet']);
  const w = new Subscriber('viewer');
  await w.subscribe('events', 'progress');

  for (let i = 0; i < 3000; i++) {
    loud.send({ type: 'error', error: `e${i}` });
    loud.send({ type: 'progress', container_id: loud.containers[0].Id, stage: `s${i}`, message: 'm' });
  }
  quiet.send({ type: 'error', error: 'heard' });
  await w.next('events', (e) => e.event_type === 'agent_error' && e.host_id === quiet.hostId);
  const done = containerElement({ name: 'flood-done' });
  loud.containers = [done];
  await admin.container('flood-done'); // messages are in order: the flood is over
  const { events } = await admin.get(`/api/events?host_id=${loud.hostId}&limit=1000`);
  assert.ok(events.filter((e) => e.event_type === 'agent_error').length < 100, 'rows are limited');
  const steps = w.messages.flatMap((m) => m.progress ?? []).filter((p) => p.host_id === loud.hostId);
  assert.ok(steps.length < 500, `${steps.length} of 3000 steps`);
  w.ws.close();
  await loud.close();
  await quiet.close();
});

test('many changes are combined into few messages', async () => {
  const a = await agentWith(['coal-0']);
  const w = new Subscriber('viewer');
  await w.subscribe('events');
  const before = w.messages.length;
  for (let i = 0; i < 2000; i++) {
    a.event('container_event', { container_id: a.containers[0].Id, container_name: `coal-${i}`, image: 'i', action: 'start', timestamp: new Date().toISOString(), attributes: {} });
  }
  const seen = () => w.messages.flatMap((m) => m.events ?? []).filter((e) => e.host_id === a.hostId && e.event_type === 'started').length;
  const lost = () => w.messages.reduce((n, m) => n + (m.lost ?? 0), 0);
  const began = Date.now();
  await eventually(() => seen() + lost() >= 2000, { what: 'all events' });
  const ticks = (Date.now() - began) / 100;
  const messages = w.messages.length - before;
  assert.ok(messages <= ticks + 5, `${messages} messages in ${ticks} ticks`);
  w.ws.close();
  await a.close();
});

test('a reader that is too slow gets a new complete state and delays no other', async () => {
  const a = await agentWith([]);
  a.containers = Array.from({ length: 3000 }, (_, i) => ({ ...containerElement({ name: `slow-${i}` }), Labels: { padding: 'x'.repeat(1000) } }));
  // A round is some 3,000 changed containers through server and clients: seconds on a loaded machine.
  const soon = (probe, what) => eventually(probe, { what, timeout: 60000, interval: 200 });
  await admin.container('slow-2999', { timeout: 60000 });
  const slow = new Subscriber('operator');
  const fast = new Subscriber('viewer');
  await slow.subscribe(`containers/${a.hostId}`);
  await fast.subscribe(`containers/${a.hostId}`);
  assert.equal(slow.containers.size, 3000);
  assert.ok(slow.messages.filter((m) => m.type === 'state').length > 3, 'a large state comes in parts');

  // The labels make each round long, so that two are enough: a client that reads nothing for 40 s is closed.
  slow.ws._socket.pause();
  for (let round = 0; round < 2; round++) {
    a.containers = a.containers.map((c, i) => ({ ...c, Names: [`/round${round}-${i}`] }));
    await soon(() => [...fast.containers.values()].filter((c) => c.name.startsWith(`round${round}-`)).length === 3000, `round ${round}`);
  }
  a.containers = a.containers.slice(0, 2999);
  await soon(() => fast.containers.size === 2999, 'the removal of one');
  const before = slow.messages.length;
  slow.ws._socket.resume();
  await soon(() => slow.messages.slice(before).some((m) => m.type === 'state' && m.complete && m.last), 'a new state');
  await soon(() => slow.containers.size === 2999 && [...slow.containers.values()].every((c) => c.name.startsWith('round1-')), 'the current containers');
  assert.ok(!fast.messages.some((m) => m.reason === 'behind'), 'a client that reads loses nothing');
  slow.ws.close();
  fast.ws.close();
  await a.close();
});

test('a limited scope: only its objects are sent; they appear and disappear with the scope', async () => {
  const a = await agentWith(['scope-mine', 'scope-theirs', 'scope-moves']);
  const other = await agentWith(['scope-elsewhere']);
  const [mine, theirs, moves] = a.containers;
  mine.Labels = { team: 'blue' };
  a.containers = [...a.containers];
  await eventually(async () => (await admin.container('scope-mine')).labels.team === 'blue');
  const { id: keyId, key } = await admin.post('/api/v2/api-keys', { name: `scoped-${Date.now()}`, role: 'operator', scope: ['label=team=blue'] });
  const w = new Subscriber(key);
  const old = new Subscriber(key, '');
  const topics = ['hosts', 'containers', 'events', 'progress', 'jobs', 'host_stats', `stats/${a.hostId}`, `containers/${other.hostId}`];
  await w.subscribe(...topics);
  await eventually(() => old.count('containers_update') > 0);
  assert.deepEqual([...w.containers.keys()], [`${a.hostId}/${short(mine)}`]);
  assert.equal(w.hosts.get(a.hostId).container_count, 1);

  // A later sample of the host, which tells about all containers, is for those who may see all of it.
  const whole = new Subscriber('viewer');
  await whole.subscribe('host_stats');
  a.send({ type: 'stats', stats: { cpu_percent: 33, mem_percent: 50, net_bytes_per_sec: 77 } });
  await whole.next('host_stats', (e) => e.host_id === a.hostId && e.cpu_percent === 33);
  whole.ws.close();

  for (const c of [mine, theirs]) {
    a.event('container_event', { container_id: c.Id, container_name: c.Names[0].slice(1), image: 'i', action: 'pause', timestamp: new Date().toISOString(), attributes: {} });
    a.event('container_stats', stats(c.Id, 1));
    a.event('update_progress', { container_id: c.Id, stage: 'pulling', message: 'm' });
  }
  await w.next('events', (e) => e.container_id === mine.Id.slice(0, 12));
  await w.next('stats', (e) => e.id === short(mine));
  await w.next('progress', (e) => e.container_id === mine.Id);
  a.containers = [mine, { ...theirs, State: 'paused' }, { ...moves, Labels: { team: 'blue' } }];
  await w.next('containers', (c) => c.id === short(moves));
  await eventually(() => old.messages.some((m) => m.type === 'containers_update' && m.data.containers.some((c) => c.id === short(moves))));
  a.containers = [mine, moves];
  await w.next('removed', (r) => r.id === short(moves));
  assert.deepEqual([...w.containers.keys()], [`${a.hostId}/${short(mine)}`]);
  await eventually(() => old.messages.findLast((m) => m.type === 'containers_update').data.containers.every((c) => c.id !== short(moves)));
  assert.ok(!w.messages.some((m) => m.host_stats?.length), 'no samples of the host');
  for (const text of [theirs.Id.slice(0, 12), 'scope-theirs', 'scope-elsewhere']) {
    for (const c of [w, old]) assert.ok(!JSON.stringify(c.messages).includes(text), text);
  }

  // The sockets are closed when the rights end.
  await admin.delete(`/api/v2/api-keys/${keyId}`);
  for (const c of [w, old]) assert.equal((await c.closed).code, 1008);
  await a.close();
  await other.close();
});

test('bulk jobs: operators get each item when it changes', async () => {
  const a = await agentWith(['job-one', 'job-two']);
  a.operations.pause = () => ({ status: 'paused' });
  const w = new Subscriber('operator');
  await w.subscribe('jobs');
  const operator = await server.client('operator');
  const job = await operator.post('/api/bulk', { action: 'pause', containers: a.containers.map((c) => ({ host_id: a.hostId, container_id: c.Id })) }, { status: 202 });
  const done = await w.next('jobs', (j) => j.type === 'batch_job_update' && j.status === 'completed');
  assert.equal(done.id, job.id);
  for (const c of a.containers) await w.next('jobs', (j) => j.type === 'batch_item_update' && j.container_id === c.Id && j.status === 'success');
  w.ws.close();
  await a.close();
});

test('an agent is notified of watched containers, again after a reconnect, and when watching ends', async () => {
  const capabilities = { container_operations: true, samples: true };
  const a = await agentWith(['rate-one', 'rate-two'], { fields: { capabilities } });
  const [one] = a.containers;
  const notified = (agent, match) => eventually(() => agent.commands.find((m) => m.type === 'stats_rate' && match(m.payload)), { what: 'stats_rate' });
  const w = new Subscriber('viewer');
  await w.subscribe(`stats/${a.hostId}/${one.Id.slice(0, 12)}`);
  const rate = await notified(a, () => true);
  assert.equal(rate.payload.interval_ms, 1000);
  assert.deepEqual(rate.payload.containers, [one.Id]);
  assert.ok(!rate.payload.all && !rate.payload.host);
  await w.subscribe(`stats/${a.hostId}`, 'host_stats');
  await notified(a, (p) => p.all && p.host);
  const before = a.commands.length;
  await w.ask('unsubscribe', [`stats/${a.hostId}`, 'host_stats']);
  await eventually(() => a.commands.slice(before).find((m) => m.type === 'stats_rate' && !m.payload.all && !m.payload.host && m.payload.containers.includes(one.Id)), { what: 'fewer samples are watched' });
  await w.subscribe(`stats/${a.hostId}`, 'host_stats');

  await a.close();
  const again = new HandAgent(server, { engineId: a.engineId, fields: { capabilities } });
  again.containers = a.containers;
  await again.connect(a.permanentToken);
  await notified(again, (p) => p.all && p.host);
  w.ws.close();
  await notified(again, (p) => !p.all && !p.host && !p.containers?.length);
  await again.close();
});

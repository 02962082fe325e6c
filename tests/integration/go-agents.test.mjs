// The differences of DockMon's own agents from ours, each of them with an agent written by hand.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement, containerId } from './lib/hand-agent.mjs';
import { eventually, opening, sleep, within } from './lib/wait.mjs';

const later = cleanups();
let server, client;

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('operator');
});

async function join(era, element) {
  const agent = new HandAgent(server, { era });

  agent.containers = [element];
  assert.equal((await agent.connect(await server.token())).type, 'auth_success');
  later(() => agent.close());
  await eventually(async () => (await client.get('/api/containers')).some((c) => c.host_id === agent.hostId), { what: 'the list' });
  return agent;
}

const host = async (agent) => (await client.get('/api/hosts')).find((h) => h.id === agent.hostId);
const container = async (agent) => (await client.get('/api/containers')).find((c) => c.host_id === agent.hostId);

// Samples as DockMon's agents send them, until stop() is called.
function sampling(agent, element) {
  const tick = setInterval(() => {
    agent.event('container_stats', { container_id: element.Id, container_name: element.Names[0], cpu_percent: 1, memory_usage: 250, memory_limit: 1000, memory_percent: 25, network_rx: 0, network_tx: 0, disk_read: 0, disk_write: 0 });
  }, 500);

  return { stop: () => clearInterval(tick) };
}

// The times of the requests for the list, which grow while the agent is asked.
function timesOfLists(agent) {
  const times = [];
  const onNamedCommand = agent.onNamedCommand.bind(agent);

  agent.onNamedCommand = (m) => {
    times.push(performance.now());
    onNamedCommand(m);
  };
  return times;
}

// The tests below wait for long intervals. They start together, each with a server of its own.
async function alone(run) {
  const own = await Server.start();

  later(() => own.remove());
  return run(own, await own.client('operator'));
}

const seldom = alone(async (own, user) => {
  const element = containerElement({ name: 'seldom' });
  const agent = new HandAgent(own);
  const lists = timesOfLists(agent);

  agent.containers = [element];
  assert.equal((await agent.connect(await own.token())).type, 'auth_success');
  const samples = sampling(agent, element);

  later(() => samples.stop());
  later(() => agent.close());
  // Idle: the last two requests are far apart, and the last one has just been answered.
  const idle = () => eventually(() => lists.length > 3 && lists.at(-1) - lists.at(-2) > 7000 && performance.now() - lists.at(-1) < 2000, { timeout: 60000, what: 'lists are read seldom' });
  const soon = async (n, what) => {
    const from = lists.length;
    const at = performance.now();

    await eventually(() => lists.length >= from + n, { what });
    return performance.now() - at;
  };

  await idle();
  await user.get('/api/containers');
  assert.ok((await soon(1, 'a request reads the list')) < 5000);
  await idle();
  const ws = new WebSocket(`${own.url.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${user.key}` } });

  await opening(ws);
  assert.ok((await soon(1, 'a client of the feed reads the list')) < 6000);
  ws.close();
});

// An agent whose samples come only on the second connection. The percentage of the memory is one, also below 1.
const channelled = alone(async (own, user) => {
  const element = containerElement({ name: 'channelled' });
  const agent = new HandAgent(own);
  const lists = timesOfLists(agent);

  agent.containers = [element];
  assert.equal((await agent.connect(await own.token())).type, 'auth_success');
  const channel = new WebSocket(`${own.url.replace('http', 'ws')}/api/stats/ws/ingest`, { headers: { authorization: `Bearer ${agent.permanentToken}` } });

  await opening(channel);
  let n = 0;
  let isDoubled = false;
  const tick = setInterval(() => {
    const sample = { container_id: element.Id, container_name: '/channelled', cpu_percent: 12.5, memory_usage: 5e6, memory_limit: 1e9, memory_percent: 0.5, network_rx: (n += 1000), network_tx: 0, disk_read: 0, disk_write: 0, timestamp: '2026-01-01T00:00:00Z' };

    channel.send(JSON.stringify(sample));
    if (isDoubled) agent.event('container_stats', sample);
  }, 500);

  later(() => clearInterval(tick));
  later(() => agent.close());
  const sample = await eventually(async () => (await user.get('/api/containers')).find((c) => c.memory_percent > 0), { what: 'a sample of the channel' });
  assert.deepEqual([sample.memory_percent, sample.cpu_percent, sample.memory_usage], [0.5, 12.5, 5e6]);
  await eventually(() => lists.length > 3 && lists.at(-1) - lists.at(-2) > 7000, { timeout: 60000, what: 'lists are read seldom' });

  // From its second start on, such an agent sends each sample on both connections.
  isDoubled = true;
  await sleep(1200);
  for (let i = 0; i < 20; i++) {
    assert.ok((await user.get('/api/containers'))[0].net_bytes_per_sec > 0, 'a copy on the other connection is no news');
    await sleep(50);
  }
});

const missing = alone(async (own) => {
  const element = containerElement({ name: 'quiet' });
  const results = [];

  for (const era of ['head', 'seed']) {
    const agent = new HandAgent(own, { era });
    const lists = timesOfLists(agent);

    agent.containers = [{ ...element, Id: containerId() }];
    assert.equal((await agent.connect(await own.token())).type, 'auth_success');
    later(() => agent.close());
    await eventually(() => lists.length > 1, { what: 'the list is in the model' });
    const samples = sampling(agent, agent.containers[0]);

    await sleep(1200);
    samples.stop();
    results.push({ agent, lists, server: own });
  }
  return results;
});

// The host of an agent that measures none: 4 CPUs, 8 GB.
const summed = alone(async (own, user) => {
  const containers = ['one', 'two'].map((name) => containerElement({ name }));
  const agent = new HandAgent(own, { era: 'seed' });
  let rx = 0;
  let measures = false;

  agent.containers = containers;
  assert.equal((await agent.connect(await own.token())).type, 'auth_success');
  const tick = setInterval(() => {
    rx += 1e5;
    if (measures) agent.send({ type: 'stats', stats: { cpu_percent: 2, mem_percent: 3, net_bytes_per_sec: 5000 } });
    for (const c of containers)
      agent.event('container_stats', { container_id: c.Id, container_name: c.Names[0], cpu_percent: 100, memory_usage: 1e9, memory_limit: 8321155072, memory_percent: 12, network_rx: rx, network_tx: 0, disk_read: 0, disk_write: 0 });
  }, 500);

  later(() => clearInterval(tick));
  later(() => agent.close());
  const metrics = () => user.get(`/api/hosts/${agent.hostId}/metrics`);
  const history = () => user.get(`/api/hosts/${agent.hostId}/stats/history?range=1h`);
  const found = async () => (await user.get('/api/hosts')).find((h) => h.id === agent.hostId);
  const near = (value, to) => value > to * 0.99 && value < to * 1.01;

  await eventually(async () => (await found()).metrics_source === 'containers', { timeout: 60000, what: 'the sum of the containers' });
  const sum = await eventually(async () => { const m = await metrics(); return near(m.cpu_percent, 50) && m; }, { timeout: 60000, what: 'both containers are in the sum' });
  assert.equal(sum.source, 'containers');
  assert.ok(near(sum.memory_used_bytes, 2e9) && near(sum.memory_percent, 2e11 / 8321155072), JSON.stringify(sum));

  const ws = new WebSocket(`${own.url.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${user.key}` } });
  const seen = [];

  ws.on('message', (data) => {
    const m = JSON.parse(data);

    if (m.type === 'containers_update' && m.data.host_metrics[agent.hostId]) seen.push(m.data.host_metrics[agent.hostId]);
  });
  await opening(ws);
  const isSum = (m) => m.source === 'containers' && m.net_bytes_per_sec > 0 && near(m.mem_bytes, 2e9) && near(m.cpu_percent, 50);
  await eventually(() => seen.some(isSum), { timeout: 30000, what: 'the plain feed has the sum' });
  await eventually(async () => { const a = await history(); return a.cpu.some((v) => near(v, 50)) && a.net_bps.some((v) => v > 0); }, { timeout: 60000, what: 'the sum is recorded' });

  // Measured samples take the place of the sums. They keep it for 5 s each, so that one alone may be gone before a slow machine asks.
  measures = true;
  await eventually(async () => {
    const m = await metrics();

    return m.source === 'agent' && m.cpu_percent === 2 && (await found()).metrics_source === 'agent';
  }, { what: 'the measured samples' });
  ws.close();
});

for (const running of [seldom, channelled, missing, summed]) running.catch(() => {}); // reported by the tests at the end of the file

test('samples that come twice, a host rate, and a memory percentage of 0', async () => {
  const element = containerElement({ name: 'twice' });
  const agent = await join('head', element);
  let rx = 0;
  const tick = setInterval(() => {
    const sample = { container_id: element.Id, container_name: '/twice', cpu_percent: 1.5, memory_usage: 250, memory_limit: 1000, memory_percent: 0, network_rx: (rx += 1e6), network_tx: 0, disk_read: 0, disk_write: 0 };

    agent.event('container_stats', sample);
    agent.event('container_stats', sample);
    agent.send({ type: 'stats', stats: { cpu_percent: 2, mem_percent: 3, net_bytes_per_sec: 5000 } });
  }, 1000);

  try {
    await eventually(async () => (await container(agent)).net_bytes_per_sec > 0);
    for (let i = 0; i < 20; i++) {
      assert.ok((await container(agent)).net_bytes_per_sec > 0, 'a copy is no news');
      await sleep(50);
    }
    assert.equal((await container(agent)).memory_percent, 25);
    const history = () => client.get(`/api/hosts/${agent.hostId}/stats/history?range=1h`);
    await eventually(async () => (await history()).net_bps.some((v) => v > 0), { timeout: 60000, what: 'the rate of the host is recorded' });
    const live = await client.get(`/api/hosts/${agent.hostId}/stats/live`);
    assert.ok(live.net.some((v) => v === 5000), JSON.stringify(live));
  } finally {
    clearInterval(tick);
  }
});

test('a failed list is the error of the host; an agent of today is asked to connect again', async () => {
  for (const era of ['head', 'seed']) {
    const agent = await join(era, containerElement({ name: `down-${era}` }));
    const list = agent.onNamedCommand.bind(agent);
    agent.onNamedCommand = (m) => agent.send({ type: 'response', id: m.id, error: 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock' });
    await eventually(async () => /Cannot connect to the Docker daemon/.test((await host(agent)).error), { what: 'the error' });
    assert.equal((await host(agent)).status, 'online');
    agent.onNamedCommand = list;
    if (era === 'head') {
      assert.equal((await agent.closed).code, 1013);
    } else {
      await eventually(async () => /^the engine was restarted: this agent/.test((await host(agent)).error), { what: 'the host says what to do' });
      assert.equal(agent.ws.readyState, 1, 'an agent that would never come back is not closed');
    }
  }
});

test('states, volumes and errors of DockMon agents', async () => {
  const agent = await join('head', containerElement({ name: 'going', state: 'removing' }));

  assert.equal((await container(agent)).state, 'removing');
  assert.equal((await container(agent)).restart_policy, null);
  agent.send({ type: 'error', error: 'it broke', details: { layer: 3 } });
  const event = await eventually(async () => (await client.get(`/api/events?host_id=${agent.hostId}&limit=50`)).events.find((e) => e.event_type === 'agent_error'));
  assert.match(JSON.stringify(event), /layer/);
  agent.operations.inspect = () => ({ container: { Id: agent.containers[0].Id, Name: '/going', Config: { Labels: {} } } });
  agent.operations.remove = () => { agent.containers = []; return { removed: true }; };
  const r = await client.delete(`/api/hosts/${agent.hostId}/containers/going?removeVolumes=true`);
  assert.equal(r.success, true);
  assert.equal(r.volumes_removed, false);
});

test('an agent of the seed era, which sends no address, has the address that it connects from', async () => {
  const element = containerElement({ name: 'address' });

  assert.deepEqual((await host(await join('seed', element))).host_ips, ['127.0.0.1']);
  const head = await host(await join('head', { ...element, Id: containerId() }));

  assert.deepEqual(head.host_ips, ['192.0.2.7', '198.51.100.3']);
  assert.equal(head.host_ip, '192.0.2.7');
});

test('events have the time of their envelope within the second that the agent sends', async () => {
  const agent = await join('head', containerElement({ name: 'timed' }));
  const second = new Date().toISOString().slice(0, 19);

  agent.send({ type: 'event', command: 'container_event', payload: { container_id: agent.containers[0].Id, container_name: 'timed', image: 'nginx', action: 'pause', timestamp: `${second}Z`, attributes: {} }, timestamp: `${second}.905750303Z` });
  const event = await eventually(async () => (await client.get(`/api/events?host_id=${agent.hostId}&limit=50`)).events.find((e) => e.event_type === 'paused'));
  assert.equal(new Date(event.timestamp).getTime(), new Date(`${second}.905Z`).getTime());
});

test('running containers without samples: an agent of today is closed, one of the seed era is kept', async () => {
  const [head, seed] = await missing;

  assert.equal((await within(head.agent.closed, 'the end of the connection', 60000)).code, 1013);
  await eventually(() => seed.lists.at(-1) - seed.lists.at(-2) < 1500, { timeout: 60000, what: 'the list of the other one is read often' });
  assert.equal(seed.agent.ws.readyState, 1);
  const said = seed.server.process.lines.filter((l) => l.includes('this agent sends no events and no samples until it is restarted, too'));
  assert.equal(said.length, 1, 'the log says once why');
  const key = await seed.server.client('viewer');
  assert.match((await key.get('/api/hosts')).find((h) => h.id === seed.agent.hostId).error, /until it is restarted, too/);
  assert.ok(said[0].includes(seed.agent.agentId), said[0]);
});

test('lists of DockMon agents are read seldom while nobody needs them', () => seldom);

test('the metrics of a host whose agent measures none are sums of its containers, and marked', () => summed);

test('samples that come only on the statistics channel show that the agent works', () => channelled);

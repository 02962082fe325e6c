// The differences of DockMon's own agents from ours, each of them with an agent written by hand.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { eventually, sleep } from './lib/wait.mjs';

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
      await eventually(async () => (await host(agent)).error === null, { what: 'the engine is back' });
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

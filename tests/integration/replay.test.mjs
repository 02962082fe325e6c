// The recorded conversations of DockMon's own agents, sent again to our server: the model, the events, the statistics,
// the feed and the answers to clients afterwards.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { ReplayAgent } from './lib/replay.mjs';
import { eventually, opening } from './lib/wait.mjs';

const later = cleanups();
const HEAD = 'go-agent-head_python-server-head.jsonl';
const SEED = 'go-agent-seed_dockmond.jsonl';
let server, client;

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('operator');
});

// A client of the feed that keeps what it gets.
async function watch() {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${client.key}` } });
  const messages = [];

  ws.on('message', (data) => messages.push(JSON.parse(data)));
  await opening(ws);
  later(() => ws.close());
  return messages;
}

async function played(file, era) {
  const agent = new ReplayAgent(server, file, era);
  const reply = await agent.connect(await server.token());

  later(() => agent.close());
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  await eventually(() => agent.commands.some((m) => m.command === 'list_containers'), { what: 'the server asks for the list' });
  const first = agent.lists[0].filter((c) => c.State === 'running').length;
  await eventually(async () => (await containersOf(agent)).length === agent.lists[0].length, { what: `the first list, ${first} of it running` });
  agent.play();
  return agent;
}

const containersOf = async (agent) => (await client.get('/api/containers')).filter((c) => c.host_id === agent.hostId);
const short = (ids) => ids.map((id) => id.slice(0, 12)).sort();

async function checkModel(agent) {
  const last = agent.lists.at(-1);
  const rows = await eventually(
    async () => {
      const all = await containersOf(agent);
      return JSON.stringify(short(all.map((c) => c.id))) === JSON.stringify(short(last.map((c) => c.Id))) && all;
    },
    { what: 'the model shows the last list' },
  );
  for (const element of last) {
    const c = rows.find((r) => element.Id.startsWith(r.id.slice(0, 12)));

    assert.equal(c.name, element.Names[0].slice(1));
    assert.equal(c.image, element.Image);
    assert.equal(c.state, element.State);
  }
  return rows;
}

// Each recorded event of a container that DockMon keeps is one row of the log.
async function checkEvents(agent) {
  const kept = { create: 'created', start: 'started', restart: 'restarted', kill: 'signalled', rename: 'renamed', destroy: 'deleted' };
  const sent = agent.rows.filter((r) => r.message.command === 'container_event').map((r) => r.message.payload);

  for (const [action, type] of Object.entries(kept)) {
    const wanted = sent.filter((p) => p.action === action).length;
    const list = () => client.get(`/api/events?host_id=${agent.hostId}&event_type=${type}&limit=500`);

    await eventually(async () => (await list()).events.filter((e) => e.event_type === type).length === wanted, { what: `${wanted} events ${type}` });
  }
  const died = sent.filter((p) => p.action === 'die').length;
  const ends = (await client.get(`/api/events?host_id=${agent.hostId}&limit=500`)).events.filter((e) => ['died', 'stopped'].includes(e.event_type));
  assert.equal(ends.length, died);
}

async function checkHistory(agent, name) {
  const path = `/api/hosts/${agent.hostId}/containers/${name}/stats/history?range=1h`;

  await eventually(async () => (await client.get(path)).cpu.some((v) => v !== null), { what: `the history of ${name}`, timeout: 40000 });
}

const checkLog = () =>
  assert.deepEqual(server.process.lines.filter((l) => /\b(warn(ing)?|error)\b msg=/.test(l)), [], 'the log has no warning');

test("today's agent", async () => {
  const messages = await watch();
  const agent = await played(HEAD, 'head');
  const host = (await client.get('/api/hosts')).find((h) => h.id === agent.hostId);

  assert.equal(host.name, agent.register.hostname);
  assert.equal(host.status, 'online');
  assert.equal(host.docker_version, agent.register.docker_version);
  const rows = await checkModel(agent);
  await checkEvents(agent);
  const updates = await client.get(`/api/events?host_id=${agent.hostId}&event_type=update_completed`);
  assert.equal(updates.events.length, agent.rows.filter((r) => r.message.command === 'update_complete').length);
  const { updates: records } = await client.get(`/api/updates/history?host_id=${agent.hostId}`);
  assert.deepEqual(records.map((u) => [u.container_name, u.new_image, u.state, u.dependents.map((d) => d.name).join()]).sort(),
    [['web', '127.0.0.1:5000/lab/web:1.26', 'done', 'dep'], ['web', '127.0.0.1:5000/lab/web:1.27', 'done', '']]);
  await checkHistory(agent, rows.find((c) => c.state === 'running').name);
  await eventually(() => messages.some((m) => m.type === 'containers_update' && m.data.containers.some((c) => c.host_id === agent.hostId)));
  await eventually(() => messages.some((m) => m.type === 'new_event' && m.event.host_id === agent.hostId));

  const base = `/api/hosts/${agent.hostId}`;
  const list = (name) => agent.replies.findLast((r) => r.name === name).reply.payload;
  const ids = (elements) => elements.map((e) => e.id ?? e.name).sort();
  assert.deepEqual(ids(await client.get(`${base}/images`)), ids(list('list_images')));
  assert.deepEqual(ids(await client.get(`${base}/networks`)), ids(list('list_networks')));
  assert.deepEqual(ids((await client.get(`${base}/volumes`)).map((v) => ({ name: v.name }))), ids(list('list_volumes').map((v) => ({ name: v.name }))));
  checkLog();
});

test("a shell of today's agent", async () => {
  const host = (await client.get('/api/hosts')).find((h) => h.status === 'online');
  const c = (await client.get('/api/containers')).find((x) => x.host_id === host.id && x.state === 'running');
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws/shell/${host.id}/${c.id}`, { headers: { authorization: `Bearer ${client.key}` } });
  let text = '';

  ws.on('message', (data, isBinary) => { if (isBinary) text += data; });
  await eventually(() => text.includes('grüße 42') && text.includes('20000'), { what: 'the output of the recorded shell' });
  ws.close();
});

test('the agent of the seed era', async () => {
  const agent = await played(SEED, 'seed');

  await checkModel(agent);
  await checkEvents(agent);
  await checkHistory(agent, agent.lists.at(-1).find((c) => c.State === 'running').Names[0].slice(1));
  checkLog(); // before the refusals
  const base = `/api/hosts/${agent.hostId}`;
  await client.get(`${base}/images`, { status: 501 });
  await client.call('POST', `${base}/containers/web/kill`, { status: 501 });
  assert.equal((await client.get(`${base}/containers/web/inspect`)).Name ?? 'web', '/web');
});

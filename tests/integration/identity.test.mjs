// The identity of an agent lasts while the engine's id changes, towards our server and towards one that compares ids.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { run } from './lib/process.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let server, admin;

before(async () => {
  server = await Server.start();
  admin = await server.client('admin');
});

after(() => server?.remove());

async function scripted(info = {}) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info = info;
  return engine;
}

// Podman: another id in each answer.
function podman(name) {
  return Object.defineProperty({ Name: name }, 'ID', { enumerable: true, get: () => randomUUID() });
}

async function joined(engine, options = {}) {
  const agent = await Agent.start(server, engine, options);
  later(() => agent.remove());
  return agent;
}

const hostNamed = async (name) => (await admin.get('/api/hosts')).find((h) => h.name === name);
const isOnline = (name) =>
  eventually(async () => {
    const h = await hostNamed(name);
    return h?.status === 'online' && h;
  }, { timeout: 30000, what: `${name} is online` });
const isOffline = (name) => eventually(async () => (await hostNamed(name)).status === 'offline', { what: `${name} is offline` });
const stored = (agent, file) => readFile(join(agent.dir, file), 'utf8');

test('a host survives another engine id: upgrade in place, lost engine folder, Podman, restarts of both sides', async () => {
  const engines = {
    upgraded: await scripted({ Name: 'upgraded', ID: 'XYVU:46N3:AAAA:BBBB' }),
    podman: await scripted(podman('podman')),
  };
  for (const [name, engine] of Object.entries(engines)) {
    const agent = await joined(engine);
    const { id } = await isOnline(name);
    const sent = await eventually(() => stored(agent, 'engine_id').catch(() => null), { what: 'the engine id is stored' });

    await agent.down();
    if (name === 'upgraded') engine.info.ID = randomUUID();
    await agent.up();
    assert.equal((await isOnline(name)).id, id);

    await server.down();
    if (name === 'upgraded') engine.info.ID = randomUUID();
    await server.up();
    assert.equal((await isOnline(name)).id, id);
    assert.equal(await stored(agent, 'engine_id'), sent, 'the id of the registration is kept');
  }
});

test('the state of an older agent, without a stored engine id, goes on working', async () => {
  const engine = await scripted({ Name: 'older', ID: 'XYVU:46N3:CCCC:DDDD' });
  const agent = await joined(engine);
  const { id } = await isOnline('older');
  await agent.down();
  await isOffline('older');

  await rm(join(agent.dir, 'engine_id'));
  engine.info.ID = randomUUID();
  await agent.up();
  assert.equal((await isOnline('older')).id, id);
  assert.equal(await eventually(() => stored(agent, 'engine_id').catch(() => null)), engine.info.ID);
  const { events } = await admin.get(`/api/events?host_id=${id}`);
  assert.equal(events.filter((e) => e.event_type === 'engine_changed').length, 1);
});

// A server that compares engine ids, as DockMon's does.
async function comparing() {
  const known = new Map();
  const peer = await HandServer.start({
    authorize: (m) => {
      if (!known.has(m.token)) known.set('permanent-1', m.engine_id);
      else if (known.get(m.token) !== m.engine_id) return { type: 'auth_error', error: 'Permanent token does not match engine_id' };
      return peer.accept(m);
    },
  });
  later(() => peer.stop());
  peer.known = known;
  return peer;
}

test('a server that compares engine ids keeps the host, and gets no new member', async () => {
  const peer = await comparing();
  const agent = await Agent.start(peer, await scripted(podman('compared')), { token: 'registration' });
  later(() => agent.remove());
  await peer.session();
  await agent.down();
  await agent.up();
  await peer.session({ count: 2 });
  peer.ws.close();
  await peer.session({ count: 3 });

  assert.equal(new Set(peer.registrations.map((m) => m.engine_id)).size, 1);
  for (const m of peer.registrations) assert.deepEqual(Object.keys(m).filter((k) => /id$|identity/.test(k)), ['engine_id']);
});

test('a kept engine id that the server refuses is replaced by the present one', async () => {
  const peer = await comparing();
  const engine = await scripted({ Name: 'copied', ID: 'PRES:ENT0' });
  const agent = await Agent.start(peer, engine, { token: 'registration' });
  later(() => agent.remove());
  await peer.session();
  await agent.down();
  await writeFile(join(agent.dir, 'engine_id'), 'OTHER');
  await agent.up();
  await peer.session({ count: 2 });
  assert.deepEqual(peer.registrations.map((m) => m.engine_id), ['PRES:ENT0', 'OTHER', 'PRES:ENT0']);
  assert.equal(await eventually(async () => (await stored(agent, 'engine_id')) === 'PRES:ENT0'), true);
});

test('an agent whose PERMANENT_TOKEN was exchanged comes back after a restart', async () => {
  const peer = await HandServer.start({
    authorize: (m) =>
      m.token === peer.valid
        ? { ...peer.accept(m), permanent_token: (peer.valid = 'exchanged') }
        : { type: 'auth_error', error: 'Invalid registration token' },
  });
  later(() => peer.stop());
  peer.valid = 'the-agent-id';
  const agent = await Agent.start(peer, await scripted({ Name: 'exchanged' }), { token: '', env: { PERMANENT_TOKEN: 'the-agent-id' } });
  later(() => agent.remove());
  await peer.session();
  await eventually(async () => (await stored(agent, 'permanent_token').catch(() => null)) === 'exchanged');
  await agent.down();
  await agent.up();
  await peer.session({ count: 2 });
  assert.deepEqual(peer.registrations.map((m) => m.token), ['the-agent-id', 'the-agent-id', 'exchanged']);
});

test('a token that cannot be written is reported, and written as soon as that is possible', async () => {
  const engine = await scripted({ Name: 'unwritable' });
  const parent = await temporaryDirectory();
  later(() => rm(parent, { recursive: true, force: true }));
  // The file that takes the directory's place keeps root from writing, too.
  await writeFile(join(parent, 'data'), '');
  const agent = await Agent.start(server, engine, { dir: join(parent, 'data') });
  later(() => agent.remove());
  await isOnline('unwritable');
  await agent.process.line(/cannot store the permanent token.*make the directory writable/);

  await rm(join(parent, 'data'));
  await mkdir(join(parent, 'data'));
  await agent.process.line(/the permanent token is stored now/, { timeout: 60000 });
  await agent.down();
  await agent.up();
  await isOnline('unwritable');
});

// A host with tags, whose agent is connected.
async function tagged(name) {
  const a = new HandAgent(server, { hostname: name });
  later(() => a.ws.terminate());
  assert.equal((await a.connect(await server.token())).type, 'auth_success');
  await admin.call('PATCH', `/api/hosts/${a.hostId}/tags`, { body: { tags_to_add: ['kept'] } });
  return a;
}

async function takesThePlace(former, token, options) {
  const a = new HandAgent(server, options);
  later(() => a.ws.terminate());
  const reply = await a.connect(token);
  assert.equal(reply.type, 'auth_success', reply.error);
  assert.equal(a.hostId, former.hostId);
  const host = (await admin.get('/api/hosts')).find((h) => h.id === a.hostId);
  assert.equal(host.name, former.hostname);
  assert.deepEqual(host.tags, ['kept']);
  assert.equal(host.status, 'online');
  return a;
}

test('a known host is taken over only with a token made for it, which is used once', async () => {
  const former = await tagged('taken');
  const stranger = new HandAgent(server, { hostname: 'taken' });
  const refused = await stranger.connect(await server.token());
  assert.match(refused.error, /^A host named 'taken' already exists in DockMon\..*`dockmon token create --replace taken`/);
  const same = await new HandAgent(server, { engineId: former.engineId, hostname: 'taken' }).connect(await server.token());
  assert.match(same.error, /already registered\. This host is known as `taken`\. If its data directory was lost: run `dockmon token create --replace taken`/);

  const made = await admin.post('/api/agent/generate-token', { replace: 'taken' });
  assert.equal(made.replaces, 'taken');
  assert.equal(made.multi_use, false);
  const successor = await takesThePlace(former, made.token, { hostname: 'another-name' });
  assert.deepEqual(await former.closed, { code: 1008, reason: 'Agent replaced' });
  assert.match((await former.connect(former.permanentToken)).error, /^Invalid registration token/);
  successor.event('heartbeat', {});
  await eventually(async () => /maximum uses/.test((await new HandAgent(server, { hostname: 'x' }).connect(made.token)).error));

  const { events } = await admin.get(`/api/events?host_id=${former.hostId}`);
  assert.equal(events.filter((e) => e.event_type === 'agent_replaced').length, 1);
  const { entries } = await admin.get('/api/audit?limit=500');
  assert.equal(entries.find((e) => e.action === 'token_create')?.target, 'taken');
});

test('dockmon and dockmond make tokens that replace, and refuse what has no sense', async () => {
  const former = await tagged('by-cli');
  const made = await dockmon(server, admin.key, ['token', 'create', '--replace', 'by-cli']);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stderr, /for a new agent of host by-cli/);
  const next = await takesThePlace(former, made.stdout.trim());
  const offline = await server.admin('token', 'create', '--replace', 'by-cli');
  await takesThePlace(Object.assign(next, { hostname: 'by-cli' }), offline);
  const { entries } = await admin.get('/api/audit?limit=500');
  assert.ok(entries.some((e) => e.who === 'offline' && e.action === 'token.create' && e.target === 'by-cli'));

  assert.match((await dockmon(server, admin.key, ['token', 'create', '--replace', 'nowhere'])).stderr, /nowhere/);
  assert.equal((await dockmon(server, admin.key, ['token', 'create', '--replace', 'by-cli', '--multi-use'])).code, 125);
  const both = await run(bin('dockmond'), ['--data-dir', server.dir, 'token', 'create', '--replace', 'by-cli', '--multi-use']);
  assert.equal(both.code, 2);
  await admin.post('/api/agent/generate-token', { replace: 'nowhere' }, { status: 404 });
  await admin.post('/api/agent/generate-token', { replace: 7 }, { status: 422 });
  await admin.post('/api/agent/generate-token', { replace: 'by-cli', multi_use: true }, { status: 422 });
  const operator = await server.client('operator');
  await operator.post('/api/agent/generate-token', { replace: 'by-cli' }, { status: 403 });
});

test('an agent whose data directory was lost comes back with such a token', async () => {
  const engine = await scripted({ Name: 'lost', ID: 'LOST:DATA' });
  const agent = await joined(engine);
  const { id } = await isOnline('lost');
  await agent.down();
  await rm(agent.dir, { recursive: true });
  agent.token = await server.token();
  await agent.up();
  const line = await agent.process.line(/the server refused this agent: .*already registered/);
  assert.match(line, /dockmon token create --replace lost/);
  assert.equal(line.match(/\/var\/lib\/docker\/engine-id/g).length, 1);
  await agent.down();

  agent.token = await server.token('--replace', 'lost');
  await agent.up();
  assert.equal((await isOnline('lost')).id, id);
});

test('two agents with one identity: the connected one is kept, and the host says so', async () => {
  const first = await tagged('contested');
  const takeover = async () => {
    const a = new HandAgent(server, { engineId: first.engineId, hostname: 'contested' });
    later(() => a.ws.terminate());
    return { a, reply: await a.connect(first.permanentToken) };
  };
  let last;
  for (let i = 0; i < 5; i++) last = await takeover();
  const { a, reply } = await takeover();
  assert.equal(reply.type, 'auth_error');
  assert.match(reply.error, /^Two agents use this identity/);
  assert.equal((await a.closed).code, 1013);
  assert.match((await hostNamed('contested')).error, /two agents use this identity, from 127\.0\.0\.1 \(connected\) and 127\.0\.0\.1/);
  assert.equal(last.a.ws.readyState, 1, 'the connected one stays');
});

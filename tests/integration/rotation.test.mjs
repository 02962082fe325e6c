// Permanent tokens of agents are replaced, with either side killed meanwhile, revoked, and issued again when the
// answer to a registration was lost.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, admin, agent, agentId;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
  admin = await server.client('admin');
  agent = await Agent.start(server, engine);
  await admin.onlineHost();
  await eventually(() => tokenFile().catch(() => null), { what: 'the agent has stored its token' });
  agentId = (await admin.get('/api/agent/list')).agents[0].agent_id;
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
});

const tokenFile = () => readFile(join(agent.dir, 'permanent_token'), 'utf8');
const status = async (id) => (await admin.get(`/api/agent/${id}/status`)).agent;
const online = (id = agentId) => eventually(async () => (await status(id)).connected, { timeout: 30000, what: 'the agent is online' });
const offline = (id = agentId) => eventually(async () => !(await status(id)).connected, { what: 'the agent is offline' });
const audit = async (action) => (await admin.get('/api/audit?limit=500')).entries.filter((e) => e.action === action).map((e) => `${e.result} ${e.target}`);

// An agent that accepts a new token and acknowledges it only on request.
class Rotatable extends HandAgent {
  constructor(options = {}) {
    super(server, { ...options, fields: { capabilities: { token_rotate: true, inventory: true } } });
  }

  get rotations() {
    return this.commands.filter((c) => c.command === 'token_rotate');
  }

  // Returns the nth new token that was received.
  async sent(n = 1) {
    await eventually(() => this.rotations.length >= n, { what: `token ${n} arrives` });
    const m = this.rotations[n - 1];
    assert.equal(m.type, 'command');
    assert.match(m.payload.permanent_token, /^[0-9a-f]{64}$/);
    return m.payload.permanent_token;
  }

  acknowledge(n = 1) {
    this.send({ type: 'response', id: this.rotations[n - 1].id, payload: { status: 'rotated' }, timestamp: new Date().toISOString() });
  }

  onNamedCommand(message) {
    if (message.command !== 'token_rotate') super.onNamedCommand(message);
  }

  async reconnect(token) {
    const reply = await this.connect(token);
    await this.close();
    return reply.type;
  }
}

async function rotatable() {
  const peer = new Rotatable();
  assert.equal((await peer.connect(await server.token())).type, 'auth_success');
  return peer;
}

const rotate = (id, options) => admin.post(`/api/agent/${id}/rotate-token`, {}, options);

test('a new token replaces the old one without interrupting the agent', async () => {
  const old = await tokenFile();
  const answer = await rotate(agentId);
  assert.deepEqual(answer, { success: true, agent_id: agentId });
  const fresh = await tokenFile();
  assert.match(fresh, /^[0-9a-f]{64}$/);
  assert.notEqual(fresh, old);
  assert.equal((await status(agentId)).connected, true);

  const thief = new HandAgent(server, { engineId: (await status(agentId)).engine_id });
  assert.equal((await thief.connect(old)).type, 'auth_error');
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    await agent.down(signal);
    await offline();
    agent.token = '';
    await agent.up();
    await online();
  }
  assert.equal(await tokenFile(), fresh);
  assert.deepEqual(await audit('agent_rotate'), [`ok ${(await status(agentId)).host_name}`]);
});

test('rotation and revocation need the role admin, and a refusal has a reason', async () => {
  for (const role of ['viewer', 'operator']) {
    const c = await server.client(role);
    await c.post(`/api/agent/${agentId}/rotate-token`, {}, { status: 403 });
    await c.post(`/api/agent/${agentId}/revoke`, {}, { status: 403 });
  }
  await rotate('nobody', { status: 404 });
  await admin.post('/api/agent/nobody/revoke', {}, { status: 404 });

  const old = new HandAgent(server);
  await old.connect(await server.token());
  assert.match((await rotate(old.agentId, { status: 409 })).detail, /does not support token rotation/);
  await old.close();
  await offline(old.agentId);
  assert.match((await rotate(old.agentId, { status: 503 })).detail, /is offline/);

  await agent.down();
  await offline();
  agent.env.PERMANENT_TOKEN = await tokenFile();
  await agent.up();
  await online();
  assert.match((await rotate(agentId, { status: 409 })).detail, /set by PERMANENT_TOKEN.*current token and the new one both stay valid/);
  await agent.down();
  delete agent.env.PERMANENT_TOKEN;
  await agent.up();
  await online();
});

test('an agent that is killed before it stored the token comes back with the old one', async () => {
  const peer = await rotatable();
  const call = rotate(peer.agentId, { status: 503 });
  const fresh = await peer.sent();
  await peer.close();
  assert.match((await call).detail, /current token and the new one both stay valid/);
  assert.equal(await peer.reconnect(peer.permanentToken), 'auth_success');
  assert.equal(await peer.reconnect(fresh), 'auth_success');
});

test('an agent that is killed before it acknowledges comes back with the new token, and the old one is invalid', async () => {
  const peer = await rotatable();
  const old = peer.permanentToken;
  const call = rotate(peer.agentId, { status: 503 });
  const fresh = await peer.sent();
  await peer.close();
  await call;
  assert.equal(await peer.reconnect(fresh), 'auth_success');
  assert.equal(await peer.reconnect(old), 'auth_error');
  assert.equal(await peer.reconnect(fresh), 'auth_success');
});

test('two rotations at once, acknowledged in order: the second token is valid', async () => {
  const peer = await rotatable();
  const calls = [rotate(peer.agentId), rotate(peer.agentId)];
  const [one, two] = [await peer.sent(1), await peer.sent(2)];
  peer.acknowledge(1);
  await Promise.race(calls);
  peer.acknowledge(2);
  await Promise.all(calls);
  await peer.close();
  assert.equal(await peer.reconnect(one), 'auth_error');
  assert.equal(await peer.reconnect(two), 'auth_success');
});

for (const [when, keeps] of [['before', 'old'], ['before', 'new'], ['after', 'new']]) {
  test(`after a kill of the server ${when} the acknowledgement, an agent with the ${keeps} token reconnects`, async () => {
    const peer = await rotatable();
    const old = peer.permanentToken;
    const call = rotate(peer.agentId).catch(() => {});
    const fresh = await peer.sent();
    if (when === 'after') peer.acknowledge();
    await server.down('SIGKILL');
    await call;
    await server.up();
    assert.equal(await peer.reconnect(keeps === 'old' ? old : fresh), 'auth_success');
    assert.equal(await peer.reconnect(keeps === 'old' ? old : fresh), 'auth_success');
    if (keeps === 'new') assert.equal(await peer.reconnect(old), 'auth_error');
    await online();
  });
}

test('a real agent and a real server, killed at any moment of a rotation, reconnect', async () => {
  for (let i = 0; i < 16; i++) {
    const victim = i % 2 ? server : agent;
    const call = rotate(agentId).catch(() => {});
    await delay(i * 2);
    await victim.down('SIGKILL');
    await victim.up();
    await call;
    await online();
  }
});

test('a revoked token ends the session and is refused; a registration token brings the host back', async () => {
  const before = (await admin.get('/api/hosts')).find((h) => h.agent?.agent_id === agentId);
  agent.token = '';
  assert.deepEqual(await admin.post(`/api/agent/${agentId}/revoke`, {}), { success: true, agent_id: agentId });
  await offline();
  await agent.process.line(/the server refused this agent: Permanent token has been revoked.*create a new registration token/);
  const s = await status(agentId);
  assert.equal(s.revoked, true);
  assert.equal(s.status, 'offline');
  assert.equal((await admin.get('/api/hosts')).find((h) => h.id === before.id).status, 'offline');
  assert.match((await rotate(agentId, { status: 409 })).detail, /revoked/);

  await server.down('SIGKILL');
  await server.up();
  assert.equal((await status(agentId)).revoked, true);

  await agent.down();
  agent.token = await server.token();
  await agent.up();
  await online();
  assert.equal((await status(agentId)).revoked, false);
  assert.equal((await admin.get('/api/hosts')).find((h) => h.status === 'online').id, before.id);
  assert.ok((await audit('agent_revoke')).includes(`ok ${before.name}`));
});

test('a hand-made agent that cannot rotate can be revoked', async () => {
  const peer = new HandAgent(server);
  await peer.connect(await server.token());
  await admin.post(`/api/agent/${peer.agentId}/revoke`, {});
  assert.deepEqual(await peer.closed, { code: 1008, reason: 'Token revoked' });
  const reply = await peer.connect(peer.permanentToken);
  assert.equal(reply.error, 'Permanent token has been revoked');
});

test('dockmon agent ls, rotate and revoke work', async () => {
  const host = (await admin.get('/api/hosts')).find((h) => h.status === 'online').name;
  const cli = (...args) => dockmon(server, admin.key, ['agent', ...args]);
  const ls = await cli('ls', '--wide');
  assert.equal(ls.code, 0, ls.stderr);
  assert.match(ls.stdout, /^AGENT ID +HOST +STATUS +VERSION +LAST SEEN +REGISTERED +ROTATABLE/);
  assert.match(ls.stdout, new RegExp(`^${agentId.slice(0, 12)} .*online .* yes$`, 'm'));
  assert.match(ls.stdout, / revoked /);
  assert.deepEqual((await cli('ls', '-q')).stdout.trim().split('\n').sort(), (await admin.get('/api/agent/list')).agents.map((a) => a.agent_id).sort());

  const old = await tokenFile();
  const rotated = await cli('rotate', host, 'nobody');
  assert.equal(rotated.code, 1);
  assert.equal(rotated.stdout, `${host}\n`);
  assert.match(rotated.stderr, /No such agent: nobody; see `dockmon agent ls`/);
  const second = await tokenFile();
  assert.notEqual(second, old);

  const all = await cli('rotate', '--all');
  assert.equal(all.code, 1); // the agents of this test that disconnected
  assert.equal(all.stdout, `${host}\n`);
  assert.match(all.stderr, /is offline/);
  assert.notEqual(await tokenFile(), second);
  assert.equal((await cli('rotate')).code, 125);
  assert.equal((await cli('rotate', '--all', host)).code, 125);

  assert.equal((await cli('revoke', agentId.slice(0, 8))).stdout, `${agentId.slice(0, 8)}\n`);
  await offline();
  assert.match((await cli('ls')).stdout, new RegExp(`^${agentId.slice(0, 12)} .*revoked `, 'm'));
});

// A proxy that truncates the first message of the server after the handshake to `bytes(frame size)`, once.
async function cuttingProxy(bytes) {
  let isFirst = true;
  const proxy = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    client.on('error', end).on('close', end);
    upstream.on('error', end).on('close', end);
    client.pipe(upstream);
    if (!isFirst) {
      upstream.pipe(client);
      return;
    }
    isFirst = false;
    let seen = Buffer.alloc(0);
    let passed = 0; // bytes of the handshake's answer, which is passed on
    upstream.on('data', (chunk) => {
      seen = Buffer.concat([seen, chunk]);
      const start = seen.indexOf('\r\n\r\n') + 4;
      if (start < 4) return;
      if (!passed) client.write(seen.subarray(0, start));
      passed = start;
      if (seen.length < start + 4) return;
      const size = (seen[start + 1] & 127) === 126 ? 4 + seen.readUInt16BE(start + 2) : 2 + (seen[start + 1] & 127);
      if (seen.length < start + size) return; // the server must have sent the whole answer
      client.write(seen.subarray(start, start + bytes(size)), () => end());
    });
  });
  await new Promise((done) => proxy.listen(0, '127.0.0.1', done));
  return proxy;
}

for (const [what, bytes] of [['all', () => 0], ['all but a byte', () => 1], ['half', (n) => n >> 1], ['the last byte', (n) => n - 1]]) {
  test(`a registration whose answer loses ${what} is repeated`, async () => {
    const own = await Server.start();
    const outer = server;
    server = own;
    const proxy = await cuttingProxy(bytes);
    const joining = await Agent.start({ url: `http://127.0.0.1:${proxy.address().port}` }, engine, { token: await own.token() });
    try {
      const c = await own.client('admin');
      await c.onlineHost({ timeout: 30000 });
      assert.equal((await c.get('/api/agent/list')).total, 1);
      await own.process.line(/registered again: it did not receive the first answer/);
      await eventually(() => readFile(join(joining.dir, 'permanent_token')).catch(() => null), { what: 'the agent has stored a token' });
      await joining.down('SIGKILL'); // the stored token is valid
      joining.token = '';
      await joining.up();
      await joining.process.line(/connected and accepted/);
    } finally {
      server = outer;
      proxy.close();
      await joining.remove().finally(() => own.remove());
    }
  });
}

test('a used registration token is refused once its agent has connected', async () => {
  const token = await server.token();
  const peer = new HandAgent(server);
  await peer.connect(token);
  await eventually(() => peer.commands.some((c) => c.command === 'list_containers')); // the agent answers this
  const thief = new HandAgent(server, { engineId: peer.engineId, hostname: peer.hostname });
  // The server learns of the arrival from the next message, which may still be in flight.
  let wasAccepted = false;
  peer.send({ type: 'heartbeat' });
  await eventually(async () => {
    const reply = await thief.dial(thief.registration(token));
    thief.ws.terminate();
    if (reply.type !== 'auth_error') wasAccepted = true;
    return reply.type === 'auth_error' && /maximum uses/.test(reply.error);
  });
  assert.ok(!wasAccepted);
  assert.equal(peer.ws.readyState, 1);
  await peer.close();

  // An agent with another name or engine is refused even before that.
  const second = await server.token();
  const silent = new HandAgent(server, { fields: { capabilities: { inventory: true } } });
  await silent.connect(second);
  for (const other of [{ engineId: silent.engineId }, { hostname: silent.hostname }]) {
    const reply = await new HandAgent(server, other).connect(second);
    assert.match(reply.error, /maximum uses/);
  }
  await silent.close();
});

test('a token sealed with a key stays sealed when it is replaced', async () => {
  const key = join(await temporaryDirectory(), 'key');
  await writeFile(key, 'x'.repeat(40));
  await agent.down();
  agent.token = await server.token();
  agent.env.TOKEN_KEY_FILE = key;
  await agent.up();
  await online();
  const before = await readFile(join(agent.dir, 'permanent_token'), 'latin1');
  await rotate(agentId);
  const sealed = await readFile(join(agent.dir, 'permanent_token'), 'latin1');
  assert.ok(before.startsWith('{dockmon-sealed-token-1}') && sealed.startsWith('{dockmon-sealed-token-1}'));
  assert.notEqual(sealed, before);
  await agent.down('SIGKILL');
  await offline();
  agent.token = '';
  await agent.up();
  await online();
  const check = await run(bin('dockmon-agent'), ['--check'], {
    env: { DOCKMON_URL: server.url, DATA_PATH: agent.dir, DOCKER_HOST: engine.host, REGISTRATION_TOKEN: '', PERMANENT_TOKEN: '', TOKEN_KEY_FILE: key },
  });
  assert.match(check.stdout, /sealed with the key of/);
});

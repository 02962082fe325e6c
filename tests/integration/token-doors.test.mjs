// Every door that an agent's token opens, in every state of a token: the main channel and the statistics channel, by
// header and by query. A channel that is open ends with its token.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Server } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { closing, eventually } from './lib/wait.mjs';

let server, admin;
const sockets = [];

before(async () => {
  server = await Server.start();
  admin = await server.client('admin');
});

after(async () => {
  for (const s of sockets) s.terminate();
  await server?.remove();
});

// A statistics channel, or the HTTP status of its refusal.
function channel(token, byQuery = false) {
  const url = `${server.url.replace('http', 'ws')}/api/stats/ws/ingest${byQuery ? `?token=${token}` : ''}`;
  const ws = new WebSocket(url, { headers: byQuery ? {} : { authorization: `Bearer ${token}` } });
  sockets.push(ws);
  ws.on('error', () => {});
  ws.closed = closing(ws);
  return new Promise((resolve) => {
    ws.on('open', () => resolve(ws));
    ws.on('unexpected-response', (_, response) => resolve(response.statusCode));
  });
}

const ending = ({ code, reason }) => `${code} ${reason}`;

class Rotatable extends HandAgent {
  constructor(options = {}) {
    super(server, { ...options, fields: { capabilities: { token_rotate: true, inventory: true } } });
  }

  onNamedCommand(message) {
    if (message.command !== 'token_rotate') super.onNamedCommand(message);
    else this.rotation = message;
  }

  async onMain(token) {
    const reply = await this.connect(token);
    sockets.push(this.ws);
    return reply;
  }
}

async function joined() {
  const a = new Rotatable();
  assert.equal((await a.onMain(await server.token())).type, 'auth_success');
  return a;
}

// `good` tokens open the statistics channel, `bad` ones no door.
async function expectDoors(a, { good = [], bad = [] }) {
  for (const token of good) {
    for (const byQuery of [false, true]) {
      const c = await channel(token, byQuery);
      assert.ok(c instanceof WebSocket, `${token} is refused: ${c}`);
      c.close();
      await c.closed;
    }
  }
  for (const token of bad) {
    assert.equal(await channel(token), 401, token);
    assert.equal(await channel(token, true), 401, token);
    const other = new HandAgent(server, { engineId: a.engineId, hostname: a.hostname });
    assert.equal((await other.connect(token)).type, 'auth_error', token);
  }
}

// Starts a rotation, which waits for the agent's acknowledgement.
async function rotating(a) {
  a.rotation = null;
  const answer = admin.post(`/api/agent/${a.agentId}/rotate-token`, {});
  const { id, payload } = await eventually(() => a.rotation, { what: 'the new token arrives' });
  const acknowledge = () => {
    a.send({ type: 'response', id, payload: { status: 'rotated' }, timestamp: new Date().toISOString() });
    return answer;
  };
  return { token: payload.permanent_token, answer, acknowledge };
}

test('registered: the permanent token opens every door, the id and the registration token none', async () => {
  const a = await joined();
  a.event('heartbeat', {});
  await expectDoors(a, { good: [a.permanentToken], bad: [a.agentId, randomUUID(), '0'.repeat(64)] });
});

test('rotated: both tokens are good until the acknowledgement, then the old one opens nothing', async () => {
  const a = await joined();
  const old = a.permanentToken;
  const { token, acknowledge } = await rotating(a);
  await expectDoors(a, { good: [old, token] });

  const open = await channel(old);
  await acknowledge();
  assert.match(ending(await open.closed), /^1008 The token is no longer valid/);
  await expectDoors(a, { good: [token], bad: [old, a.agentId] });
});

test('rotated: the use of the new token on the main channel ends the old one everywhere', async () => {
  const a = await joined();
  const old = a.permanentToken;
  const { token, answer } = await rotating(a);
  answer.catch(() => {});
  const open = await channel(old);
  assert.equal((await a.onMain(token)).type, 'auth_success');
  assert.match(ending(await open.closed), /^1008/);
  await expectDoors(a, { good: [token], bad: [old] });
});

test('revoked, deleted and replaced: no token of the former agent opens a door', async () => {
  const ends = {
    revoked: (a) => admin.post(`/api/agent/${a.agentId}/revoke`, {}),
    deleted: (a) => admin.delete(`/api/hosts/${a.hostId}`),
    replaced: async (a) => {
      const next = new Rotatable();
      assert.equal((await next.onMain(await server.token('--replace', a.hostId))).type, 'auth_success');
      await expectDoors(next, { good: [next.permanentToken] });
    },
  };
  for (const [name, end] of Object.entries(ends)) {
    const a = await joined();
    const { token, answer } = await rotating(a);
    answer.catch(() => {});
    const open = await channel(a.permanentToken);
    await end(a);
    assert.match(ending(await open.closed), /^1008/, name);
    await expectDoors(a, { bad: [a.permanentToken, token, a.agentId] });
  }
});

test('an agent of a migrated database: its id and the token in exchange are good until that one is used', async () => {
  const a = new Rotatable();
  a.agentId = randomUUID();
  const at = 1762300000000;
  const sql = `INSERT INTO hosts (id, name, url, connection, is_active, engine_id, total_memory, num_cpus, is_podman, created_at_ms, updated_at_ms)
      VALUES ('migrated', 'migrated', 'agent://', 'agent', 1, '${a.engineId}', 1, 1, 0, ${at}, ${at});
    INSERT INTO agents (id, host_id, engine_id, version, proto_version, capabilities, force_unique, last_seen_at_ms, registered_at_ms)
      VALUES ('${a.agentId}', 'migrated', '${a.engineId}', '2', '1.0', '{}', 0, ${at}, ${at})`;
  await server.down();
  assert.equal((await run('sqlite3', [join(server.dir, 'dockmon.db'), sql])).code, 0);
  await server.up();
  await expectDoors(a, { good: [a.agentId] });

  const id = a.agentId;
  assert.equal((await a.onMain(id)).type, 'auth_success');
  const secret = a.permanentToken;
  await expectDoors(a, { good: [id, secret] });
  await server.down();
  await server.up();
  await expectDoors(a, { good: [id, secret] });

  const open = await channel(id);
  assert.equal((await a.onMain(secret)).type, 'auth_success');
  assert.match(ending(await open.closed), /^1008/);
  await expectDoors(a, { good: [secret], bad: [id] });
});

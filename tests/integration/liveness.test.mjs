// Peers disappear without a close: each side notices that after 45 s of silence, and live connections remain open.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const NOTICED_MS = 50000;
const QUIET_MS = 47000;
const later = cleanups();
let engine, server, client;

before(async () => {
  engine = await ScriptedEngine.start();
  later(() => engine.stop());
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('viewer');
});

test('liveness', { concurrency: true, timeout: 120000 }, async (t) => {
  await Promise.all([
    t.test('the agent pings, and leaves a server that does not answer', async () => {
      const peer = await HandServer.start();
      const agent = await Agent.start(peer, engine, { token: 'registration-token' });
      later(() => peer.stop(), () => agent.remove());
      const ws = await peer.session();
      let pings = 0;
      ws._receiver.removeAllListeners('ping'); // no pong either
      ws._receiver.on('ping', () => pings++);
      await peer.session({ count: 2, timeout: NOTICED_MS });
      assert.ok(pings >= 1, 'the agent has pinged');
    }),
    t.test('the agent stays with a server that only answers its pings', async () => {
      const peer = await HandServer.start();
      const agent = await Agent.start(peer, engine, { token: 'registration-token' });
      later(() => peer.stop(), () => agent.remove());
      const ws = await peer.session();
      let pings = 0;
      ws.on('ping', () => pings++);
      await sleep(QUIET_MS);
      assert.ok(pings >= 1, 'the agent pings at least every 30 s');
      assert.equal(peer.connections, 1);
    }),
    t.test('the server pings, and an agent that does not answer is offline', async () => {
      const a = new HandAgent(server);
      await a.connect(await server.token());
      later(() => a.ws.terminate());
      a.ws._socket.pause(); // as if the cable were cut: no close, no pong
      const status = async () => (await client.get('/api/hosts')).find((h) => h.id === a.hostId).status;
      assert.equal(await status(), 'online');
      await eventually(async () => (await status()) === 'offline', { timeout: NOTICED_MS, interval: 500, what: 'the host is offline' });
    }),
    t.test('an agent that only answers pings stays online', async () => {
      const a = new HandAgent(server);
      await a.connect(await server.token());
      later(() => a.ws.terminate());
      let pings = 0;
      a.ws.on('ping', () => pings++);
      await sleep(QUIET_MS);
      assert.ok(pings >= 1);
      assert.equal(a.ws.readyState, WebSocket.OPEN);
    }),
  ]);
});

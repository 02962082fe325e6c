// Malicious peers: crowds that never authenticate, slow senders and slow readers, malformed frames and heads.
// Other clients are served, memory and descriptors stay bounded, and held resources are reclaimed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { closing, eventually, sleep } from './lib/wait.mjs';

const CROWD = 10000;
const BYTES_EACH = 40 * 1024; // with the sanitizers' bookkeeping; 3 KB without
const later = cleanups();

async function serverWith(options) {
  const server = await Server.start(options);
  later(() => server.remove());
  return server;
}

async function join(server, fields) {
  const a = new HandAgent(server, fields);
  const reply = await a.connect(await server.token());
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  later(() => a.ws.terminate());
  return a;
}

const descriptors = async (p) => (await readdir(`/proc/${p.child.pid}/fd`)).length;
const memory = async (p) => Number(/VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${p.child.pid}/status`, 'utf8'))[1]) * 1024;
const isOnline = async (client, a) => (await client.get('/api/hosts')).find((h) => h.id === a.hostId)?.status === 'online';

// Opens a socket that ignores errors. Different source addresses represent different hosts.
function dial(server, first = '', { from = '127.0.0.1' } = {}) {
  const socket = connect({ port: server.port, host: '127.0.0.1', localAddress: from });
  socket.on('error', () => {});
  socket.gone = closing(socket);
  socket.resume();
  socket.on('connect', () => first && socket.write(first));
  return socket;
}

const UPGRADE = (path = '/api/agent/ws', extra = '') =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${extra}` +
  `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`;

async function inBatches(n, each, size = 250) {
  const made = [];
  for (let i = 0; i < n; i += size) {
    const batch = Array.from({ length: Math.min(size, n - i) }, (_, k) => each(i + k));
    await Promise.all(batch.map((s) => Promise.race([once(s, 'connect'), s.gone])));
    made.push(...batch);
  }
  return made;
}

test('beyond --max-connections the oldest unauthenticated connection is closed, authenticated ones stay', async () => {
  const server = await serverWith({ args: ['--max-connections', '100'] });
  const client = await server.client('viewer');
  const a = await join(server);
  const first = dial(server);
  await once(first, 'connect');
  const crowd = await inBatches(400, (i) => dial(server, i % 2 ? UPGRADE() : '', { from: `127.0.0.${2 + (i % 8)}` }), 40);

  await first.gone;
  assert.ok((await descriptors(server.process)) < 200);
  assert.ok(await isOnline(client, a), 'a new client with a key is accepted');
  assert.equal((await join(server)).ws.readyState, WebSocket.OPEN);
  assert.equal(a.ws.readyState, WebSocket.OPEN);
  const logged = server.process.lines.filter((l) => /nobody authenticates/.test(l));
  assert.equal(logged.length, 1, 'logged once, with the address');
  assert.match(logged[0], /peer=127\.0\.0\.\d/);
  crowd.forEach((s) => s.destroy());
});

test('one source gets at most half of the connections', async () => {
  const server = await serverWith({ args: ['--max-connections', '40'] });
  const other = dial(server, '', { from: '127.0.0.9' });
  await once(other, 'connect');
  const crowd = await inBatches(100, () => dial(server, '', { from: '127.0.0.2' }), 10);

  await eventually(() => crowd.filter((s) => !s.destroyed).length <= 20, { what: 'the crowd has its share' });
  assert.ok(!other.destroyed, 'no connection of another source is closed for it');
  crowd.forEach((s) => s.destroy());
  other.destroy();
});

test('few descriptors: fewer connections, and the server can still open its files', async () => {
  const server = await serverWith({ wrap: ['sh', '-c', 'ulimit -n 200; exec "$@"', 'sh'] });
  await server.process.line(/at most 72 connections instead of 25000.*LimitNOFILE/);
  const crowd = await inBatches(300, (i) => dial(server, '', { from: `127.0.0.${2 + (i % 8)}` }), 50);

  assert.ok((await descriptors(server.process)) < 150);
  const client = await server.client('admin');
  await client.post('/api/agent/generate-token', {});
  crowd.forEach((s) => s.destroy());
});

test('no descriptors at all: it logs that, does not spin, and recovers when there are some', async () => {
  const server = await serverWith({});
  const client = await server.client('viewer');
  const limit = (n) => promisify(execFile)('prlimit', ['--pid', `${server.process.child.pid}`, `--nofile=${n}:`]);
  const a = await join(server);

  await limit((await descriptors(server.process)) + 2);
  const crowd = Array.from({ length: 50 }, () => dial(server));
  await server.process.line(/connections cannot be accepted: .*(EMFILE|[Tt]oo many open files)/);
  const used = async () => (await readFile(`/proc/${server.process.child.pid}/stat`, 'utf8')).split(' ').slice(13, 15).reduce((x, y) => x + Number(y), 0);
  const begin = await used();
  await sleep(1000);
  assert.ok((await used()) - begin < 60, 'ticks of 10 ms in one second');
  assert.equal(a.ws.readyState, WebSocket.OPEN);
  await limit(1000);
  assert.ok(await isOnline(client, a));
  assert.equal(server.process.lines.filter((l) => /cannot be accepted/.test(l)).length, 1);
  crowd.forEach((s) => s.destroy());
});

async function tenThousandUnauthenticated() {
  const server = await serverWith({ args: ['--log-level', 'info'] });
  const client = await server.client('viewer');
  const a = await join(server);
  const before = { memory: await memory(server.process), descriptors: await descriptors(server.process) };
  const firsts = ['', UPGRADE(), 'GET /api/hosts HTTP/1.1\r\nHost: x\r\n', UPGRADE()];
  const crowd = await inBatches(CROWD, (i) => dial(server, firsts[i % firsts.length], { from: `127.0.0.${2 + (i % 4)}` }));

  const open = crowd.filter((s) => !s.destroyed);
  assert.ok(open.length >= CROWD / 3, `${open.length} are open at once`);
  assert.ok((await memory(server.process)) - before.memory < CROWD * BYTES_EACH);
  assert.equal((await client.get('/health')).status, 'healthy');
  const newcomer = await join(server);
  assert.ok(await isOnline(client, newcomer));
  assert.ok(await isOnline(client, a));

  await Promise.all(crowd.map((s) => s.gone));
  await eventually(async () => (await descriptors(server.process)) <= before.descriptors + 8, { what: 'descriptors are released' });
  assert.ok(await isOnline(client, a), 'authenticated connections stay');
  const lines = server.process.lines.filter((l) => /did not authenticate|nobody authenticates/.test(l));
  assert.ok(lines.length <= 100, `${lines.length} lines of the log`);
}

async function slowTalkersAndReaders() {
  const server = await serverWith({});
  const client = await server.client('operator');
  const a = await join(server);
  a.containers = Array.from({ length: 3000 }, (_, i) => containerElement({ name: `wide-${i}`, labels: { pad: 'p'.repeat(2000) } }));
  await eventually(async () => (await client.get('/api/containers')).length === 3000, { timeout: 60000 });

  const HEAD = 'GET /api/hosts HTTP/1.1\r\nHost: x\r\nX: ';
  const BODY = 'POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n';
  const talkers = [...(await inBatches(200, () => dial(server, HEAD))), ...(await inBatches(200, () => dial(server, BODY)))];
  const frames = await inBatches(100, () => dial(server, UPGRADE()));
  frames.forEach((s) => s.write(Buffer.from([0x81, 0xfe, 0xff, 0xff, 0, 0, 0, 0]))); // announces 65,535 bytes
  const all = [...talkers, ...frames];
  const drip = setInterval(() => all.forEach((s) => s.destroyed || s.write('a')), 500);
  const readers = await inBatches(20, () => dial(server, `GET /api/containers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client.key}\r\n\r\n`));
  readers.forEach((s) => s.pause());

  const begin = Date.now();
  for (let i = 0; i < 10; i++) assert.ok(await isOnline(client, a));
  await Promise.all(talkers.map((s) => (s.resume(), s.gone)));
  assert.ok(Date.now() - begin < 45000, 'head and body have 10 s in total');
  await Promise.all(frames.map((s) => (s.resume(), s.gone)));
  clearInterval(drip);
  // A client that does not read does not notice that it was disconnected.
  await eventually(async () => (await descriptors(server.process)) < 60, { timeout: 60000, interval: 500, what: 'readers are disconnected' });
  readers.forEach((s) => s.destroy());
}

test('at scale', { concurrency: true, timeout: 240000 }, async (t) => {
  await Promise.all([
    t.test('ten thousand that never authenticate: others are served, and all of them are disconnected', tenThousandUnauthenticated),
    t.test('slowloris: heads, bodies and frames byte by byte, and readers that do not read', slowTalkersAndReaders),
  ]);
});

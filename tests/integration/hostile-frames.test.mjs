// Malformed, incomplete and oversized frames and HTTP, to server, agent and engine client; unsolicited replies.
// The sender loses at most its connection, and no other peer is affected.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { closing, eventually } from './lib/wait.mjs';

const later = cleanups();
later(() => server?.remove());
let server, client, good;

async function join(fields) {
  const a = new HandAgent(server, fields);
  assert.equal((await a.connect(await server.token())).type, 'auth_success');
  later(() => a.ws.terminate());
  return a;
}

before(async () => {
  server = await Server.start();
  client = await server.client('operator');
  good = await join();
  good.containers = [containerElement({ name: 'good' })];
  good.operations.start = () => ({ status: 'started' });
  await client.container('good');
});

const statusOf = async (a) => (await client.get('/api/hosts')).find((h) => h.id === a.hostId)?.status;
const start = (a, status = 200) => client.post(`/api/hosts/${a.hostId}/containers/${a.containers[0].Id}/start`, undefined, { status });

async function assertOthersUnaffected() {
  assert.equal(await statusOf(good), 'online');
  await start(good);
}

// Makes a frame as a client sends it, masked with zeros, or as a server sends it.
function frame(opcode, payload, { fin = true, rsv = 0, masked = true, length } = {}) {
  const body = Buffer.from(payload);
  const size = length ?? body.length;
  const bit = masked ? 0x80 : 0;
  const head =
    size < 126
      ? Buffer.from([size | bit])
      : size < 65536
        ? Buffer.from([126 | bit, size >> 8, size & 255])
        : Buffer.concat([Buffer.from([127 | bit]), (() => { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt.asUintN(64, BigInt(size))); return b; })()]);
  return Buffer.concat([Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode]), head, masked ? Buffer.alloc(4) : Buffer.alloc(0), body]);
}

const invalidFrames = (masked) => ({
  'a reserved opcode': [frame(3, 'x', { masked }), 1002],
  'a reserved control opcode': [frame(11, '', { masked }), 1002],
  'a reserved bit': [frame(1, '{}', { rsv: 4, masked }), 1002],
  'the wrong kind of mask': [frame(1, '{}', { masked: !masked }), 1002],
  'a ping of 126 bytes': [frame(9, 'x'.repeat(126), { masked }), 1002],
  'a ping in pieces': [frame(9, 'x', { fin: false, masked }), 1002],
  'a continuation of nothing': [frame(0, 'x', { masked }), 1002],
  'a text inside of a text': [Buffer.concat([frame(1, '{', { fin: false, masked }), frame(1, '}', { masked })]), 1002],
  'text that is no UTF-8': [frame(1, Buffer.from([0xc3, 0x28]), { masked }), 1007],
  'half a character at the end': [frame(1, Buffer.from([0x22, 0xe2, 0x82]), { masked }), 1007],
  'a close code that must not be sent': [frame(8, Buffer.from([0x03, 0xee]), { masked }), 1002],
  'a close of one byte': [frame(8, 'x', { masked }), 1002],
  'a length with the top bit set': [Buffer.concat([Buffer.from([0x82, masked ? 0xff : 0x7f]), Buffer.alloc(8, 0xff), Buffer.alloc(4)]), [1002, 1009]],
  'a length of 2^40': [frame(1, '', { length: 2 ** 40, masked }), 1009],
  'a million small pieces': [Buffer.concat([frame(1, '"', { fin: false, masked }), ...Array(300000).fill(frame(0, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', { fin: false, masked }))]), 1009],
  'TLS': [Buffer.from('16030100c8010000c40303', 'hex'), 1002],
});

// Finds the close code in the bytes after the handshake, behind any other messages. null: there is none.
function closeCode(bytes, hasMask) {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const opcode = bytes[at] & 15;
    const short = bytes[at + 1] & 127;
    const wide = short === 126 ? 2 : short === 127 ? 8 : 0;
    const size = wide === 2 ? bytes.readUInt16BE(at + 2) : wide === 8 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    const mask = hasMask ? bytes.subarray(at + 2 + wide, at + 6 + wide) : null;
    const from = at + 2 + wide + (hasMask ? 4 : 0);
    if (opcode === 8) return ((bytes[from] ^ (mask?.[0] ?? 0)) << 8) | (bytes[from + 1] ^ (mask?.[1] ?? 0));
    at = from + size;
  }
  return null;
}

// Does the handshake on the raw socket and returns the socket with the bytes after the answer.
async function upgraded(path, headers = '') {
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.gone = closing(socket);
  socket.bytes = Buffer.alloc(0);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n${headers}` +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
  );
  socket.on('data', (d) => (socket.bytes = Buffer.concat([socket.bytes, d])));
  await eventually(() => socket.bytes.includes('\r\n\r\n'));
  assert.match(socket.bytes.toString('latin1'), /^HTTP\/1\.1 101/);
  socket.bytes = socket.bytes.subarray(socket.bytes.indexOf('\r\n\r\n') + 4);
  return socket;
}

async function isRefused(what, socket, bytes, codes) {
  socket.write(bytes);
  const code = await eventually(() => closeCode(socket.bytes, false) ?? (socket.destroyed && -1), { what: `${what} is refused` });
  assert.ok([codes].flat().includes(code), `${what}: closed with ${code}`);
  socket.destroy();
}

for (const [what, [bytes, codes]] of Object.entries(invalidFrames(true))) {
  test(`to the server: ${what}`, { timeout: 60000 }, async () => {
    await isRefused('from a stranger', await upgraded('/api/agent/ws'), bytes, codes);
    await isRefused('from a watcher', await upgraded('/ws', `Authorization: Bearer ${client.key}\r\n`), bytes, codes);
    const a = await join();
    a.ws.on('error', () => {});
    a.ws._socket.write(what === 'a million small pieces' ? frame(1, '', { length: 2 ** 33 }) : bytes);
    const { code } = await a.closed;
    assert.ok([codes, 1006].flat().includes(code), `from an agent: closed with ${code}`);
    await eventually(async () => (await statusOf(a)) === 'offline');
    await assertOthersUnaffected();
  });
}

test('to the server: a connection that ends at every byte of a frame', async () => {
  const whole = frame(1, JSON.stringify({ type: 'register', token: 'x', engine_id: 'y', version: '1', proto_version: '1', capabilities: {} }));
  for (let n = 1; n < whole.length; n += 7) {
    const socket = await upgraded('/api/agent/ws');
    socket.write(whole.subarray(0, n));
    socket.end();
    await socket.gone;
  }
  await assertOthersUnaffected();
});

test('to the server: endless meaningless messages', { timeout: 60000 }, async () => {
  const a = await join();
  const texts = ['{}', '{"type":7}', '{"type":"event"}', '{"type":"event","command":"container_event","payload":{}}',
    '{"type":"response","id":"nobody"}', '{"type":"inventory_delta"}', '{"type":"stats","stats":[]}', '{"correlation_id":"nobody","success":true}'];
  for (let i = 0; i < 5000; i++) a.send(texts[i % texts.length]);
  await assertOthersUnaffected();
  assert.equal(await statusOf(a), 'online', 'the session continues');
  a.send('{"type": ');
  a.containers = [containerElement({ name: 'after-garbage' })];
  a.event('inventory_delta', { containers: a.containers, removed: [] });
  await client.container('after-garbage');
  a.ws.terminate();
});

// The author of an image chooses its labels; Go agents forward NUL in their keys as it is.
test('to the server: labels that are no valid JSON cost neither the session nor other containers', { timeout: 60000 }, async () => {
  for (const [i, labels] of ['"\\u0000a":"1","\\ufffda":"2"', '"a":"1","a":"2"', '"\\u0000":""', '"a":1e999'].entries()) {
    const a = await join();
    a.containers = [containerElement({ name: `innocent-${i}` }), containerElement({ name: `labels-${i}`, labels: { LABELS: '' } })];
    const text = JSON.stringify({ type: 'event', command: 'inventory_delta', payload: { containers: a.containers, removed: [] } });
    a.send(text.replace('"LABELS":""', labels));
    await client.container(`labels-${i}`);
    await client.container(`innocent-${i}`);
    assert.equal(await statusOf(a), 'online');
    a.ws.terminate();
  }
});

test('the containers of one host take neither the memory nor the feed of the others', { timeout: 120000 }, async () => {
  const [big, small] = [await join(), await join()];
  small.containers = [containerElement({ name: 'beside-the-big' })];
  await client.container('beside-the-big');
  big.ws.on('error', () => {});
  for (let i = 0; i < 90; i++) {
    const pad = Array.from({ length: 14 }, (_, n) => ({ PrivatePort: n, Type: 'x'.repeat(60000) }));
    const c = { ...containerElement({ name: `big-${i}` }), Ports: pad, Labels: { a: 'x'.repeat(200000) } };
    big.event('inventory_delta', { containers: [c], removed: [] });
  }
  await client.container('big-20');
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws`, { headers: { authorization: `Bearer ${client.key}` } });
  let update = null, closed = null;
  ws.on('message', (d) => (d.length < 100 ? null : (update = JSON.parse(d).data?.containers ?? update)));
  ws.on('close', (code) => (closed = code));
  await eventually(() => closed ?? update?.some((c) => c.name === 'beside-the-big'), { timeout: 30000, what: 'the feed with the small container' });
  assert.equal(closed, null);
  ws.terminate();
  const list = await client.get(`/api/containers`);
  const mine = list.filter((c) => /^big-/.test(c.name));
  assert.ok(mine.length > 20 && mine.length < 90, `${mine.length} of 90 fit into 64 MiB`);
  assert.ok(mine.every((c) => c.labels.a.length <= 4097 && c.labels.a.endsWith('…')));
  big.ws.terminate();
  small.ws.terminate();
});

test('one bad agent does not delay the others', { timeout: 120000 }, async () => {
  const [flood, deaf] = [await join(), await join()];
  flood.ws.on('error', () => {});
  flood.containers = [containerElement({ name: 'flood' })];
  deaf.containers = [containerElement({ name: 'deaf' })];
  await Promise.all(['flood', 'deaf'].map((name) => client.container(name)));
  deaf.ws._socket.pause(); // does not read any more
  let sent = 0;
  const big = JSON.stringify({ type: 'event', command: 'inventory_delta', payload: { containers: [], pad: 'x'.repeat(1 << 20) } });
  const pour = setInterval(() => {
    for (let i = 0; i < 500 && flood.ws.bufferedAmount < 32 << 20; i++, sent++)
      flood.event('container_event', { container_id: flood.containers[0].Id, container_name: 'flood', image: 'i', action: 'start', timestamp: new Date().toISOString(), attributes: {} });
    if (flood.ws.bufferedAmount < 32 << 20) flood.send(big);
  }, 10);

  for (let i = 0; i < 20; i++) {
    void client.fetch('POST', `/api/hosts/${deaf.hostId}/containers/${deaf.containers[0].Id}/start`).catch(() => {});
    await start(good);
    await client.get('/api/containers');
  }
  clearInterval(pour);
  assert.ok(sent >= 500, `${sent} events were poured`);
  deaf.ws.terminate();
  flood.ws.terminate();
});

test('replies: those of another agent, duplicate, late and forged ones are ignored', { timeout: 60000 }, async () => {
  const [a, thief] = [await join(), await join()];
  a.containers = [containerElement({ name: 'robbed' })];
  thief.containers = [containerElement({ name: 'thief' })];
  await client.container('robbed');
  await client.container('thief');
  const asked = async () => eventually(() => a.commands.findLast((c) => c.payload?.action === 'start' && !c.seen));
  const take = async () => {
    const c = await asked();
    c.seen = true;
    return c;
  };
  a.isSilent = true;

  let answer = start(a);
  let command = await take();
  thief.send({ correlation_id: command.id, success: false, error: 'forged' });
  thief.send({ type: 'response', id: command.id, error: 'forged' });
  a.send({ correlation_id: randomUUID(), success: false, error: 'nobody asked' });
  a.send({ correlation_id: command.id, success: true, status: 'started' });
  a.send({ correlation_id: command.id, success: false, error: 'duplicate' });
  await answer;

  answer = start(a, 503);
  command = await take();
  a.ws.terminate();
  assert.match((await answer).detail, /not known|disconnected/);
  await eventually(async () => (await statusOf(a)) === 'offline');
  assert.equal((await a.connect(a.permanentToken)).type, 'auth_success');
  a.send({ correlation_id: command.id, success: true, status: 'started' });
  answer = start(a);
  const next = await take();
  assert.notEqual(next.id, command.id);
  a.send({ correlation_id: command.id, success: false, error: 'of the previous session' });
  a.send({ correlation_id: next.id, success: true, status: 'started' });
  await answer;
  assert.equal(await statusOf(thief), 'online');
  await assertOthersUnaffected();
});

// --- to the agent -----------------------------------------------------------------------------

// Starts a server that does the handshake and then sends `bytes`, or that sends `answer` in place of the handshake.
async function rawServer({ bytes = '', answer = null, end = false } = {}) {
  const s = createServer((socket) => {
    s.n++;
    socket.on('error', () => {});
    socket.received = Buffer.alloc(0);
    s.last = socket;
    socket.on('data', (d) => {
      socket.received = Buffer.concat([socket.received, d]);
      const key = /sec-websocket-key: (\S+)/i.exec(socket.received.toString('latin1'))?.[1];
      if (!key || socket.isGreeted) return;
      socket.isGreeted = true;
      socket.received = Buffer.alloc(0);
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      socket.write(answer ?? `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
      if (bytes.length) socket.write(bytes);
      if (end) socket.end();
    });
  });
  s.n = 0;
  s.listen(0, '127.0.0.1');
  await once(s, 'listening');
  s.url = `http://127.0.0.1:${s.address().port}`;
  return s;
}

// Answers that are not a valid WebSocket handshake. The agent logs the reason and dials again.
const answers = {
  'no HTTP': 'SSH-2.0-OpenSSH_9.2\r\n',
  'a page': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
  'a foreign accept key': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n',
  'an endless head': `HTTP/1.1 101 Switching Protocols\r\n${'X-Y: zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\r\n'.repeat(20000)}`,
  'a megabyte of zeros': Buffer.alloc(1 << 20),
};

test('to the agent: malformed data of every kind; afterwards it joins a good server', { timeout: 120000 }, async () => {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  const agents = [];
  const attack = async (what, options) => {
    const bad = await rawServer(options);
    const agent = await Agent.start({ url: bad.url }, engine, { token: 'registration-token', env: { RECONNECT_INITIAL: '50ms', RECONNECT_MAX: '200ms' } });
    agents.push({ what, bad, agent, codes: options.codes });
  };
  for (const [what, answer] of Object.entries(answers)) await attack(what, { answer });
  for (const [what, [bytes, codes]] of Object.entries(invalidFrames(false))) await attack(what, { bytes, codes });
  await attack('more than 4 MiB', { bytes: frame(1, 'x'.repeat((4 << 20) + 1), { masked: false }), codes: 1009 });
  await attack('half a frame and the end', { bytes: frame(1, '{"type":"auth_succ', { masked: false, length: 100 }), end: true });

  const survives = async ({ what, bad, agent, codes }) => {
    await eventually(() => bad.n >= 2, { timeout: 60000, what: `the agent dials again after ${what}` });
    assert.equal(agent.process.exit, undefined, `${what}: ${agent.process.lines.slice(-5).join('\n')}`);
    if (codes) await agent.process.line(new RegExp([codes].flat().join('|')));
    await agent.remove();
    bad.close();
    bad.last?.destroy();
  };
  await Promise.all(agents.map(survives));
});

test('to the agent: the session survives meaningless messages', { timeout: 60000 }, async () => {
  const engine = await ScriptedEngine.start();
  const peer = await HandServer.start();
  const agent = await Agent.start(peer, engine, { token: 'registration-token' });
  later(() => engine.stop(), () => peer.stop(), () => agent.remove());
  await peer.session();
  for (const message of [{}, [], 7, null, { type: 7 }, { type: 'command', command: 'x'.repeat(100000) }, { type: 'container_operation', payload: [] }])
    for (let i = 0; i < 200; i++) peer.send(JSON.stringify(message));
  assert.deepEqual((await peer.command('ping')).payload, { status: 'pong' });
  assert.equal(peer.connections, 1);
});

// --- to the engine client ---------------------------------------------------------------------

const invalidAnswers = {
  'an invalid chunk size': (_, s) => s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n'),
  'a chunk of 2^64': (_, s) => s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx'),
  'a chunk line without end': (_, s) => s.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'0'.repeat(1 << 20)}`),
  'two lengths': (_, s) => s.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}'),
  'a negative length': (_, s) => s.write('HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}'),
  'a length of 2^62': (_, s) => s.end('HTTP/1.1 200 OK\r\nContent-Length: 4611686018427387904\r\n\r\n{}'),
  'informational answers without end': (_, s) => s.write('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100000)),
  'JSON 100,000 deep': (res) => res.writeHead(200).end('['.repeat(100000)),
  'a body without end': (res) => {
    res.writeHead(200);
    const pour = setInterval(() => (res.destroyed || res.socket?.destroyed ? clearInterval(pour) : res.writableLength < 1 << 24 && res.write('x'.repeat(1 << 20))), 5);
    res.on('close', () => clearInterval(pour));
  },
};

test('to the engine client: malformed answers fail with a reason, a hung engine delays no other', { timeout: 120000 }, async () => {
  const peer = await HandServer.start();
  const engine = await ScriptedEngine.start();
  engine.containers = [scriptedContainer(1)];
  const agent = await Agent.start(peer, engine, { token: 'registration-token' });
  later(() => peer.stop(), () => engine.stop(), () => agent.remove());
  await peer.session();
  for (const [what, how] of Object.entries(invalidAnswers)) {
    engine.misbehave = (_, path) => (path.includes(scriptedId(1)) || path === '/images/json' ? how : null);
    for (const ask of [() => peer.operation({ action: 'inspect', container_id: scriptedId(1) }), () => peer.command('list_images')]) {
      const reply = await ask();
      assert.ok(reply.error?.length > 0, `${what}: ${JSON.stringify(reply).slice(0, 200)}`);
    }
    engine.misbehave = () => null;
    assert.equal((await peer.operation({ action: 'inspect', container_id: scriptedId(1) })).success, true, what);
  }
  assert.equal(peer.connections, 1, 'the session is the same');
});

test('one hung engine delays no other host', { timeout: 60000 }, async () => {
  const [hung, well] = [await ScriptedEngine.start(), await ScriptedEngine.start()];
  later(() => hung.stop(), () => well.stop());
  hung.containers = [scriptedContainer(1, { name: 'on-hung' })];
  well.containers = [scriptedContainer(2, { name: 'on-well' })];
  for (const [i, e] of [hung, well].entries()) {
    e.info = { ID: `engine-${i}` };
    const agent = await Agent.start(server, e, { env: { AGENT_NAME: `engine-${i}` } });
    later(() => agent.remove());
  }
  const [a, b] = [await client.container('on-hung'), await client.container('on-well')];
  hung.misbehave = () => () => {}; // accepts the request and sends nothing
  const pending = client.fetch('POST', `/api/hosts/${a.host_id}/containers/${a.id}/start`);
  let isAnswered = false;
  void pending.then(() => (isAnswered = true));
  for (let i = 0; i < 20; i++) await client.post(`/api/hosts/${b.host_id}/containers/${b.id}/start`);
  assert.equal(isAnswered, false, 'the request to the hung engine was still pending');
  hung.http.closeAllConnections();
  hung.misbehave = () => null;
  await pending;
});

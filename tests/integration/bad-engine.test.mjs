// The agent with an engine that hangs, closes connections, sends invalid answers, or has very many containers: every
// command is answered within its deadline, and the session to the server stays.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let engine, peer, agent, server, client, host;
const later = cleanups();

before(async () => {
  engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.containers = [scriptedContainer(1, { name: 'one' }), scriptedContainer(2, { name: 'two' })];
  peer = await HandServer.start();
  later(() => peer.stop());
  agent = await Agent.start(peer, engine, { token: 'registration-token' });
  later(() => agent.remove());
  await peer.session();
});

const [one, two] = [scriptedContainer(1).Id, scriptedContainer(2).Id];
const silent = () => {};
const onContainerOne = (how) => (_, path) => (path.startsWith(`/containers/${one}`) ? how : null);
const isSessionTheSame = () => assert.equal(peer.connections, 1, 'the session was not lost');

test('an engine that hangs: every command is answered in time, others are not delayed, the session stays', { timeout: 90000 }, async () => {
  engine.misbehave = onContainerOne(silent);
  const begin = Date.now();
  const hanging = ['start', 'inspect', 'get_logs', 'kill'].map((action) =>
    peer.operation({ action, container_id: one }, { timeout: 80000 }),
  );
  const brisk = await peer.operation({ action: 'inspect', container_id: two });
  assert.equal(brisk.success, true);
  assert.ok(Date.now() - begin < 5000, 'another container does not wait');
  assert.deepEqual((await peer.command('ping')).payload, { status: 'pong' });

  const first = await hanging[0];
  assert.ok(Date.now() - begin < 30000, `the first is answered before the server gives up: ${Date.now() - begin} ms`);
  assert.equal(first.success, false);
  // The limits of the engine's answer and of the command pass at the same time.
  assert.match(first.error, /did not finish within \d+ s|did not answer in time/);
  for (const reply of await Promise.all(hanging)) {
    assert.equal(reply.success, false);
    assert.match(reply.error, /did not (finish|start) within \d+ s|did not answer in time/);
  }
  assert.ok(Date.now() - begin < 30000, `all are, those that waited behind it, too: ${Date.now() - begin} ms`);
  isSessionTheSame();
  engine.misbehave = () => null;
  assert.equal((await peer.operation({ action: 'inspect', container_id: one })).success, true);
  assert.ok(!engine.requests.includes(`POST /containers/${one}/kill`), 'an abandoned command is not executed later');
});

const oddities = {
  'a connection closed before the answer': (_, socket) => socket.destroy(),
  'half an answer': (res, socket) => {
    res.writeHead(200, { 'Content-Length': 1000 });
    res.write('{"Id": "');
    setTimeout(() => socket.destroy(), 50);
  },
  'no HTTP': (_, socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'),
  'no JSON': (res) => res.writeHead(200, { 'Content-Type': 'application/json' }).end('<html>proxy</html>'),
  'binary': (res) => res.writeHead(200).end(Buffer.from([0, 255, 1, 254])),
  'an error page': (res) => res.writeHead(502, { 'Content-Type': 'text/html' }).end('<html>Bad Gateway</html>'),
  'an error in bytes that are no text': (res) => res.writeHead(500).end(Buffer.from('{"message": "\xff\xfe\x00"}', 'latin1')),
  'an endless head': (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    for (let i = 0; i < 3000; i++) socket.write(`X-${i}: ${'y'.repeat(100)}\r\n`);
  },
  'more than an inspect may be': (res) => {
    res.writeHead(200);
    for (let i = 0; i < 40; i++) res.write('x'.repeat(1 << 20));
    res.end();
  },
  'JSON of another kind': (res) => res.writeHead(200).end('[1, 2, 3]'),
};

for (const [what, how] of Object.entries(oddities)) {
  test(`${what} fails with a reason and does not end the session`, async () => {
    engine.misbehave = onContainerOne(how);
    for (const action of what === 'JSON of another kind' ? ['get_logs'] : ['inspect', 'get_logs']) {
      const reply = await peer.operation({ action, container_id: one });
      assert.equal(reply.success, false, `${action}: ${JSON.stringify(reply).slice(0, 200)}`);
      assert.ok(reply.error.length > 0);
    }
    engine.misbehave = () => null;
    assert.equal((await peer.operation({ action: 'inspect', container_id: one })).success, true);
    isSessionTheSame();
  });
}

test('a list that fails is an error, and the next one is right', async () => {
  for (const how of [oddities['half an answer'], oddities['no JSON'], (res) => res.writeHead(500).end('{"message":"boom"}')]) {
    engine.misbehave = (_, path) => (path === '/containers/json' ? how : null);
    const reply = await peer.command('list_containers');
    assert.ok(reply.error, JSON.stringify(reply));
    assert.equal('payload' in reply, false);
  }
  engine.misbehave = () => null;
  assert.equal((await peer.command('list_containers')).payload.length, 2);
  isSessionTheSame();
});

test('a list of 12 MiB reaches a server that polls, and a longer one than peers take is an error', { timeout: 60000 }, async () => {
  const containers = engine.containers;
  const big = (n) => Array.from({ length: n }, (_, i) => scriptedContainer(i + 1, { Labels: { pad: 'p'.repeat(600 << 10) } }));

  engine.containers = big(20);
  const reply = await peer.command('list_containers');
  assert.equal(reply.error, undefined);
  assert.equal(reply.payload.length, 20);
  assert.equal(reply.payload.at(-1).Labels.pad.length, 600 << 10);
  engine.containers = big(30);
  assert.match((await peer.command('list_containers')).error, /reply.*too large|longer|large/);
  engine.containers = containers;
  isSessionTheSame();
});

test('containers whose inspect or image fails are listed nevertheless', async () => {
  engine.containers.push(scriptedContainer(3, { name: 'gone', ImageID: `sha256:${'c'.repeat(64)}` }));
  engine.misbehave = (_, path) =>
    path === `/containers/${scriptedId(3)}/json` || path.includes('c'.repeat(64)) ? (res) => res.writeHead(404).end('{"message":"gone"}') : null;
  const { payload } = await peer.command('list_containers');
  engine.misbehave = () => null;
  engine.containers.pop();

  assert.deepEqual(payload.find((e) => e.Names[0] === '/gone').RepoDigests, []);
  assert.equal(payload.length, 3);
});

test('malformed, incomplete and huge lines do not end the event stream for good', async () => {
  await eventually(() => engine.events.size > 0);
  const before = engine.requests.filter((r) => r === 'GET /events').length;
  for (const res of engine.events) res.write('{"Type": "contain');
  for (const res of [...engine.events]) res.destroy();
  await eventually(() => engine.events.size > 0 && engine.requests.filter((r) => r === 'GET /events').length > before, { what: 'the stream is opened again' });
  for (const res of engine.events) res.write(`nonsense\n{}\n[]\n{"Type":"container","Action":7,"Actor":null}\n`);
  await eventually(() => engine.events.size > 0);
  for (const res of engine.events) res.write(`{"x": "${'y'.repeat(3 << 20)}"}\n`);
  await eventually(() => {
    engine.event(engine.containers[0], 'pause');
    return peer.events('container_event').some((e) => e.container_id === one && e.action === 'pause');
  }, { what: 'an event arrives after all of that', interval: 500 });
  isSessionTheSame();
});

test('5,000 containers reach the server and its clients', { timeout: 120000 }, async () => {
  engine.containers = Array.from({ length: 5000 }, (_, i) => scriptedContainer(i + 1, { Labels: { pad: 'p'.repeat(500) } }));
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('viewer');
  const joined = await Agent.start(server, engine);
  later(() => joined.remove());
  host = await client.onlineHost();
  const listed = await eventually(async () => {
    const all = await client.get('/api/containers');
    return all.length === 5000 && all;
  }, { timeout: 60000, interval: 500, what: 'all containers are listed' });
  assert.equal(new Set(listed.map((c) => c.full_id)).size, 5000);

  engine.containers[0].State = 'exited';
  engine.event(engine.containers[0], 'die', { exitCode: '0' });
  await eventually(async () => (await client.get('/api/containers')).find((c) => c.full_id === one)?.state === 'exited', { what: 'a change arrives as a delta' });
  const rss = Number(/VmHWM:\s+(\d+)/.exec((await run('cat', [`/proc/${joined.process.child.pid}/status`])).stdout)[1]);
  assert.ok(rss < 700 * 1024, `the agent needed ${rss} KiB, sanitizers included`);
});

test('restart policies are in the lists', async () => {
  const c = (await client.get('/api/containers')).find((x) => x.full_id === two);
  assert.equal(c.restart_policy, 'unless-stopped');
});

test('the 5,001st container is skipped, and the server reports it', { timeout: 60000 }, async () => {
  const more = scriptedContainer(5001, { name: 'one-too-many' });
  engine.containers.push(more);
  engine.event(more, 'start');
  await server.process.line(/containers left out: the host has more than the limit/);
  assert.equal((await client.get('/api/containers')).length, 5000);
  assert.equal((await client.onlineHost()).id, host.id);
});

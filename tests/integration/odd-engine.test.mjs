// An engine whose answers are too large for a message or for memory, or that refuses: one container does not hide
// the others, and failures are reported.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();

async function engineWith(containers) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.containers = containers;
  return engine;
}

async function agentOf(server, engine, options) {
  const agent = await Agent.start(server, engine, options);
  later(() => agent.remove());
  return agent;
}

test('a container with an oversized description does not hide the others', { timeout: 60000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const engine = await engineWith([
    scriptedContainer(1, { name: 'small' }), scriptedContainer(2, { name: 'giant', Labels: { pad: 'p'.repeat(9 << 20) } }), scriptedContainer(3, { name: 'after' }),
  ]);
  const agent = await agentOf(server, engine);
  await client.container('small');
  await client.container('after');
  await agent.process.line(/description of the container is longer.*omitted.*container=00000002/);
  assert.equal(server.process.exit, undefined);
});

test('a server that polls: labels that are left out are said once, with the container', { timeout: 60000 }, async () => {
  const server = await HandServer.start();
  later(() => server.stop());
  const engine = await engineWith([scriptedContainer(1, { name: 'small' }), scriptedContainer(2, { name: 'giant', Labels: { pad: 'p'.repeat(1100000) } })]);
  const agent = await agentOf(server, engine, { token: 'registration-token' });
  await server.session();
  for (let i = 0; i < 3; i++) {
    const list = (await server.command('list_containers')).payload;
    assert.deepEqual(list.map((c) => 'Labels' in c), [true, false]);
  }
  assert.equal(agent.process.lines.filter((l) => /longer than.*labels.*container=00000002/.test(l)).length, 1);
  engine.event({ ...engine.containers[1], Names: ['/giant'] }, 'start', { pad: 'p'.repeat(1100000) });
  await agent.process.line(/event start is longer.*container=00000002|container=00000002.*event start is longer/);
  await server.message((m) => m.command === 'container_event' && m.payload.container_id === scriptedId(2) && m.payload.action === 'start');
});

test('events that a proxy refuses: said once, the lists are read slowly, and the host shows why', { timeout: 90000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  let asked = 0;
  const refusal = (res) => res.writeHead(403, { 'Content-Type': 'text/html' }).end('<html><body><h1>403 Forbidden</h1></body></html>');
  engine.misbehave = (_, path) => (path === '/events' && ++asked ? refusal : null);
  const agent = await agentOf(server, engine);
  const host = async () => (await client.get('/api/hosts'))[0];

  await client.container('one');
  await eventually(async () => /events are refused.*proxy in front of the docker engine refused GET \/events with status 403/.test((await host()).error), { what: 'the host shows why' });
  assert.equal((await host()).status, 'online');
  engine.containers.push(scriptedContainer(2, { name: 'two' }));
  const lists = () => engine.requests.filter((r) => r === 'GET /containers/json').length;
  const before = lists();
  await client.container('two', { timeout: 45000 });
  assert.ok(asked <= 3, `asked for the events ${asked} times`);
  assert.ok(lists() - before <= 6, `${lists() - before} lists until the change was found`);
  assert.equal(agent.process.lines.filter((l) => /no event stream/.test(l)).length, 1);
});

test('a proxy that refuses everything: the agent names it and the request', async () => {
  const engine = await engineWith([]);
  engine.misbehave = (_, path) => (path === '/info' ? (res) => res.writeHead(403, { 'Content-Type': 'text/html' }).end('<h1>Forbidden</h1>') : null);
  const agent = await agentOf({ url: 'http://127.0.0.1:1', token: () => 'x' }, engine);
  await agent.process.line(/engine cannot be used: a proxy in front of the docker engine refused GET \/info with status 403; allow the request in the settings of that proxy/);
  engine.misbehave = (_, path) => (path === '/info' ? (res) => res.writeHead(403, { 'Content-Type': 'application/json' }).end('{"message":"authorization denied by plugin x"}') : null);
  const other = await agentOf({ url: 'http://127.0.0.1:1', token: () => 'x' }, engine);
  await other.process.line(/engine cannot be used: docker engine refused GET \/info: authorization denied by plugin x; the engine itself refuses it/);
});

// Of the proxies that filter a socket some refuse with 403, others with 405; the engine's plugins have a message.
test('a change that the engine or a proxy in front of it refuses is no matter of roles', { timeout: 60000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const { key } = await server.client('admin');
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  await agentOf(server, engine);
  const cli = (...args) => dockmon(server, key, args);
  await eventually(async () => (await cli('ps')).stdout.includes('one'));
  const exec = 'f'.repeat(64);
  const json = (status, v) => (res) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(v));
  const html = (status) => (res) => res.writeHead(status, { 'Content-Type': 'text/html' }).end('<h1>no</h1>');
  const why = (r) => (assert.notEqual(r.code, 0), r.stderr);
  const HELP = /; no role or policy of DockMon forbids it: if a proxy or an authorization plugin of the engine does, allow the request there/;

  for (const status of [401, 403, 405]) {
    engine.misbehave = (method) => (method === 'GET' ? null : html(status));
    for (const [args, request] of [[['stop', 'one'], `POST /containers/[0-9a-f]{12}/stop`], [['rm', 'one'], 'DELETE /containers/[0-9a-f]{12}'], [['network', 'create', 'n'], 'POST /networks/create'], [['exec', 'one', 'id'], 'POST /containers/[0-9a-f]{12}/exec']]) {
      const text = why(await cli(...args));
      assert.match(text, new RegExp(`a proxy in front of the docker engine refused ${request} with status ${status}`));
      if (args[0] !== 'exec') assert.match(text, HELP); // the reason of a close has 123 bytes
      assert.doesNotMatch(text, /API key|administrator|log in/);
    }
  }
  engine.misbehave = (method, path) => (method === 'POST' && path.endsWith('/exec') ? json(201, { Id: exec }) : path === `/exec/${exec}/start` ? html(403) : path.startsWith('/exec/') ? json(200, { Running: false, ExitCode: 0 }) : null);
  assert.match(why(await cli('exec', 'one', 'id')), new RegExp(`refused POST /exec/${exec.slice(0, 12)}/start with status 403`));
  engine.misbehave = (method, path) => (path.startsWith('/exec/') ? json(404, {}) : method === 'GET' ? null : json(403, { message: 'authorization denied by plugin x: no' }));
  assert.match(why(await cli('stop', 'one')), /docker engine refused POST \/containers\/[0-9a-f]{12}\/stop: authorization denied by plugin x: no; no role/);
});

test('more changes than can be stored: the complete list is read instead', { timeout: 60000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  await agentOf(server, engine);
  await client.container('one');
  await eventually(() => engine.events.size > 0);
  const lists = () => engine.requests.filter((r) => r === 'GET /containers/json').length;
  const before = lists();
  for (let i = 0; i < 20000; i++) engine.event(scriptedContainer(1000 + i), 'start');
  engine.containers.push(scriptedContainer(2, { name: 'two' }));
  engine.event(engine.containers[1], 'start');
  await client.container('two', { timeout: 30000 });
  assert.ok(lists() - before < 150, `${lists() - before} lists, of 50 containers each`);
});

test('an event that is too long or unreadable is a gap: all containers are read again', { timeout: 60000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  const agent = await agentOf(server, engine);

  await client.container('one');
  await eventually(() => engine.events.size > 0);
  engine.containers.push(scriptedContainer(2, { name: 'long' }));
  engine.event(engine.containers[1], 'create', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`label${i}`, 'v'.repeat(60_000)])));
  await client.container('long', { timeout: 10000 });
  await agent.process.line(/event create is longer than 1048576 bytes: its attributes are left out.*container=00000002/);

  for (const action of ['start', 'pause']) engine.event(engine.containers[1], action, { label: 'v'.repeat(5000) });
  engine.event(engine.containers[0], 'pause', { label: 'v'.repeat(5000) });
  await agent.process.line(/events are cut: the attribute label is too long.*container=00000001/);
  assert.equal(agent.process.lines.filter((l) => /events are cut.*container=00000002/.test(l)).length, 1);

  const unreadable = ['nonsense', '{"Type":"container","Action":"create","Actor":', `{"x":"${'y'.repeat(2 << 20)}"}`, '{}',
    '{"Type":"container","Action":7,"Actor":null}', '{"Type":"container","Action":"create","Actor":{"ID":7}}', `{"Type":"container","Actor":{"ID":"${scriptedId(2)}"}}`];
  for (const [i, line] of unreadable.entries()) {
    engine.containers.push(scriptedContainer(3 + i, { name: `unseen${i}` })); // without an event of its own
    for (const res of engine.events) res.write(`${line}\n`);
    await client.container(`unseen${i}`, { timeout: 10000 });
  }
  await agent.process.line(/an event of the engine is lost, all containers are read again/);
  await agent.process.line(/an event of the engine is longer than 1048576 bytes and is lost/);
  engine.containers.splice(1, 1);
  for (const res of engine.events) res.write('nonsense\n');
  await eventually(async () => !(await client.get('/api/containers')).some((c) => c.name === 'long'), { what: 'a removal without an event is noticed' });

  const lists = () => engine.requests.filter((r) => r === 'GET /containers/json').length;
  const losses = () => agent.process.lines.filter((l) => /an event of the engine is lost/.test(l)).length;
  const [before, lost, began] = [lists(), losses(), Date.now()];
  for (let i = 1; i <= 60; i++) {
    for (const res of engine.events) res.write('nonsense\n');
    await eventually(() => losses() >= lost + i, { interval: 1 });
  }
  const seconds = (Date.now() - began) / 1000;
  assert.ok(lists() - before <= 4 * (seconds + 2), `${lists() - before} lists in ${seconds} s`);
});

test('an engine with a version of 66 characters joins, and the version is cut', { timeout: 60000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);

  const version = JSON.stringify({ Version: `24.0.7-${'x'.repeat(59)}`, ApiVersion: '1.43', MinAPIVersion: '1.24', Os: 'linux', Arch: 'amd64' });
  engine.misbehave = (_, path) => (path === '/version' ? (res) => res.writeHead(200, { 'Content-Type': 'application/json' }).end(version) : null);
  await agentOf(server, engine);
  await client.container('one');
  const host = await client.onlineHost();
  assert.equal([...host.docker_version].length, 50);
  assert.match(host.docker_version, /^24\.0\.7-x+…$/);
});

test('endlessly opened and closed shells on an engine that does not answer are refused', { timeout: 60000 }, async () => {
  const peer = await HandServer.start();
  later(() => peer.stop());
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  await agentOf(peer, engine, { token: 'registration-token' });
  const exec = 'd'.repeat(64);
  engine.misbehave = (method, path) => {
    if (method === 'POST' && path.endsWith('/exec')) return (res) => res.writeHead(201, { 'Content-Type': 'application/json' }).end(JSON.stringify({ Id: exec }));
    if (path === `/exec/${exec}/start`) return (_, s) => s.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    if (path === `/exec/${exec}/json`) return () => {}; // whether it still runs
    return null;
  };
  await peer.session();
  const told = (id, action) => peer.events('shell_data').find((e) => e.session_id === id && e.action === action);
  const shell = (action, id) => peer.send({ type: 'shell_session', payload: { action, session_id: id, container_id: scriptedId(1) } });
  const refused = await eventually(async () => {
    const ids = Array.from({ length: 16 }, () => randomUUID());
    for (const id of ids) shell('start', id);
    await eventually(() => ids.every((id) => told(id, 'started') || told(id, 'error')));
    for (const id of ids) shell('close', id);
    return ids.map((id) => told(id, 'error')).find((e) => e);
  }, { timeout: 30000, interval: 0, what: 'one is refused' });
  assert.match(refused.error, /too many processes of closed shells/);
  // The agent still checks the processes; the scripted engine itself knows containers only.
  engine.misbehave = (_, path) => (path.startsWith('/exec/') ? (res) => res.writeHead(404).end() : null);
});

test('a process that cannot be ended is reported with the reason', { timeout: 60000 }, async () => {
  const peer = await HandServer.start();
  later(() => peer.stop());
  const engine = await engineWith([scriptedContainer(1, { name: 'one' })]);
  const agent = await agentOf(peer, engine, { token: 'registration-token' });
  const exec = 'e'.repeat(64);
  let nExecs = 0;
  engine.misbehave = (method, path) => {
    const json = (status, v) => (res) => res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(v));
    if (method === 'POST' && path.endsWith('/exec')) return nExecs++ === 0 ? json(201, { Id: exec }) : json(409, { message: 'Container one is paused, unpause the container before exec' });
    if (path === `/exec/${exec}/start`) return (_, s) => s.write('HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    if (path === `/exec/${exec}/json`) return json(200, { Running: true, Pid: 1 });
    return null;
  };
  await peer.session();
  peer.send({ type: 'shell_session', payload: { action: 'start', session_id: 's', container_id: scriptedId(1) } });
  await eventually(() => peer.events('shell_data').some((e) => e.action === 'started'));
  peer.send({ type: 'shell_session', payload: { action: 'close', session_id: 's' } });
  await agent.process.line(/could not end a process in a container: .*is paused/);
  engine.misbehave = () => null;
});

// The server's side of shells against an agent written by hand that speaks as today's Go agents do: no windows,
// no exit code, no commands.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement, containerId } from './lib/hand-agent.mjs';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';

let server, client, agent;
const id = containerId();
const base64 = (text) => Buffer.from(text).toString('base64');

async function join(capabilities = { shell_access: true }) {
  const a = new HandAgent(server, { fields: { capabilities } });
  a.containers = [containerElement({ id, name: 'web', labels: { team: 'shop' } })];
  const reply = await a.connect(await server.token());
  assert.equal(reply.type, 'auth_success');
  await eventually(async () => (await client.get('/api/containers')).some((c) => c.host_id === a.hostId));
  return a;
}
const sessions = (a) => a.commands.filter((m) => m.type === 'shell_session').map((m) => m.payload);
const started = async (a) => {
  const n = sessions(a).length;
  const shell = await Shell.open(server, client.key, a.hostId, id);
  const start = await eventually(() => sessions(a).slice(n).find((p) => p.action === 'start'));
  return { shell, start, id: start.session_id };
};
const tell = (a, session_id, action, more = {}) => a.event('shell_data', { session_id, action, ...more });

before(async () => {
  server = await Server.start();
  client = await server.client('operator');
  agent = await join();
});
after(async () => {
  await agent.close();
  await server.remove();
});

test('the start message has only the members that Go agents know; bytes arrive in order both ways', async () => {
  const { shell, start, id: session } = await started(agent);

  assert.deepEqual(Object.keys(start).sort(), ['action', 'container_id', 'session_id']);
  assert.equal(start.container_id, id);
  shell.write('before');
  tell(agent, session, 'data', { data: base64('early') });
  tell(agent, session, 'started');
  for (let i = 0; i < 50; i++) shell.write(`k${i};`);
  shell.send({ type: 'resize', cols: 120, rows: 40 });
  const mine = () => sessions(agent).filter((p) => p.session_id === session);
  await eventually(() => mine().some((p) => p.action === 'resize'));
  const input = mine().filter((p) => p.action === 'data').map((p) => Buffer.from(p.data, 'base64').toString()).join('');
  assert.equal(input, `before${Array.from({ length: 50 }, (_, i) => `k${i};`).join('')}`);
  const resize = mine().find((p) => p.action === 'resize');
  assert.deepEqual([resize.cols, resize.rows], [120, 40]);
  tell(agent, session, 'data', { data: base64('\u0000\u00ffend') });
  tell(agent, session, 'closed');
  assert.deepEqual(await shell.closed, { code: 1000, reason: '' });
  assert.equal(shell.text, 'early\u0000\u00ffend');
  assert.deepEqual(shell.messages, []);
  assert.ok(!mine().some((p) => p.action === 'ack'));
});

test('a name is resolved by the engine, which may have renamed containers; an id and the name of a limited user are not', async () => {
  const limited = { key: await server.admin('apikey', 'create', '--name', 'limited', '--role', 'operator', '--scope', 'label=team=shop') };
  for (const [key, word, expected] of [[client.key, 'web', 'web'], [client.key, id, id], [client.key, id.slice(0, 12), id], [limited.key, 'web', id]]) {
    const n = sessions(agent).length;
    const shell = await Shell.open(server, key, agent.hostId, word);
    const start = await eventually(() => sessions(agent).slice(n).find((p) => p.action === 'start'));
    assert.equal(start.container_id, expected, word);
    tell(agent, start.session_id, 'closed');
    await shell.closed;
  }
});

test("the agent's shell is closed when the client disconnects", async () => {
  const { shell, id: session } = await started(agent);

  shell.ws.terminate();
  await eventually(() => sessions(agent).some((p) => p.session_id === session && p.action === 'close'));
  tell(agent, session, 'data', { data: base64('too late') });
  tell(agent, session, 'closed');
  assert.equal((await client.get('/api/hosts')).find((h) => h.id === agent.hostId).status, 'online');
  // Its start and its end can be found by the id that the agent knows it by.
  const events = await eventually(async () => {
    const list = (await client.get(`/api/events/correlation/${session}`)).events;
    return list.length > 1 && list;
  });
  assert.deepEqual(events.map((e) => [e.event_type, e.correlation_id]).sort(), [['shell_end', session], ['shell_start', session]]);
});

test("an agent's error closes with 1011 and its text", async () => {
  const { shell, id: session } = await started(agent);

  tell(agent, session, 'error', { error: `no shell: ${'ü'.repeat(200)}` });
  const end = await shell.closed;
  assert.equal(end.code, 1011);
  assert.match(end.reason, /^no shell: ü+$/);
});

test('invalid messages of the agent end at most this shell', async () => {
  const { shell, id: session } = await started(agent);

  for (const payload of [null, [], 'x', {}, { session_id: session }, { session_id: 7, action: 'data' }, { session_id: session, action: 'dance' }])
    agent.event('shell_data', payload);
  tell(agent, session, 'data', { data: '*not base64*' });
  assert.equal((await shell.closed).code, 1011);
  assert.equal((await client.get('/api/hosts')).find((h) => h.id === agent.hostId).status, 'online');
});

test("another agent cannot send for it, and its disconnect ends only its own shells", async () => {
  const other = await join();
  const mine = await started(agent);
  const theirs = await started(other);

  tell(other, mine.id, 'data', { data: base64('forged') });
  tell(other, mine.id, 'closed');
  tell(agent, mine.id, 'data', { data: base64('true') });
  await mine.shell.until(/true/);
  assert.equal(mine.shell.text, 'true');
  await other.close();
  assert.equal((await theirs.shell.closed).code, 1001);
  mine.shell.write('still here');
  await eventually(() => sessions(agent).some((p) => p.session_id === mine.id && p.action === 'data'));
  mine.shell.ws.close();
});

test('an agent without windows: a client that does not read loses its shell, memory does not grow', async () => {
  const { shell, id: session } = await started(agent);
  const piece = base64(Buffer.alloc(4096, 'x'));

  shell.ws._socket.pause();
  for (let i = 0; i < 4000; i++) tell(agent, session, 'data', { data: piece });
  await eventually(() => sessions(agent).some((p) => p.session_id === session && p.action === 'close'));
  shell.ws._socket.resume();
  assert.equal((await shell.closed).code, 1013);
});

test('an agent with windows gets the next input when it has taken more than half of the window', async () => {
  const a = await join({ shell_access: true, exec_command: true });
  const { shell, start, id: session } = await started(a);
  const received = () => sessions(a).filter((p) => p.session_id === session && p.action === 'data')
    .reduce((sum, p) => sum + Buffer.from(p.data, 'base64').length, 0);
  const KIB = 1024;

  assert.equal(start.window, 256 * KIB);
  tell(a, session, 'started');
  for (let i = 0; i < 64; i++) shell.write(Buffer.alloc(8 * KIB, 'i'));
  await eventually(() => received() >= start.window);
  tell(a, session, 'ack', { bytes: 120 * KIB });
  for (let i = 0; i < 10; i++) await a.roundTrip(); // turns in which the server would read more input
  assert.equal(received(), start.window, 'more than half is still to be taken');
  tell(a, session, 'ack', { bytes: 16 * KIB });
  await eventually(() => received() === (256 + 136) * KIB);
  tell(a, session, 'ack', { bytes: 256 * KIB });
  await eventually(() => received() === 512 * KIB);
  tell(a, session, 'closed');
  await shell.closed;
  await a.close();
});

test('typed bytes go together to an agent that can change their order', async () => {
  const { shell, id: session } = await started(agent);
  const typed = 'echo abc\n';

  tell(agent, session, 'started');
  for (const c of typed) shell.write(c);
  const mine = () => sessions(agent).filter((p) => p.session_id === session && p.action === 'data');
  const text = () => mine().map((p) => Buffer.from(p.data, 'base64').toString()).join('');
  await eventually(() => text() === typed);
  assert.ok(mine().length < typed.length / 2, `${mine().length} messages`);
  tell(agent, session, 'closed');
  await shell.closed;
});

test('a lone name of a shell on a terminal opens the shell of the agent', async () => {
  const n = sessions(agent).length;
  const shell = await Shell.open(server, client.key, agent.hostId, id, { start: { cmd: ['/bin/sh'], tty: true, env: [] } });
  const start = await eventually(() => sessions(agent).slice(n).find((p) => p.action === 'start'));

  assert.deepEqual(Object.keys(start).sort(), ['action', 'container_id', 'session_id']);
  tell(agent, start.session_id, 'closed');
  assert.equal((await shell.closed).code, 1000);
  for (const more of [{ tty: false }, { user: 'root' }, { cmd: ['sh', '-c', 'ls'] }, { env: ['A=b'] }]) {
    const refused = await Shell.open(server, client.key, agent.hostId, id, { start: { cmd: ['sh'], tty: true, ...more } });
    assert.match((await refused.closed).reason, /only open shells/);
  }
});

test('operations that the agent does not support are refused', async () => {
  const old = await join({ container_operations: true });

  let end = await (await Shell.open(server, client.key, old.hostId, id)).closed;
  assert.equal(end.code, 1008);
  assert.match(end.reason, /no shells/);
  end = await (await Shell.open(server, client.key, agent.hostId, id, { start: { cmd: ['ls'] } })).closed;
  assert.equal(end.code, 1008);
  assert.match(end.reason, /only open shells/);
  await old.close();
  end = await (await Shell.open(server, client.key, old.hostId, id)).closed;
  assert.equal(end.code, 1008);
  assert.match(end.reason, /offline/);
});

test('invalid paths are refused', async () => {
  for (const path of ['x', 'x/', 'x/y/z', '/y', ''])
    await assert.rejects(Shell.open(server, client.key, ...path.split('/').slice(0, 1), path.split('/').slice(1).join('/')), /404|400/);
});

test('a server that stops closes with 1001', async () => {
  const { shell } = await started(agent);

  await server.process.stop();
  assert.equal((await shell.closed).code, 1001);
  await server.up();
});

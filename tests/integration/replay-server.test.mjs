// The recorded conversation of a server of DockMon, sent again to our agent: each command is answered with the type and
// the members of the reply that the server got from its own agent. The engine has the recorded objects.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent } from './lib/dockmon.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ReplayEngine } from './lib/replay-engine.mjs';
import { load, nameOf, pairs } from './lib/replay.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
const rows = load('go-agent-head_python-server-head.jsonl').map((r) => ({ from: r.from, message: r.json }));
const recorded = (match) => rows.find((r) => match(r.message)).message;
const register = recorded((m) => m.type === 'register');
let engine, server;

before(async () => {
  engine = await ReplayEngine.start(register);
  later(() => engine.stop());
  server = await HandServer.start({ authorize: () => recorded((m) => m.type === 'auth_success') });
  later(() => server.stop());
  const agent = await Agent.start(server, engine, {
    token: register.token, env: { AGENT_NAME: register.hostname, FORCE_UNIQUE_REGISTRATION: 'true', STATS_SOURCE: 'api', STATS_LIVE_INTERVAL: '1s' },
  });
  later(() => agent.remove());
  await server.session();
});

/* --- comparisons --- */

// Members of our agent beside DockMon's; docs/protocol.md has them.
const OURS = {
  response: ['error_type', 'status'], operation: ['error_type', 'status', 'truncated'], element: ['labels', 'scope', 'OOMKilled'], payload: ['labels', 'scope', 'exit_code', 'update_id'], HostConfig: ['RestartPolicy'],
};
const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v);
const idOf = (v) => v?.Id ?? v?.id ?? v?.name;
const short = (text) => text.replace(/[0-9a-f]{64}/g, (id) => id.slice(0, 12));

function differences(theirs, ours, where, more = []) {
  if (kind(theirs) === 'null' || (kind(ours) === 'null' && where.endsWith('.labels'))) return [];
  if (kind(theirs) !== kind(ours)) return [`${where}: ${kind(theirs)} is ${kind(ours)}`];
  if (kind(theirs) === 'array') {
    return theirs.flatMap((v, i) => {
      const same = idOf(v) === undefined ? ours[i] ?? v : ours.find((o) => idOf(o) === idOf(v));
      if (same === undefined && where.endsWith('.containers')) return []; // others than those of the first list
      return same === undefined ? [`${where}: no ${idOf(v)}`] : differences(v, same, `${where}[]`, OURS.element);
    });
  }
  if (kind(theirs) !== 'object') return [];
  const missing = Object.keys(theirs).filter((k) => theirs[k] !== null && !(k in ours)).map((k) => `${where}.${k} is missing`);
  const unknown = Object.keys(ours).filter((k) => !(k in theirs) && !more.includes(k)).map((k) => `${where}.${k} is not DockMon's`);
  const deeper = Object.keys(theirs).filter((k) => k in ours).flatMap((k) => differences(theirs[k], ours[k], `${where}.${k}`, OURS[k]));
  return [...missing, ...unknown, ...deeper];
}

const assertSame = (theirs, ours, where, more) => assert.deepEqual(differences(theirs, ours, where, more), [], `${where}: ${JSON.stringify(ours).slice(0, 2000)}`);

// The engine's words reach the server unchanged; it finds the status of its answers by them.
function checkError(reply, ours, where) {
  const words = reply.error.split('Error response from daemon: ')[1];

  if (words) assert.ok(short(ours.error).includes(short(words)), `${where}: ${ours.error} has not: ${words}`);
}

/* --- what happened on the recorded host beside the commands --- */

function learnContainers({ sent, at }) {
  const seen = rows.slice(0, at + 1).filter((r) => r.from === 'agent');
  const text = seen.map((r) => JSON.stringify(r.message)).join('\n');
  const elements = rows.flatMap(({ message: m }) => (Array.isArray(m.payload) && m.payload[0]?.Id ? m.payload : []));
  const inspects = rows.flatMap(({ message: m }) => m.container ?? []);

  for (const { Id } of [...elements, ...inspects]) {
    const isGone = rows.slice(0, sent).some(({ message: m }) => m.command === 'container_event' && m.payload.action === 'destroy' && m.payload.container_id === Id);
    if (isGone) engine.forget(Id);
    else if (text.includes(Id.slice(0, 12))) engine.learnContainer(elements.find((e) => e.Id === Id), inspects.find((c) => c.Id === Id));
  }
}

function learn(pair) {
  const { message, reply } = pair;
  const name = nameOf(message);

  learnContainers(pair);
  if (name === 'list_images') engine.learnImages(reply.payload);
  if (name === 'list_networks') engine.learnNetworks(reply.payload);
  if (name === 'list_volumes') engine.learnVolumes(reply.payload);
  if (name === 'get_logs' && reply.success) engine.learnLogs(message.payload.container_id, reply.logs);
  if (name === 'update_container') engine.learnUnknown(message.payload.container_id);
  if (name === 'create_network' && reply.payload) engine.newNetworkId = reply.payload.id;
  if (name === 'remove_image') engine.refusals.set(message.payload.image_id, reply.error.split('Error response from daemon: ')[1]);
}

/* --- the tests --- */

const ask = async ({ message }) => {
  server.send(message);
  return server.message((m) => m.type !== 'event' && (m.correlation_id ?? m.id) === message.id, { what: `the reply to ${nameOf(message)}` });
};

test('register has the members of DockMon, and the facts of its engine', () => {
  const ours = server.registrations[0];
  const capabilities = register.capabilities;

  assertSame({ ...register, capabilities: {} }, { ...ours, capabilities: {} }, 'register');
  for (const name of ['engine_id', 'docker_version', 'kernel_version', 'os_type', 'os_version', 'num_cpus', 'total_memory', 'hostname', 'hostname_source', 'proto_version', 'force_unique_registration'])
    assert.equal(ours[name], register[name], name);
  assert.ok(Object.values(ours.capabilities).every((v) => typeof v === 'boolean'));
  for (const name of ['container_operations', 'event_streaming', 'shell_access', 'stats_collection']) assert.equal(ours.capabilities[name], capabilities[name], name);
  assert.equal(ours.capabilities.container_updates, true);
  for (const name of ['compose_deployments', 'self_update']) assert.notEqual(ours.capabilities[name], true, name);
});

// Answered, but not with the success that the recorded agent had.
const REFUSED = {
  prune_volumes: (ours) => assertSame({ removed_count: 0, space_reclaimed: 0, volumes_removed: [] }, ours.payload, 'prune_volumes'),
};

test('each recorded command is answered with the same type and members', { timeout: 120000 }, async () => {
  const seen = new Set();

  for (const pair of pairs(rows)) {
    const name = nameOf(pair.message);
    learn(pair);
    const isFirst = !seen.has(name) && seen.add(name);
    const ours = await ask(pair);
    const theirs = pair.reply;

    if (REFUSED[name]) {
      assert.equal(ours.type, theirs.type);
      REFUSED[name](ours);
      continue;
    }
    assertSame(theirs, ours, name, OURS[theirs.type ?? 'operation']);
    assert.equal(ours.type, theirs.type);
    assert.equal(ours.success, theirs.success);
    assert.equal(ours.status && !ours.error ? ours.status : undefined, theirs.status);
    if (theirs.error) checkError(theirs, ours, name);
    if (ours.container) assert.deepEqual(ours.container, engine.inspects.get(ours.container.Id));
    if (ours.logs) assert.deepEqual(ours.logs.split('\n').sort(), theirs.logs.split('\n').sort());
    if (isFirst && Array.isArray(theirs.payload)) checkValues(theirs.payload, ours.payload, name);
  }
  for (const event of ['deploy_complete']) {
    const end = await server.message((m) => m.command === event, { what: event });
    assertSame(recorded((m) => m.command === event), end, event);
    assert.equal(end.payload.success, false);
  }
});

// A list has the values of the recorded one, where the engine has them.
function checkValues(theirs, ours, name) {
  const plain = ({ labels, scope, OOMKilled, Status, HostConfig, created, ...element }) => ({ ...element, created: created && Date.parse(created), mode: HostConfig?.NetworkMode });
  const byId = (a, b) => (idOf(a) < idOf(b) ? -1 : 1);

  assert.deepEqual(ours.map(plain).sort(byId), theirs.map(plain).sort(byId), name);
}

test('stacks that the server looks for: a refusal that does not count as a failure', async () => {
  const reply = await server.command('scan_compose_dirs', { paths: null, recursive: true, max_depth: 5 });

  assert.equal(reply.error, undefined);
  assert.deepEqual({ success: reply.payload.success, compose_files: reply.payload.compose_files }, { success: false, compose_files: [] });
});

test('a shell: the recorded output, in the recorded order', async () => {
  const shell = rows.filter((r) => r.message.type === 'shell_session' || r.message.command === 'shell_data').map((r) => r.message);
  const outputs = [[]];
  for (const m of shell) {
    if (m.type === 'shell_session' && m.payload.action === 'data') outputs.push([]);
    if (m.command === 'shell_data' && m.payload.data) outputs.at(-1).push(Buffer.from(m.payload.data, 'base64'));
  }
  engine.shell = [...outputs];
  const text = () => Buffer.concat(server.events('shell_data').filter((p) => p.data).map((p) => Buffer.from(p.data, 'base64'))).toString();
  let expected = '';

  for (const m of shell.filter((x) => x.type === 'shell_session')) {
    server.send(m);
    if (m.payload.action === 'resize') {
      await eventually(() => engine.requests.some((r) => r.endsWith('/resize')), { what: 'the size of the terminal' });
      continue;
    }
    expected += Buffer.concat(outputs.shift()).toString();
    await eventually(() => text() === expected, { what: JSON.stringify(expected) });
  }
  await eventually(() => server.events('shell_data').at(-1).action === 'closed', { what: 'the end of the shell' });
  for (const action of ['started', 'data', 'closed']) {
    const is = (m) => m.command === 'shell_data' && m.payload.action === action;
    assertSame(recorded(is), server.messages.find(is), action);
  }
});

test('events and samples have the members of DockMon', async () => {
  for (const name of ['container_event', 'container_stats']) {
    const is = (m) => m.command === name && (name !== 'container_event' || m.payload.action === 'start');
    const ours = await server.message(is, { what: name });
    const theirs = recorded(is);

    assertSame({ ...theirs, payload: { ...theirs.payload, attributes: {} } }, { ...ours, payload: { ...ours.payload, attributes: {} } }, name);
  }
  assertSame(recorded((m) => m.type === 'stats'), await server.message((m) => m.type === 'stats', { what: 'metrics of the host' }), 'stats');
});

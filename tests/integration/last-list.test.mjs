// The last known list of a host survives a restart of the server.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Server, dockmon } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { eventually } from './lib/wait.mjs';

let server, admin;
const hands = {};
const long = Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`label${i}`, 'v'.repeat(4000)]));

async function join(hostname, ...containers) {
  const hand = new HandAgent(server, { hostname });

  hand.containers = containers;
  assert.equal((await hand.connect(await server.token())).type, 'auth_success');
  hands[hostname] = hand;
  return Promise.all(containers.map((c) => admin.container(c.Id)));
}

const hostOf = async (name) => (await admin.get('/api/hosts')).find((h) => h.name === name);
const goesOffline = (name) => eventually(async () => (await hostOf(name)).status === 'offline');

// The write-ahead log and the database: the rows are text.
async function disk() {
  const files = await Promise.all(['dockmon.db', 'dockmon.db-wal'].map((f) => readFile(`${server.dir}/${f}`).catch(() => '')));
  return files.join('');
}

async function shown(...args) {
  const r = await dockmon(server, admin.key, args);

  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
}

before(async () => {
  server = await Server.start();
  admin = await server.client('admin');
});

after(async () => {
  await Promise.all(Object.values(hands).map((h) => h.close()));
  await server?.remove();
});

// Everything but what depends on the connection and on secrets.
const kept = ({ state, status, last_state, host_online, host_error, confirmed_at, stale_since, env, command, ...rest }) => rest;

test('a host that is offline when the server starts still shows its containers, after a kill, too', async () => {
  const [before] = await join('web1', containerElement({ name: 'shop', labels: long }));
  const confirmed = (await admin.container('shop')).confirmed_at;

  await hands.web1.close();
  await goesOffline('web1');
  await eventually(async () => (await disk()).includes('"shop"'));
  await server.down('SIGKILL');
  await server.up();
  const now = await admin.container('shop');
  assert.deepEqual(kept(now), kept(before));
  assert.deepEqual([now.state, now.status, now.last_state], ['unknown', 'unknown', before.state]);
  assert.equal(now.host_online, false);
  assert.ok(now.confirmed_at >= confirmed, `${now.confirmed_at} ${confirmed}`);
  assert.equal(now.command, null);
  assert.doesNotMatch(await disk(), /hunter2/);
  assert.match(await shown('ps', '-a'), /host offline.*shop/);
  const r = await dockmon(server, admin.key, ['restart', 'shop']);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /web1 is offline/);
  assert.doesNotMatch(r.stderr, /No such container/);
  await shown('history', 'shop');
});

test('a clean stop writes the lists of hosts that are online', async () => {
  await join('web2', containerElement({ name: 'first' }));
  await eventually(async () => (await disk()).includes('"first"'));
  hands.web2.containers = [containerElement({ name: 'second' })]; // not written for minutes
  await admin.container('second');
  await server.down();
  await hands.web2.closed;
  await server.up();
  assert.match(await shown('ps', '-a'), /host offline.*second/);
  assert.doesNotMatch(await shown('ps', '-a'), /first/);
});

test('the agent that comes back replaces the stored list', async () => {
  hands.web2.containers = [containerElement({ name: 'third' })];
  const reply = await hands.web2.dial({ ...hands.web2.registration(hands.web2.permanentToken) });
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  await admin.container('third');
  assert.doesNotMatch(await shown('ps', '-a'), /second/);
});

test('the list of a deleted host is deleted', async () => {
  await hands.web2.close();
  await goesOffline('web2');
  await admin.delete(`/api/hosts/${(await hostOf('web2')).id}`);
  await server.down();
  await server.up();
  assert.doesNotMatch(await shown('ps', '-a'), /third/);
  assert.match(await shown('ps', '-a'), /shop/);
});

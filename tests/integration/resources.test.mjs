// Images, networks and volumes: the agent's replies, REST and CLI, with the docker CLI as witness. What is
// global to an engine (prune) runs on an engine of the test's own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { Engine, IMAGE, OwnEngine } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const cleanup = [];
let hand, server, agent, host, clients;

before(async () => {
  await engine.ensureImage();
  hand = await HandServer.start();
  cleanup.push(() => hand.stop());
  const peer = await Agent.start(hand, engine, { token: 'registration-token' });
  cleanup.push(() => peer.remove());
  await hand.session();
  server = await Server.start();
  cleanup.push(() => server.remove());
  clients = { viewer: await server.client('viewer'), operator: await server.client('operator') };
  agent = await Agent.start(server, engine);
  cleanup.push(() => agent.remove());
  host = await clients.viewer.onlineHost();
});

after(async () => {
  for (const end of cleanup.reverse()) await end();
  await engine.cleanup();
  for (const kind of ['network', 'volume']) {
    const names = await engine.docker(kind, 'ls', '-q', '--filter', `name=${engine.prefix}`);
    if (names) await engine.docker(kind, 'rm', ...names.split('\n'));
  }
});

const payload = async (name, fields) => {
  const reply = await hand.command(name, fields ?? {});
  assert.equal(reply.error, undefined, `${name}: ${reply.error}`);
  assert.equal(reply.type, 'response');
  return reply.payload;
};
const refused = async (name, fields, pattern, status) => {
  const reply = await hand.command(name, fields);
  assert.equal('payload' in reply, false, JSON.stringify(reply));
  assert.match(reply.error, pattern);
  assert.equal(reply.status, status, reply.error);
};
// The list, once it says what the docker CLI says: others work on the same engine at the same time.
const agrees = (name, check) =>
  eventually(async () => {
    const list = await payload(name);
    await check(list);
    return list;
  });
const lines = (text) => text.split('\n').filter(Boolean).sort();
const isTime = (s) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(s);
const tag = async (name) => {
  await engine.docker('tag', IMAGE, name);
  cleanup.push(() => engine.docker('rmi', name).catch(() => {}));
  return name;
};
// An image of its own, with an id that nothing else has.
const image = async (name, on = engine) => {
  const id = await on.docker('create', '--network', 'none', '--name', `${on.prefix}-img-${Math.random().toString(36).slice(2)}`, IMAGE, 'true');
  const made = await on.docker('commit', '-m', Math.random().toString(), id, name);
  await on.docker('rm', id);
  return made.replace('sha256:', '').slice(0, 12);
};

test('agent: list_images', async () => {
  const c = await engine.run('img-user');
  const list = await agrees('list_images', async (l) => {
    const theirs = lines(await engine.docker('images', '-q')).filter((x, i, all) => all.indexOf(x) === i);
    assert.deepEqual(l.map((i) => i.id).sort(), theirs);
  });
  const mine = list.find((i) => i.tags.includes(IMAGE));
  assert.ok(isTime(mine.created), mine.created);
  assert.equal(mine.size, Number(await engine.docker('image', 'inspect', IMAGE, '--format', '{{.Size}}')));
  assert.equal(mine.in_use, true);
  assert.equal(mine.dangling, false);
  assert.equal(mine.container_count, mine.containers.length);
  assert.deepEqual(mine.containers.find((x) => x.name === c.name), { id: c.id.slice(0, 12), name: c.name });
  assert.deepEqual(Object.keys(mine).sort(), ['container_count', 'containers', 'created', 'dangling', 'id', 'in_use', 'size', 'tags']);
});

test('agent: remove_image by name, by short id, with force', async () => {
  const name = `${engine.prefix}/team/web:1.2`.toLowerCase();
  const id = await image(name);
  await engine.docker('tag', id, `${name}-b`);

  await refused('remove_image', { image_id: id, force: false }, /referenced|conflict/i, 409);
  assert.deepEqual(await payload('remove_image', { image_id: `${name}-b`, force: false }), { success: true });
  assert.deepEqual((await payload('list_images')).find((i) => i.id === id).tags, [name]);
  assert.deepEqual(await payload('remove_image', { image_id: id, force: true }), { success: true });
  assert.equal((await payload('list_images')).some((i) => i.id === id), false);
  await refused('remove_image', { image_id: id, force: true }, /No such image/, 404);
  await refused('remove_image', { image_id: '../containers/x' }, /image_id/, 400);
  await refused('remove_image', {}, /image_id/, 400);
});

test('agent: networks are made, listed and deleted', async () => {
  const name = `${engine.prefix}-net`;
  const made = await payload('create_network', { name, driver: '', subnet: '10.213.0.0/24', gateway: '10.213.0.1', internal: true });
  const truth = JSON.parse(await engine.docker('network', 'inspect', name))[0];

  assert.deepEqual(
    { ...made, created: undefined },
    {
      id: truth.Id.slice(0, 12), name, driver: 'bridge', scope: 'local', created: undefined, internal: true,
      subnet: '10.213.0.0/24', containers: [], container_count: 0, is_builtin: false,
    },
  );
  assert.ok(isTime(made.created));
  assert.equal(truth.IPAM.Config[0].Gateway, '10.213.0.1');
  assert.equal(truth.Internal, true);
  await refused('create_network', { name, driver: 'bridge', subnet: '', gateway: '', internal: false }, /already exists/, 409);
  await refused('create_network', { name: `${name}-g`, gateway: '10.1.1.1' }, /subnet/, 400);
  await refused('create_network', { name: `${name}-g`, subnet: '10.1.1.1' }, /./, 400);

  const c = await engine.run('net-user');
  await engine.docker('network', 'disconnect', 'none', c.name);
  await engine.docker('network', 'connect', name, c.name);
  const list = await agrees('list_networks', async (l) => {
    assert.deepEqual(l.map((n) => n.id).sort(), lines(await engine.docker('network', 'ls', '-q')));
    for (const n of l) {
      const inspected = Object.keys(JSON.parse(await engine.docker('network', 'inspect', n.id))[0].Containers);
      assert.deepEqual(n.containers.map((x) => x.id).sort(), inspected.map((x) => x.slice(0, 12)).sort(), n.name);
      assert.equal(n.container_count, n.containers.length);
    }
  });
  assert.deepEqual(list.find((n) => n.name === name).containers, [{ id: c.id.slice(0, 12), name: c.name }]);
  assert.deepEqual(list.filter((n) => n.is_builtin).map((n) => n.name).sort(), ['bridge', 'host', 'none']);

  await refused('delete_network', { network_id: made.id, force: false }, new RegExp(`in use by 1 container: ${c.name}`), 409);
  assert.deepEqual(await payload('delete_network', { network_id: made.id, force: true }), { success: true });
  assert.equal((await payload('list_networks')).some((n) => n.id === made.id), false);
  assert.equal(await engine.state(c.id), 'running');
  await refused('delete_network', { network_id: made.id, force: true }, /not found|No such network/i, 404);
  for (const builtin of ['bridge', 'host', 'none', list.find((n) => n.name === 'bridge').id])
    await refused('delete_network', { network_id: builtin, force: true }, /built-in/, 400);
});

test('agent: a network without a subnet leaves addressing to the engine', async () => {
  const name = `${engine.prefix}-auto`;
  const made = await payload('create_network', { name, driver: '', subnet: '', gateway: '', internal: false });
  assert.match(made.subnet, /^\d+\.\d+\.\d+\.\d+\/\d+$/);
  assert.equal(made.internal, false);
  assert.deepEqual(await payload('delete_network', { network_id: name, force: false }), { success: true });
});

test('agent: volumes are made, listed and deleted', async () => {
  const name = `${engine.prefix}-vol`;
  const made = await payload('create_volume', { name });
  const truth = JSON.parse(await engine.docker('volume', 'inspect', name))[0];

  assert.deepEqual(
    { ...made, created: undefined },
    { name, driver: 'local', mountpoint: truth.Mountpoint, created: undefined, containers: [], container_count: 0, in_use: false },
  );
  assert.ok(isTime(made.created));
  const anonymous = await payload('create_volume', {});
  assert.match(anonymous.name, /^[0-9a-f]{64}$/);
  assert.deepEqual(await payload('delete_volume', { volume_name: anonymous.name, force: false }), { success: true });

  const c = await engine.run('vol-user', { args: ['-v', `${name}:/a`, '-v', `${name}:/b`] });
  const list = await payload('list_volumes');
  const mine = list.find((v) => v.name === name);
  assert.deepEqual(mine.containers, [{ id: c.id.slice(0, 12), name: c.name }], 'mounted twice, listed once');
  assert.equal(mine.in_use, true);
  assert.equal(mine.container_count, 1);
  await engine.docker('stop', '-t', '0', c.id);
  assert.equal((await payload('list_volumes')).find((v) => v.name === name).in_use, true, 'a stopped container still uses it');
  await refused('delete_volume', { volume_name: name, force: true }, /in use/, 409);
  await engine.docker('rm', c.id);
  assert.deepEqual(await payload('delete_volume', { volume_name: name, force: false }), { success: true });
  await refused('delete_volume', { volume_name: name, force: false }, /no such volume/i, 404);
  await refused('delete_volume', { volume_name: '../x', force: false }, /volume_name/, 400);
});

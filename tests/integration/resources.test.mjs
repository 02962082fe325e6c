// Images, networks and volumes: the agent's replies, REST and CLI, compared with the docker CLI. prune.test.mjs has
// the operations on a whole engine.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { run } from './lib/process.mjs';
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
  const images = await engine.docker('images', '--format', '{{.Repository}}:{{.Tag}}');
  for (const name of lines(images).filter((x) => x.startsWith(engine.prefix))) await engine.docker('rmi', name);
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
// The list, once it agrees with the docker CLI: other tests use the same engine at the same time.
const agrees = (name, check) =>
  eventually(async () => {
    const list = await payload(name);
    await check(list);
    return list;
  });
const lines = (text) => text.split('\n').filter(Boolean).sort();
const isTime = (s) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(s);
// A new image with a unique id.
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
  assert.deepEqual(Object.keys(mine).sort(), ['container_count', 'containers', 'created', 'dangling', 'id', 'in_use', 'labels', 'size', 'tags']);
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

test('agent: networks are created, listed and deleted', async () => {
  const name = `${engine.prefix}-net`;
  const made = await payload('create_network', { name, driver: '', subnet: '10.213.0.0/24', gateway: '10.213.0.1', internal: true });
  const truth = JSON.parse(await engine.docker('network', 'inspect', name))[0];

  assert.deepEqual(
    { ...made, created: undefined },
    {
      id: truth.Id.slice(0, 12), name, driver: 'bridge', scope: 'local', created: undefined, internal: true,
      subnet: '10.213.0.0/24', containers: [], container_count: 0, is_builtin: false, labels: {},
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

test('agent: volumes are created, listed and deleted', async () => {
  const name = `${engine.prefix}-vol`;
  const made = await payload('create_volume', { name });
  const truth = JSON.parse(await engine.docker('volume', 'inspect', name))[0];

  assert.deepEqual(
    { ...made, created: undefined },
    { name, driver: 'local', scope: 'local', labels: {}, mountpoint: truth.Mountpoint, created: undefined, containers: [], container_count: 0, in_use: false },
  );
  assert.ok(isTime(made.created));
  const labelled = await payload('create_volume', { driver: 'local', labels: { team: 'shop', empty: '' } });
  assert.deepEqual(JSON.parse(await engine.docker('volume', 'inspect', labelled.name))[0].Labels, { team: 'shop', empty: '' });
  await engine.docker('volume', 'rm', labelled.name);
  await refused('create_volume', { driver: 'no-such-driver' }, /no-such-driver/, 404);
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

// --- REST ---------------------------------------------------------------------------------------------------

const at = (path) => `/api/hosts/${host.id}/${path}`;
const detail = async (method, path, status, pattern, body) => {
  const r = await clients.operator.fetch(method, at(path), { body });
  const text = await r.text();
  assert.equal(r.status, status, text);
  assert.match(JSON.parse(text).detail, pattern);
};

test('REST: images', async () => {
  const name = `${engine.prefix}/team/rest:1`;
  const id = await image(name);
  const list = await clients.viewer.get(at('images'));
  assert.deepEqual(list.find((i) => i.id === id).tags, [name]);
  assert.deepEqual(Object.keys(list[0]).sort(), ['container_count', 'containers', 'created', 'dangling', 'id', 'in_use', 'labels', 'size', 'tags']);

  await engine.docker('tag', id, `${name}-b`);
  await detail('DELETE', `images/${id}`, 409, /referenced|conflict/i);
  assert.deepEqual(await clients.operator.delete(at(`images/${name}-b`)), { success: true });
  await engine.docker('tag', id, `${name}-b`);
  await clients.operator.delete(at(`images/${encodeURIComponent(`${name}-b`)}`));
  assert.deepEqual((await clients.viewer.get(at('images'))).find((i) => i.id === id).tags, [name]);
  await clients.operator.delete(at(`images/${id}?force=true`));
  assert.equal(await engine.exists(id), false);
  await detail('DELETE', `images/${id}`, 404, /No such image/);
  await detail('DELETE', 'images/a%20b', 400, /image_id/);
  await detail('DELETE', 'images/x?force=perhaps', 422, /force/);
});

test('REST: networks', async () => {
  const name = `${engine.prefix}-rest`;
  const made = await clients.operator.post(at('networks'), { name, subnet: '10.214.0.0/24' });
  assert.equal(made.name, name);
  assert.equal(made.driver, 'bridge');
  assert.equal(made.subnet, '10.214.0.0/24');
  assert.equal((await engine.docker('network', 'ls', '-q', '--filter', `name=${name}`)), made.id);
  assert.deepEqual((await clients.viewer.get(at('networks'))).find((n) => n.id === made.id), made);

  await detail('POST', 'networks', 409, /already exists/, { name });
  await detail('POST', 'networks', 422, /name/, {});
  await detail('POST', 'networks', 422, /name/, { name: 7 });
  await detail('POST', 'networks', 422, /internal/, { name: 'x', internal: 'yes' });
  await detail('POST', 'networks', 422, /subnet/, { name: 'x', subnet: '10.0.0.1' });
  await detail('POST', 'networks', 422, /gateway/, { name: 'x', gateway: '10.0.0.1' });
  await detail('POST', 'networks', 400, /JSON/, '[');

  const c = await engine.run('rest-user');
  await engine.docker('network', 'disconnect', 'none', c.name);
  await engine.docker('network', 'connect', name, c.name);
  await detail('DELETE', `networks/${made.id}`, 409, new RegExp(c.name));
  await clients.operator.delete(at(`networks/${made.id}?force=true`));
  assert.equal(await engine.docker('network', 'ls', '-q', '--filter', `name=${name}`), '');
  await detail('DELETE', `networks/${made.id}`, 404, /./);
  for (const builtin of ['bridge', 'host', 'none', await engine.docker('network', 'ls', '-q', '--filter', 'name=^bridge$')])
    await detail('DELETE', `networks/${builtin}?force=true`, 400, /built-in/);
  await detail('DELETE', 'networks/a%20b', 400, /network_id/);
});

test('REST: DockMon is not disconnected from its network by force', async () => {
  const name = `${engine.prefix}-own`;
  const made = await clients.operator.post(at('networks'), { name });
  const attach = async (tail, ...args) => {
    const full = `${engine.prefix}-${tail}`;
    await engine.docker('run', '-d', '--network', name, '--name', full, ...args, IMAGE, 'sleep', '3600');
    return full;
  };
  const own = await attach('own');
  await clients.viewer.container(own);
  const id = await engine.docker('inspect', '-f', '{{.Id}}', own);
  await agent.runsIn(id, clients.viewer);
  for (const ref of [name, made.id, await engine.docker('network', 'inspect', '-f', '{{.Id}}', name)])
    await detail('DELETE', `networks/${ref}?force=true`, 403, new RegExp(`${id.slice(0, 12)} belongs to DockMon`));
  assert.match(await engine.docker('network', 'inspect', '-f', '{{json .Containers}}', name), new RegExp(own), 'still connected');
  await agent.runsIn(null, clients.viewer);
  await attach('other', '--label', 'app=dockmon');
  await clients.operator.delete(at(`networks/${name}?force=true`));
});

// An agent that hides one container of the network from the list: the flow has to inspect it.
test('REST: a network with a container that only the engine knows', async (t) => {
  const id = (n) => n.repeat(64);
  const network = { id: '0123456789ab', name: 'shared', containers: [{ id: id('a').slice(0, 12), name: 'web' }, { id: id('b').slice(0, 12), name: 'hidden' }] };
  const deleted = [];
  let labels = { app: 'dockmon' };
  const a = await handHost(t, {
    list_networks: () => [network],
    delete_network: (p) => (deleted.push(p), { success: true }),
  });
  a.operations = { inspect: (f) => ({ container: { Id: f.container_id, Name: `/${f.container_id.startsWith('b') ? 'hidden' : 'web'}`, Config: { Labels: f.container_id.startsWith('b') ? labels : {} } } }) };
  const path = `/api/hosts/${a.hostId}/networks/shared?force=true`;
  const r = await clients.operator.fetch('DELETE', path);
  assert.equal(r.status, 403);
  assert.match((await r.json()).detail, /hidden belongs to DockMon/);
  assert.deepEqual(deleted, []);
  labels = {};
  await clients.operator.delete(path);
  assert.equal(deleted.length, 1);
  a.operations = { inspect: () => { throw new Error('Cannot connect to the Docker daemon'); } };
  assert.ok((await clients.operator.fetch('DELETE', path)).status >= 500, 'unknown is not removed');
  assert.equal(deleted.length, 1);
});

test('CLI: images are the newest first, other lists by name', async (t) => {
  const made = (n, created) => ({ id: n.repeat(12), tags: [`img-${n}:1`], size: 1, created, in_use: false, container_count: 0, containers: [], dangling: false });
  const volume = (name) => ({ name, driver: 'local', containers: [] });
  const other = await handHost(t, {
    list_images: () => [made('a', '2026-01-01T00:00:00Z'), made('c', '2026-03-01T00:00:00Z'), made('b', '2026-02-01T00:00:00Z'), made('0', '2026-02-01T00:00:00Z')],
    list_volumes: () => [volume('m'), volume('z'), volume('a')],
    list_networks: () => [{ id: '222222222222', name: 'm' }, { id: '333333333333', name: 'a' }, { id: '111111111111', name: 'z' }],
  });
  await eventually(async () => (await says('hosts')).includes(other.hostname));
  const ids = async (...words) => (await says(...words, '-q', '--host', other.hostname)).split('\n');
  assert.deepEqual(await ids('images'), ['c', '0', 'b', 'a'].map((n) => n.repeat(12)));
  assert.deepEqual(await ids('volume', 'ls'), ['a', 'm', 'z']);
  assert.deepEqual(await ids('network', 'ls'), ['333333333333', '222222222222', '111111111111']);
});

test('REST: volumes', async () => {
  const name = `${engine.prefix}-rest`;
  const made = await clients.operator.post(at('volumes'), { name });
  assert.equal(made.name, name);
  assert.equal(await engine.docker('volume', 'ls', '-q', '--filter', `name=${name}`), name);
  const c = await engine.run('rest-vol', { args: ['-v', `${name}:/data`] });
  const [mine] = (await clients.viewer.get(at('volumes'))).filter((v) => v.name === name);
  assert.deepEqual(mine.containers, [{ id: c.id.slice(0, 12), name: c.name }]);
  await detail('DELETE', `volumes/${name}`, 409, /in use/);
  await engine.docker('rm', '-f', c.id);
  assert.deepEqual(await clients.operator.delete(at(`volumes/${name}`)), { success: true });
  assert.equal(await engine.docker('volume', 'ls', '-q', '--filter', `name=${name}`), '');
  await detail('DELETE', `volumes/${name}`, 404, /no such volume/i);
  await detail('POST', 'volumes', 422, /name/, { name: 'a/b' });
});

test('REST: operations are in the audit log and in the event log', async () => {
  const events = await eventually(async () => {
    const list = (await clients.viewer.get(`/api/events?host_id=${host.id}&limit=500`)).events.filter((e) => e.event_type === 'resource_action');
    return list.some((e) => /^Volume .* could not be deleted$/.test(e.title) && e.severity === 'error') && list;
  });
  const made = events.find((e) => e.title === `Network ${host.name}/${engine.prefix}-rest was created` && e.severity === 'info');
  assert.match(made.message, /succeeded/);
  assert.match(made.triggered_by, /operator/);
  const admin = await server.client('admin');
  const rows = await eventually(async () => {
    const { entries } = await admin.get('/api/audit?limit=200');
    return entries.some((e) => e.action === 'volume_create') && entries;
  });
  assert.ok(rows.some((e) => e.action === 'network_create' && e.target === `${host.name}/${engine.prefix}-rest` && e.result === 'ok'), JSON.stringify(rows));
  assert.ok(rows.some((e) => e.action === 'network_delete' && e.result.startsWith('409')));
});

// --- agents written by hand ---------------------------------------------------------------------------------

// A Go agent as the server sees it: `replies` maps commands to payloads, or throws the error text.
async function handHost(t, replies, fields) {
  const a = new HandAgent(server, { fields });
  a.onNamedCommand = (m) => {
    const reply = { type: 'response', id: m.id, timestamp: new Date().toISOString() };
    try {
      if (m.command === 'list_containers') a.send({ ...reply, payload: [] });
      else if (m.command in replies) a.send({ ...reply, payload: replies[m.command](m.payload) });
      else throw new Error(`unknown command: ${m.command}`);
    } catch (e) {
      a.send({ ...reply, error: e.message });
    }
  };
  await a.connect(await server.token());
  t.after(() => a.close());
  return a;
}

test('an agent without these operations: 501 with advice', async (t) => {
  const old = await handHost(t, {});
  for (const [method, path, body] of [
    ['GET', 'images'], ['GET', 'networks'], ['GET', 'volumes'], ['POST', 'networks', { name: 'x' }], ['POST', 'volumes', {}],
    ['POST', 'images/prune'], ['POST', 'networks/prune'], ['POST', 'volumes/prune'],
    ['DELETE', 'images/x'], ['DELETE', 'networks/x'], ['DELETE', 'volumes/x'],
  ]) {
    const r = await clients.operator.fetch(method, `/api/hosts/${old.hostId}/${path}`, { body });
    assert.equal(r.status, 501, `${method} ${path}`);
    assert.match((await r.json()).detail, /too old.*unknown command.*Update the agent/);
  }
  // Options that it would ignore are not sent: it would remove everything.
  old.commands.length = 0;
  for (const path of ['images/prune?all=false', 'volumes/prune?all=0', 'images/prune?dry_run=1', 'networks/prune?dry_run=true']) {
    const r = await clients.operator.fetch('POST', `/api/hosts/${old.hostId}/${path}`);
    assert.equal(r.status, 501, path);
    assert.match((await r.json()).detail, /only remove everything that is unused. Update the agent/);
  }
  assert.deepEqual(old.commands.filter((m) => m.command.startsWith('prune')), []);
});

test('a Go agent: nulls become lists, its error texts become statuses, requests have its form', async (t) => {
  const go = await handHost(t, {
    list_images: () => null,
    list_networks: () => [{ id: '0123456789ab', name: 'n', containers: null, internal: false }, null],
    list_volumes: () => 'nonsense',
    create_network: () => {
      throw new Error('failed to create network: Error response from daemon: network with name x already exists');
    },
    delete_volume: () => {
      throw new Error('Error response from daemon: remove v: volume is in use - [0123]');
    },
    remove_image: () => ({ success: true }),
    prune_images: () => ({ removed_count: 2, space_reclaimed: 5 }),
  });
  const path = (p) => `/api/hosts/${go.hostId}/${p}`;
  assert.deepEqual(await clients.viewer.get(path('images')), []);
  assert.deepEqual((await clients.viewer.get(path('networks'))).map((n) => [n.name, n.containers, n.subnet]), [['n', [], '']]);
  await clients.viewer.get(path('volumes'), { status: 502 });
  await clients.operator.post(path('networks'), { name: 'x' }, { status: 409 });
  await clients.operator.delete(path('volumes/v'), { status: 409 });
  await clients.operator.delete(path('images/0123456789ab?force=1'));
  assert.deepEqual(await clients.operator.post(path('images/prune')), { removed_count: 2, space_reclaimed: 5 });
  const sent = Object.fromEntries(go.commands.map((m) => [m.command, m.payload]));
  assert.deepEqual(sent.create_network, { name: 'x', driver: 'bridge', subnet: '', gateway: '', internal: false });
  assert.deepEqual(sent.remove_image, { image_id: '0123456789ab', force: true });
  assert.deepEqual(sent.delete_volume, { volume_name: 'v', force: false });
});

test('an offline host: 503, and an unknown one: 404', async (t) => {
  const gone = await handHost(t, {});
  await gone.close();
  await eventually(async () => (await clients.viewer.fetch('GET', `/api/hosts/${gone.hostId}/images`)).status === 503);
  await clients.viewer.get('/api/hosts/nothing/images', { status: 404 });
});

// --- CLI ------------------------------------------------------------------------------------------------------

const cli = (...args) => dockmon(server, clients.operator.key, args);
async function says(...args) {
  const r = await cli(...args);
  assert.equal(r.code, 0, `dockmon ${args.join(' ')}: ${r.stderr}${r.stdout}`);
  return r.stdout.trimEnd();
}
async function fails(code, pattern, ...args) {
  const r = await cli(...args);
  assert.equal(r.code, code, `dockmon ${args.join(' ')}: ${r.stdout}`);
  assert.match(r.stderr, pattern);
}
const rows = (text) => text.split('\n').map((l) => l.trim().split(/ {2,}/));

test('CLI: images and rmi', async () => {
  const name = `${engine.prefix}/cli`;
  const id = await image(name);
  const [header, ...list] = rows(await says('images', '--host', host.id));
  assert.deepEqual(header, ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'HOST']);
  const mine = list.find((r) => r[0] === name);
  const theirs = (await engine.docker('images', name, '--format', '{{.Repository}}|{{.Tag}}|{{.ID}}|{{.CreatedSince}}|{{.Size}}')).split('|');
  assert.deepEqual([mine[0], mine[1], mine[2], mine[4]], [theirs[0], theirs[1], theirs[2], theirs[4]]);
  assert.match(mine[3], /ago$/);
  assert.equal(mine[5], host.name);
  assert.ok((await says('images', '-q')).split('\n').includes(id));
  const json = JSON.parse(await says('images', '--json'));
  assert.equal(json.find((i) => i.id === id).host_id, host.id);

  await fails(1, /No such image: nothing/, 'rmi', 'nothing');
  await fails(1, /at least 1 argument/, 'rmi');
  assert.equal(await says('rmi', name), name);
  assert.equal(await engine.exists(id), false);
});

test('CLI: network create, ls, rm', async () => {
  const name = `${engine.prefix}-cli`;
  const id = await says('network', 'create', '--host', host.id, '--subnet', '10.215.0.0/24', '--gateway', '10.215.0.9', '--internal', name);
  const truth = JSON.parse(await engine.docker('network', 'inspect', name))[0];
  assert.equal(id, truth.Id.slice(0, 12));
  assert.equal(truth.IPAM.Config[0].Gateway, '10.215.0.9');
  assert.equal(truth.Internal, true);
  const [header, ...list] = rows(await says('network', 'ls'));
  assert.deepEqual(header, ['NETWORK ID', 'NAME', 'DRIVER', 'SCOPE', 'HOST']);
  assert.deepEqual(list.find((r) => r[1] === name), [id, name, 'bridge', 'local', host.name]);
  assert.ok((await says('network', 'ls', '-q')).split('\n').includes(id));
  await fails(1, /already exists/, 'network', 'create', '--host', host.id, name);
  await fails(1, /built-in/, 'network', 'rm', '--host', host.id, '-f', 'bridge');

  const c = await engine.run('cli-user');
  await engine.docker('network', 'disconnect', 'none', c.name);
  await engine.docker('network', 'connect', name, c.name);
  await fails(1, new RegExp(`in use by 1 container: ${c.name}`), 'network', 'rm', name);
  assert.equal(await says('network', 'rm', '-f', name), name);
  assert.equal(await engine.docker('network', 'ls', '-q', '--filter', `name=${name}`), '');
});

test('CLI: volume create, ls, rm, several at once', async () => {
  const names = ['1', '2'].map((n) => `${engine.prefix}-cli-${n}`);
  for (const name of names) assert.equal(await says('volume', 'create', '--host', host.id, name), name);
  const random = await says('volume', 'create', '--host', host.id);
  assert.match(random, /^[0-9a-f]{64}$/);
  const [header, ...list] = rows(await says('volume', 'ls'));
  assert.deepEqual(header, ['DRIVER', 'VOLUME NAME', 'HOST']);
  for (const name of names) assert.deepEqual(list.find((r) => r[1] === name), ['local', name, host.name]);
  await engine.docker('volume', 'rm', random);
  const labelled = await says('volume', 'create', '--host', host.id, '-d', 'local', '--label', 'team=shop', '--label', 'a=b=c', '--label', 'bare');
  assert.deepEqual(JSON.parse(await engine.docker('volume', 'inspect', labelled))[0].Labels, { team: 'shop', a: 'b=c', bare: '' });
  await engine.docker('volume', 'rm', labelled);
  await fails(1, /driver such as local/, 'volume', 'create', '--host', host.id, '-d', '../x');

  const r = await cli('volume', 'rm', names[0], 'no-such-volume', names[1]);
  assert.equal(r.code, 1);
  assert.deepEqual(r.stdout.trim().split('\n'), names);
  assert.match(r.stderr, /No such volume: no-such-volume/);
  assert.equal(await engine.docker('volume', 'ls', '-q', '--filter', `name=${engine.prefix}-cli`), '');
});

test('CLI: several hosts', async (t) => {
  const name = `${engine.prefix}-both`;
  const deleted = [];
  const other = await handHost(t, {
    list_volumes: () => [{ name, driver: 'local', containers: [] }],
    create_volume: (p) => ({ name: p.name, driver: 'local' }),
    delete_volume: (p) => (deleted.push(p.volume_name), { success: true }),
    prune_networks: () => ({ removed_count: 1, networks_removed: ['old\x1b[31m'] }),
  });
  await clients.operator.call('PUT', `/api/hosts/${other.hostId}`, { body: {}, status: 403 });
  await eventually(async () => (await says('hosts')).includes(other.hostname));
  const args = ['--host', host.id, '--host', other.hostname];

  assert.deepEqual((await says('volume', 'create', ...args, name)).split('\n'), [`${host.name}/${name}`, `${other.hostname}/${name}`]);
  const list = rows(await says('volume', 'ls', ...args)).filter((r) => r[1] === name);
  assert.deepEqual(list.map((r) => r[2]).sort(), [host.name, other.hostname].sort());
  await fails(1, /is on .* and .*: say which one with --host/, 'volume', 'rm', name);
  assert.deepEqual(deleted, []);
  await says('volume', 'rm', ...args, name);
  assert.deepEqual(deleted, [name]);
  assert.equal(await engine.docker('volume', 'ls', '-q', '--filter', `name=${name}`), '');

  await fails(1, /there are \d+ hosts: say which one/, 'network', 'create', 'x');
  await fails(1, /there are \d+ hosts: say which one/, 'volume', 'prune', '-f');
  await fails(1, /No such host: nowhere/, 'images', '--host', 'nowhere');
  await fails(1, /too old/, 'images', '--host', other.hostname);
  const all = await cli('images', '-q');
  assert.equal(all.code, 0, all.stderr);
  assert.match(all.stderr, new RegExp(`${other.hostname} is skipped: its agent is too old`));
  await fails(1, /can only remove everything that is unused/, 'volume', 'prune', '-f', '--host', other.hostname);
  const pruned = await says('network', 'prune', '-f', '--host', other.hostname);
  assert.equal(pruned, 'Deleted Networks:\nold\\x1b[31m');
  await fails(1, /no terminal to ask on; use --force/, 'network', 'prune', '--host', other.hostname);
});

test('CLI: prune asks on a terminal with the names, and accepts a no', async (t) => {
  let pruned = 0;
  const answer = (names) => ({ removed_count: names.length, space_reclaimed: 2500, volumes_removed: names });
  const names = ['v', ...Array.from({ length: 25 }, (_, i) => `other-${i}`)];
  const other = await handHost(t, { prune_volumes: (p) => (p.dry_run ? answer(p.anonymous ? names : []) : (pruned++, answer(['v']))) },
    { capabilities: { container_operations: true, prune_options: true } });
  await eventually(async () => (await says('hosts')).includes(other.hostname));
  const ask = (answer, flags = '') =>
    run('script', ['-qec', `${bin('dockmon')} volume prune ${flags} --host ${other.hostname}`, '/dev/null'], {
      env: { DOCKMON_URL: server.url, DOCKMON_API_KEY: clients.operator.key },
      input: answer,
    });
  const no = await ask('n\n');
  assert.match(no.stdout, new RegExp(`WARNING! This will remove all anonymous volumes[^]*on ${other.hostname}:\\s+v\\s+other-0\\s[^]*and 6 more`));
  assert.equal(no.code, 1);
  assert.equal(pruned, 0);
  const yes = await ask('y\n');
  assert.equal(pruned, 1, yes.stdout);
  assert.match(yes.stdout, /Deleted Volumes:\r?\nv\r?\nTotal reclaimed space: 2.5kB/);
  assert.equal(yes.code, 0);
  const nothing = await ask('y\n', '-a');
  assert.match(nothing.stdout, /There is nothing to remove\.\r?\n$/);
  assert.equal(pruned, 1);
});

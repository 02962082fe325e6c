// Docker 28.5, Docker 29.7 and Podman 5.8 as they answered: join, lists, inspect, refusals, events; and engines that
// are exchanged behind a socket that stays open.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { RecordedEngine } from './lib/recorded-engine.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();

async function join(recording) {
  const engine = await RecordedEngine.start(recording);
  later(() => engine.stop());
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('operator');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  const { id } = await client.onlineHost();
  const host = async () => (await client.get('/api/hosts')).find((h) => h.id === id);
  return { engine, server, client, agent, host, path: `/api/hosts/${id}` };
}
const nameOf = (c) => c.Names.find((n) => n.lastIndexOf('/') === 0).slice(1);

for (const [name, { isPodman, rename }] of Object.entries({
  'docker-28.5.2': { isPodman: false, rename: 409 },
  'docker-29.7.2': { isPodman: false, rename: 409 },
  'podman-5.8.6': { isPodman: true, rename: 409 },
})) {
  test(name, { timeout: 90000 }, async (t) => {
    const recording = await RecordedEngine.load(name);
    const { engine, client, host, path } = await join(recording);
    const web = recording.containers.find((c) => nameOf(c) === 'web');

    await t.test('the host and its containers', async () => {
      const h = await host();
      assert.equal(h.docker_version, recording.version.Version);
      assert.equal(h.is_podman, isPodman);
      const listed = await eventually(async () => {
        const all = await client.get('/api/containers');
        return all.length === recording.containers.length && all;
      }, { what: 'all containers are listed' });
      const brief = (l) => l.sort((a, b) => (a[0] < b[0] ? -1 : 1));
      assert.deepEqual(brief(listed.map((c) => [c.name, c.state, c.image])), brief(recording.containers.map((c) => [nameOf(c), c.State, c.Image])));
      assert.deepEqual(await client.get(`${path}/containers/${web.Id}/inspect`), recording.inspect[web.Id]);
    });

    await t.test('networks with their users, volumes, images', async () => {
      const networks = await client.get(`${path}/networks`);
      assert.deepEqual(networks.map((n) => n.name).sort(), recording.networks.map((n) => n.Name).sort());
      assert.ok(networks.find((n) => n.name === 'front').containers.some((c) => c.name === 'web'), 'web uses front');
      assert.equal((await client.get(`${path}/volumes`)).length, recording.volumes.Volumes.length);
      assert.equal((await client.get(`${path}/images`)).length, recording.images.length);
    });

    await t.test('operations and refusals', async () => {
      await client.post(`${path}/containers/${web.Id}/restart`);
      await client.post(`${path}/containers/${web.Id}/rename`, { name: 'db' }, { status: rename });
      assert.equal((await client.post(`${path}/volumes/prune`, {})).removed_count, 1);
    });

    await t.test('events of an update', async () => {
      await eventually(() => engine.events.size > 0);
      engine.replay();
      const types = async (id) => (await client.get(`/api/events?container_id=${id.slice(0, 12)}&limit=100`)).events.map((e) => e.event_type);
      const old = recording.events.find((e) => e.Action === 'die').Actor.ID;
      const made = recording.events.findLast((e) => e.Action === 'start').Actor.ID;
      const removed = recording.events.find((e) => /^(destroy|remove)$/.test(e.Action)).Actor.ID;
      await eventually(async () => {
        const [a, b, c] = await Promise.all([old, made, removed].map(types));
        return a.some((x) => /died|stopped/.test(x)) && a.includes('renamed') && b.includes('created') && b.includes('started') && c.includes('deleted');
      }, { what: 'events are stored' });
    });
  });
}

test('another engine behind the same socket: older, then one with a higher minimum, then Podman', { timeout: 120000 }, async () => {
  const newest = await RecordedEngine.load('docker-29.7.2');
  const { engine, client, host, path } = await join(newest);
  const engines = [
    await RecordedEngine.load('docker-28.5.2'),
    await RecordedEngine.load('docker-29.7.2', { MinAPIVersion: '1.54' }),
    await RecordedEngine.load('podman-5.8.6'),
  ];

  await client.container('web');
  for (const other of engines) {
    const web = other.containers.find((c) => nameOf(c) === 'web');
    engine.exchange(other);
    await eventually(async () => (await host()).docker_version === other.version.Version, { timeout: 40000, what: `the host shows ${other.version.Version}` });
    await eventually(async () => (await host()).status === 'online', { what: 'the host is online' });
    await eventually(async () => (await client.get('/api/containers')).some((c) => c.full_id === web.Id), { timeout: 40000, what: 'its containers are listed' });
    assert.equal((await client.get(`${path}/containers/${web.Id}/inspect`)).Id, web.Id);
  }
});

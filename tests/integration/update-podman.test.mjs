// Updates on a real Podman, whose API hides static addresses.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { Podman } from './lib/podman.mjs';
import { UpdateWorld } from './lib/update-world.mjs';

const later = cleanups();
let engine, world, v1, v2;

before(async () => {
  const registry = await ImageRegistry.start();
  later(() => registry.remove());
  engine = await Podman.start({ insecure: registry.name });
  later(() => engine.remove());
  await engine.ensureImage();
  world = await UpdateWorld.start(engine, later, { registry });
  v1 = await registry.push(engine, 'shop:1', ['LABEL version=1', 'VOLUME /data', 'CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'shop:2', ['LABEL version=2', 'VOLUME /data', 'CMD ["sleep", "3602"]']);
});

const make = (name, args = []) => world.make(name, ['--stop-signal', 'KILL', ...args], v1);

test('a container is updated with its settings and its anonymous volume, and rolled back', async () => {
  const c = await make('plain', ['-e', 'MINE=1', '--memory', '32m', '--restart', 'on-failure:3']);
  await engine.docker('exec', c.id, 'sh', '-c', 'echo treasure >/data/file');
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.equal(r.state, 'kept', JSON.stringify(r));
  const now = await world.only(c);
  assert.deepEqual(now.inspect.Config.Cmd, ['sleep', '3602']);
  assert.ok(now.inspect.Config.Env.includes('MINE=1'));
  assert.equal(now.inspect.HostConfig.Memory, 32 << 20);
  assert.equal(now.inspect.HostConfig.RestartPolicy.Name, 'on-failure');
  assert.equal(await engine.docker('exec', now.id, 'cat', '/data/file'), 'treasure');

  await world.server.command('update_rollback', { update_id: r.update_id });
  await world.ended(r.update_id, { is: (x) => x.state === 'rolled_back' });
  assert.equal((await world.only(c)).id, c.id);
  assert.equal(await engine.docker('exec', c.id, 'cat', '/data/file'), 'treasure', 'the removal of the new one has not removed its volume');
});

test('a container on a network of its own needs consent, and keeps its address then', async () => {
  const network = `${engine.prefix}-front`;
  await engine.docker('network', 'create', network);
  later(() => engine.podman('network', 'rm', '-f', '-t', '0', network)); // its bridge would stay
  const [{ IPAM }] = JSON.parse(await engine.docker('network', 'inspect', network));
  const address = IPAM.Config[0].Subnet.replace(/\d+\/\d+$/, '50');
  const c = await make('static', ['--network', network, '--ip', address]);
  const refused = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.deepEqual([refused.state, refused.error.code], ['failed', 'consent_required']);
  assert.equal((await world.server.command('update_preview', { container_id: c.id, new_image: v2 })).payload.refused.code, 'consent_required');
  assert.equal((await world.only(c)).id, c.id);
  const r = await world.ended(await world.update(c.id, { new_image: v2, has_consent: true }));
  assert.equal(r.state, 'kept', JSON.stringify(r));
  const { inspect } = await world.only(c);
  assert.deepEqual(inspect.Config.Cmd, ['sleep', '3602']);
  assert.equal(inspect.NetworkSettings.Networks[network].IPAddress, address);
});

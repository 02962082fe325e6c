// The shortest path through the whole system: an agent registers, its containers arrive, `dockmon ps` shows them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dockmon } from './lib/dockmon.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'admin' });
const { engine } = world;

test('an agent registers and its host comes online with the facts of the engine', async () => {
  const host = await world.client.onlineHost();
  const info = JSON.parse(await engine.docker('info', '--format', '{{json .}}'));

  assert.equal(world.host.connection_type, 'agent');
  assert.equal(world.host.agent.engine_id, info.ID);
  assert.equal(world.host.name, info.Name);
  assert.equal(world.host.num_cpus, info.NCPU);
  assert.equal(world.host.total_memory, info.MemTotal);
  assert.equal(world.host.docker_version, info.ServerVersion);
});

test('a container started on the engine appears in the API and in dockmon ps', async () => {
  const made = await engine.run('thread');
  const listed = await eventually(async () => {
    const c = await world.client.container(made.name);
    return c.state === 'running' && c;
  });

  assert.equal(listed.full_id, made.id);
  const ps = await dockmon(world.server, world.client.key, ['ps']);
  assert.equal(ps.code, 0, ps.stderr);
  const row = ps.stdout.split('\n').find((l) => l.includes(made.name));
  assert.ok(row, ps.stdout);
  assert.match(row, new RegExp(`^${made.id.slice(0, 12)} `));
});

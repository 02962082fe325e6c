// Every container operation through REST, asserted on the engine's own state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;

const path = (container, action = '') => `/api/hosts/${world.host.id}/containers/${container.id}${action && `/${action}`}`;

test('stop, start, restart', async () => {
  const c = await engine.run('cycle');

  assert.deepEqual(await world.client.post(path(c, 'stop?timeout=0')), { status: 'success' });
  assert.equal(await engine.state(c.id), 'exited');
  assert.deepEqual(await world.client.post(path(c, 'start')), { status: 'success' });
  const first = await engine.inspect(c.id);
  assert.equal(first.State.Status, 'running');
  assert.deepEqual(await world.client.post(path(c, 'restart?timeout=0')), { status: 'success' });
  const second = await engine.inspect(c.id);
  assert.equal(second.State.Status, 'running');
  assert.notEqual(second.State.StartedAt, first.State.StartedAt);
});

test('starting a running and stopping a stopped container succeeds, as with docker', async () => {
  const c = await engine.run('idempotent');

  await world.client.post(path(c, 'start'));
  assert.equal(await engine.state(c.id), 'running');
  await world.client.post(path(c, 'stop?timeout=0'));
  await world.client.post(path(c, 'stop?timeout=0'));
  assert.equal(await engine.state(c.id), 'exited');
});

test('the stop timeout reaches the engine', async () => {
  const c = await engine.run('stubborn', { command: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'] });
  const begin = Date.now();

  await world.client.post(path(c, 'stop?timeout=2'));
  assert.ok(Date.now() - begin >= 2000, 'the engine waits out the timeout before it kills');
  assert.equal((await engine.inspect(c.id)).State.ExitCode, 137);
});

test('kill', async () => {
  const c = await engine.run('kill');

  await world.client.post(path(c, 'kill'));
  await eventually(async () => (await engine.state(c.id)) === 'exited');
  assert.equal((await engine.inspect(c.id)).State.ExitCode, 137);
});

test('pause and unpause', async () => {
  const c = await engine.run('pause');

  await world.client.post(path(c, 'pause'));
  assert.equal(await engine.state(c.id), 'paused');
  await world.client.post(path(c, 'unpause'));
  assert.equal(await engine.state(c.id), 'running');
});

test('rename', async () => {
  const c = await engine.run('rename');
  const name = `${c.name}-renamed`;

  await world.client.post(path(c, 'rename'), { name });
  assert.equal((await engine.inspect(c.id)).Name, `/${name}`);
  await world.client.container(name);
});

test('a refused rename keeps the name', async () => {
  const c = await engine.run('rename-bad');

  for (const name of ['', '-x', 'a b', 'a/b', 'ü', 'x'.repeat(256)])
    await world.client.post(path(c, 'rename'), { name }, { status: 422 });
  await world.client.post(path(c, 'rename'), {}, { status: 422 });
  await world.client.post(path(c, 'rename'), 'no json', { status: 400 });
  assert.equal((await engine.inspect(c.id)).Name, `/${c.name}`);
});

test('renaming to a used name is a conflict', async () => {
  const a = await engine.run('taken');
  const b = await engine.run('wants');

  await world.client.post(path(b, 'rename'), { name: a.name }, { status: 409 });
});

test('remove, by default also a running container', async () => {
  const c = await engine.run('remove');

  const answer = await world.client.delete(path(c));
  assert.equal(answer.success, true);
  assert.equal(await engine.exists(c.id), false);
  await eventually(async () => !(await world.client.get('/api/containers')).some((x) => x.full_id === c.id));
});

test('remove without force refuses a running container', async () => {
  const c = await engine.run('remove-unforced');

  await world.client.delete(`${path(c)}?force=false`, { status: 409 });
  assert.equal(await engine.state(c.id), 'running');
});

test('removeVolumes removes the anonymous volume, the default keeps it', async () => {
  for (const [flag, gone] of [['true', true], ['false', false]]) {
    const c = await engine.run(`volumes-${flag}`, { args: ['-v', '/data'] });
    const volume = (await engine.inspect(c.id)).Mounts[0].Name;

    await world.client.delete(`${path(c)}?removeVolumes=${flag}`);
    const left = (await engine.docker('volume', 'ls', '-q')).split('\n').includes(volume);
    assert.equal(left, !gone);
    if (left) await engine.docker('volume', 'rm', volume);
  }
});

test('inspect equals docker inspect', async () => {
  const c = await engine.run('inspect', { args: ['-e', 'COLOUR=blue', '-l', 'a.b=c'] });

  assert.deepEqual(await world.client.get(path(c, 'inspect')), await engine.inspect(c.id));
});

test('operations work with the 12-digit id, too', async () => {
  const c = await engine.run('short');

  await world.client.post(`/api/hosts/${world.host.id}/containers/${c.id.slice(0, 12)}/stop?timeout=0`);
  assert.equal(await engine.state(c.id), 'exited');
});

test('unknown host, unknown container and malformed ids are different errors', async () => {
  const unknown = 'f'.repeat(64);

  await world.client.post(`/api/hosts/00000000-0000-4000-8000-000000000000/containers/${unknown}/start`, undefined, { status: 404 });
  await world.client.post(`/api/hosts/${world.host.id}/containers/${unknown}/start`, undefined, { status: 404 });
  await world.client.post(`/api/hosts/${world.host.id}/containers/no-such-name/start`, undefined, { status: 404 });
  await world.client.post(`/api/hosts/${world.host.id}/containers/a%20b/start`, undefined, { status: 400 });
  await world.client.post(`/api/hosts/${world.host.id}/containers/..%2f..%2finfo/start`, undefined, { status: 400 });
});

test('the container of the agent is spared by its id, also when it was renamed', async () => {
  const c = await engine.run('own');
  const refused = async (ref) => {
    for (const action of ['stop', 'restart', 'kill', 'kill?signal=HUP', 'pause', 'rename']) {
      const { code } = await world.client.post(path({ id: ref }, action), action === 'rename' ? { name: 'other' } : undefined, { status: 403 });
      assert.equal(code, 'own_container');
    }
    assert.equal((await world.client.delete(path({ id: ref }), { status: 403 })).code, 'own_container');
    for (const copy of [undefined, { action: 'stat', path: '/' }, { action: 'out', path: '/' }, { action: 'in', path: '/tmp' }]) {
      const s = await Shell.open(world.server, world.client.key, world.host.id, ref, { copy });
      assert.match((await s.closed).reason, /belongs to DockMon, it cannot (enter|copy files from or to) itself/);
    }
    assert.equal(await engine.state(c.id), 'running');
  };

  await world.agent.runsIn(c.id, world.client);
  await refused(c.id);
  await refused(c.name);
  await engine.docker('rename', c.name, `${c.name}-renamed`);
  await refused(c.id);
  await world.agent.runsIn(null, world.client);
  await world.client.post(path(c, 'stop?timeout=0'));
});

test('no name and no label makes another container untouchable', async () => {
  const name = `Dockmon-${engine.prefix}`;
  const id = await engine.docker('run', '-d', '--network', 'none', '--name', name, 'dockmon-test:busybox', 'sleep', '600');
  const labelled = await engine.run('labelled', { args: ['--label', 'app=dockmon'] });
  const renamed = await engine.run('renamed-to-ours');

  try {
    await world.client.post(path(renamed, 'rename'), { name: `dockmon-agent-${engine.prefix}` });
    for (const c of [{ id }, labelled, renamed]) {
      await world.client.post(path(c, 'stop?timeout=0'));
      await world.client.delete(path(c));
    }
  } finally {
    for (const c of [id, renamed.id]) await engine.docker('rm', '-f', c).catch(() => {});
  }
});

test('every operation is in the event log with its user', async () => {
  const c = await engine.run('logged');

  await world.client.post(path(c, 'stop?timeout=0'));
  await world.client.post(`/api/hosts/${world.host.id}/containers/${'e'.repeat(64)}/start`, undefined, { status: 404 });
  const event = await eventually(async () =>
    (await world.client.get(`/api/events?container_id=${c.id}&event_type=container_action`)).events[0],
  );
  assert.equal(event.host_name, world.host.name);
  assert.equal(event.container_name, c.name);
  assert.match(event.triggered_by, /^test-operator-/);
  assert.match(event.message, /^stop succeeded in \d+ ms$/);
});

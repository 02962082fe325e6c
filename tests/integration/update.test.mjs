// Updates of containers by the agent: on a real engine, with a real registry, asked for by a hand-made server.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { UpdateWorld } from './lib/update-world.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let world, v1, v2;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  world = await UpdateWorld.start(engine, later, { hasProxy: true });
  v1 = await world.registry.push(engine, 'shop:1', ['LABEL version=1', 'ENV COLOUR=red KEPT=same', 'CMD ["sleep", "3601"]']);
  v2 = await world.registry.push(engine, 'shop:2', ['LABEL version=2', 'ENV COLOUR=blue KEPT=same', 'CMD ["sleep", "3602"]']);
});

const make = (name, args = [], { image = v1, command } = {}) => world.make(name, args, image, command);
const only = (c) => world.only(c);

test('a container gets the new image, keeps its settings, and the old one is kept', async () => {
  const compose = ['project=shop', 'service=web', 'config-hash=1', `image=${(await engine.inspect(v1)).Id}`].flatMap((l) => ['--label', `com.docker.compose.${l}`]);
  const c = await make('plain', ['-e', 'MINE=1', '--restart', 'always', '--memory', '32m', '--label', 'own=yes', '-v', '/data', ...compose]);
  await engine.docker('exec', c.id, 'sh', '-c', 'echo treasure >/data/file');
  const before = await engine.inspect(c.id);
  const id = await world.update(c.id, { new_image: v2 });
  const r = await world.ended(id);

  assert.equal(r.state, 'kept', JSON.stringify(r));
  assert.equal(r.container_id, c.id);
  assert.equal(r.error, undefined);
  assert.ok(r.downtime_ms >= 0 && r.downtime_ms < 30000, `${r.downtime_ms}`);
  const now = await only(c);
  assert.equal(now.id, r.new_container_id);
  assert.equal(now.state, 'running');
  assert.equal(now.image, v2);
  const { Config, HostConfig, Mounts } = now.inspect;
  assert.deepEqual(Config.Cmd, ['sleep', '3602']);
  assert.ok(Config.Env.includes('COLOUR=blue') && Config.Env.includes('MINE=1'), String(Config.Env));
  assert.equal(Config.Labels.version, '2');
  assert.equal(Config.Labels.own, 'yes');
  assert.equal(Config.Labels['com.docker.compose.config-hash'], '1');
  assert.equal(Config.Labels['com.docker.compose.image'], now.inspect.Image, 'so that compose does not replace it');
  assert.equal(Config.Hostname, now.id.slice(0, 12), 'the generated name of the host follows the id');
  assert.equal(HostConfig.RestartPolicy.Name, 'always');
  assert.equal(HostConfig.Memory, 32 << 20);
  assert.equal(Mounts[0].Name, before.Mounts[0].Name, 'the anonymous volume is attached again');
  assert.equal(await engine.docker('exec', now.id, 'cat', '/data/file'), 'treasure');
  const old = now.family.find((f) => f.id === c.id);
  assert.equal(old.name, `${c.name}.dmold-${id.slice(0, 8)}`);
  assert.equal(old.state, 'exited');
  assert.equal(old.inspect.HostConfig.RestartPolicy.Name, 'no', 'a restart of the engine does not start it');
  assert.equal(now.family.length, 2);
});

test('the progress of the pull is reported', async () => {
  const fresh = await world.registry.push(engine, 'shop:progress', ['RUN dd if=/dev/zero of=/big bs=1000000 count=3', 'CMD ["sleep", "3603"]']);
  await engine.docker('rmi', fresh);
  const c = await make('pulled');
  assert.equal((await world.ended(await world.update(c.id, { new_image: fresh }))).state, 'kept');
  const steps = world.server.events('update_layer_progress').filter((p) => p.container_id === c.id.slice(0, 12));

  assert.ok(steps.length > 0);
  assert.equal(steps.at(-1).overall_progress, 100, JSON.stringify(steps.at(-1)));
  assert.ok(steps.at(-1).total_layers >= 1);
});

test('a rollback starts that very container again', async () => {
  const c = await make('back', ['--restart', 'unless-stopped']);
  const id = await world.update(c.id, { new_image: v2 });
  await world.ended(id, { is: (r) => r.state === 'kept' });
  const reply = await world.server.command('update_rollback', { update_id: id });

  assert.deepEqual(reply.payload, { status: 'rollback_started', update_id: id });
  const r = await world.ended(id, { is: (x) => x.state === 'rolled_back' });
  assert.equal(r.is_rolling_back, false);
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.state, 'running');
  assert.equal(now.inspect.HostConfig.RestartPolicy.Name, 'unless-stopped');
  assert.equal(now.family.length, 1, 'the new one is gone');
  const again = await world.server.command('update_rollback', { update_id: id });
  assert.equal(again.error?.code ?? again.code, 'update_too_late', JSON.stringify(again));
});

test('a new container that does not stay up is a failure, and the old one runs again', async () => {
  const bad = await world.registry.push(engine, 'shop:crash', ['CMD ["sh", "-c", "exit 3"]']);
  const c = await make('crash', ['--restart', 'always']);
  const r = await world.ended(await world.update(c.id, { new_image: bad }));

  assert.equal(r.state, 'rolled_back');
  assert.equal(r.error.code, 'not_healthy');
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.state, 'running');
  assert.equal(now.inspect.HostConfig.RestartPolicy.Name, 'always');
  assert.equal(now.family.length, 1);
});

test('many settings at once are no loss: those of the user, the image and the engine', async () => {
  const network = `${engine.prefix}-net`;
  const subnet = `10.${200 + Math.floor(Math.random() * 50)}.${Math.floor(Math.random() * 250)}`;
  await engine.docker('network', 'create', '--subnet', `${subnet}.0/24`, network);
  const donor = await make('donor', ['-v', `${engine.prefix}-vol:/shared`]);
  const c = await make('rich', ['--network', network, '--ip', `${subnet}.9`, '--network-alias', 'one', '--hostname', 'mine', '--domainname', 'test',
    '--cap-add', 'NET_ADMIN', '--cap-drop', 'MKNOD', '--security-opt', 'no-new-privileges', '--tmpfs', '/t:size=1m', '--mount', 'type=tmpfs,dst=/m,tmpfs-size=65536',
    '--mount', 'type=bind,src=/tmp,dst=/b,ro', '-v', '/tmp:/c:ro', '--volumes-from', donor.name, '--ulimit', 'nofile=100:200', '--sysctl', 'net.core.somaxconn=99', '--device', '/dev/null:/dev/zero2:r',
    '--add-host', 'a:1.2.3.4', '--dns', '1.1.1.1', '--dns-search', 'x.test', '--log-opt', 'max-file=3', '--pids-limit', '50', '--health-cmd', 'true', '--health-interval', '1s', '--init=false', '--shm-size', '8m',
    '--ipc', 'private', '--group-add', '5', '--user', '0:0', '--workdir', '/', '--oom-score-adj', '5', '--memory', '64m', '--memory-swap', '-1', '--cpu-shares', '77', '--read-only', '--stop-timeout', '1',
    '--stop-signal', 'INT', '-e', 'COLOUR=red', '-e', 'EMPTY=', '--expose', '99', '-p', '127.0.0.1::98', '--restart', 'on-failure:3', '--label', 'version=own', '-t', '-i'], { command: ['sleep', '3700'] });
  const before = await engine.inspect(c.id);
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.equal(r.state, 'kept', JSON.stringify(r));
  const { inspect } = await only(c);
  const same = ['CapAdd', 'CapDrop', 'SecurityOpt', 'Tmpfs', 'Ulimits', 'Sysctls', 'Devices', 'ExtraHosts', 'Dns', 'DnsSearch', 'LogConfig', 'PidsLimit', 'ShmSize', 'GroupAdd', 'OomScoreAdj', 'Memory', 'MemorySwap', 'CpuShares', 'ReadonlyRootfs', 'RestartPolicy', 'Mounts'];
  for (const key of same) assert.deepEqual(inspect.HostConfig[key], before.HostConfig[key], key);
  for (const key of ['Hostname', 'Domainname', 'Cmd', 'User', 'Healthcheck', 'StopSignal', 'StopTimeout', 'Tty', 'OpenStdin']) assert.deepEqual(inspect.Config[key], before.Config[key], key);
  const [now, then] = [inspect, before].map((i) => i.NetworkSettings.Networks[network]);
  assert.deepEqual([now.IPAddress, now.IPAMConfig], [then.IPAddress, then.IPAMConfig]);
  assert.ok(now.Aliases.includes('one'));
  assert.equal(inspect.Config.Labels.version, 'own');
  await engine.docker('rm', '-f', c.id, inspect.Id);
  await engine.docker('network', 'rm', network);
});

test('an engine that drops a setting without an error fails the update, which is rolled back', async () => {
  const c = await make('lossy', ['--memory', '32m', '--cap-add', 'NET_ADMIN']);

  world.proxy.edit = ({ path }, body) => {
    if (path.includes('lossy')) delete body.HostConfig.Memory;
    return body;
  };
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));
  world.proxy.edit = null;
  assert.equal(r.state, 'rolled_back', JSON.stringify(r));
  assert.equal(r.error.code, 'settings_lost');
  assert.match(r.error.text, /HostConfig\.Memory \(33554432, now 0\)/);
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.state, 'running');
  assert.equal(now.family.length, 1);
});

test('nothing is touched when the image does not exist, or cannot be created', async () => {
  const c = await make('missing');
  const started = (await engine.inspect(c.id)).State.StartedAt;
  const r = await world.ended(await world.update(c.id, { new_image: `${world.registry.name}/shop:none` }));

  assert.equal(r.state, 'failed');
  assert.match(r.error.text, /none/);
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.inspect.State.StartedAt, started);
  assert.equal(now.family.length, 1);
});

test('a container that is removed at its end keeps its anonymous volume', async () => {
  const c = await make('temporary', ['--rm', '-v', '/data']);
  await engine.docker('exec', c.id, 'sh', '-c', 'echo treasure >/data/file');
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.equal(r.state, 'done', JSON.stringify(r.error));
  const now = await only(c);
  assert.equal(await engine.docker('exec', now.id, 'cat', '/data/file'), 'treasure');
  assert.equal(now.inspect.HostConfig.AutoRemove, true);
  assert.equal(now.family.length, 1);

  const bad = await world.registry.push(engine, 'shop:crash2', ['CMD ["sh", "-c", "sleep 0.2; exit 3"]']);
  const failed = await world.ended(await world.update(now.id, { new_image: bad }), { timeout: 90000 });
  assert.equal(failed.state, 'rolled_back', JSON.stringify(failed));
  const back = await only(c);
  assert.equal(back.state, 'running');
  assert.equal(back.inspect.Image, now.inspect.Image, 'of the image that it had');
  assert.equal(await engine.docker('exec', back.id, 'cat', '/data/file'), 'treasure');
});

test('a stopped container stays stopped; a one-shot that ends with 0 is a success', async () => {
  const c = await make('stopped');
  await engine.docker('stop', '-t', '0', c.id);
  assert.equal((await world.ended(await world.update(c.id, { new_image: v2 }))).state, 'kept');
  assert.equal((await only(c)).state, 'created');

  const once = await world.registry.push(engine, 'shop:once', ['CMD ["true"]']);
  const shot = await make('shot');
  const r = await world.ended(await world.update(shot.id, { new_image: once }));
  assert.equal(r.state, 'kept', JSON.stringify(r.error));
  assert.equal((await only(shot)).inspect.State.ExitCode, 0);
});

test('image and containers are asked for by the platform of the old one', async () => {
  const c = await make('platform');
  const paths = [];
  world.proxy.hook = async ({ when, path }) => { if (when === 'before') paths.push(path); };
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));
  world.proxy.hook = null;
  const platform = `platform=linux%2F${await engine.docker('version', '--format', '{{.Server.Arch}}')}`;

  assert.equal(r.state, 'kept', JSON.stringify(r));
  for (const start of ['/images/create', '/containers/create']) {
    const found = paths.filter((p) => p.startsWith(start));
    assert.ok(found.length > 0 && found.every((p) => p.toLowerCase().includes(platform.toLowerCase())), JSON.stringify(found));
  }
});

test('a container that has the image already is left alone', async () => {
  const c = await make('current');
  const r = await world.ended(await world.update(c.id));

  assert.deepEqual([r.state, r.error, r.new_container_id, r.downtime_ms], ['done', undefined, undefined, null], JSON.stringify(r));
  assert.equal(r.image_id, r.new_image_id);
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.state, 'running');
  assert.equal(now.family.length, 1);
});

test('a published port is kept although only the old image exposes it, and anonymous volumes are named', async () => {
  const exposing = await world.registry.push(engine, 'shop:exposing', ['EXPOSE 81/udp 82', 'VOLUME /data', 'CMD ["sleep", "3606"]']);
  const c = await make('ports', ['--network', 'bridge', '-p', '127.0.0.1::81/udp'], { image: exposing });
  const volume = (await engine.inspect(c.id)).Mounts[0].Name;
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.equal(r.state, 'kept', JSON.stringify(r));
  const { inspect } = await only(c);
  assert.equal(inspect.NetworkSettings.Ports['81/udp'].length, 1, JSON.stringify(inspect.NetworkSettings.Ports));
  assert.deepEqual(Object.keys(inspect.Config.ExposedPorts), ['81/udp'], 'one that is only exposed follows the image');
  assert.equal(inspect.Mounts[0].Name, volume);
  assert.deepEqual(r.kept_volumes, [volume]);
});

test('the values of an image that was pruned are known from the update that brought it', async () => {
  const gone = await world.registry.push(engine, 'shop:gone', ['ENV COLOUR=gone ONLY=gone', 'CMD ["sleep", "3607"]']);
  const c = await make('pruned');
  const first = await world.ended(await world.update(c.id, { new_image: gone }));
  assert.equal(first.state, 'kept');
  await engine.docker('rmi', '-f', gone);
  const inner = (await only(c)).id;
  world.proxy.refuse = (path) => path.includes(`/images/${first.new_image_id}/json`);
  const r = await world.ended(await world.update(inner, { new_image: v2 }));
  world.proxy.refuse = null;

  assert.equal(r.state, 'kept', JSON.stringify(r));
  const { inspect } = await only(c);
  assert.ok(inspect.Config.Env.includes('COLOUR=blue') && !inspect.Config.Env.some((e) => e.startsWith('ONLY=')), String(inspect.Config.Env));
  assert.deepEqual(inspect.Config.Cmd, ['sleep', '3602']);
});

test('a container in the network of another one is created again with it', async () => {
  const parent = await make('parent');
  const child = await make('child', ['--network', `container:${parent.name}`]);
  const r = await world.ended(await world.update(parent.id, { new_image: v2 }));

  assert.equal(r.state, 'kept', JSON.stringify(r.error));
  const [p, ch] = [await only(parent), await only(child)];
  assert.equal(p.image, v2);
  assert.equal(ch.state, 'running');
  assert.equal(ch.image, v1, 'its image stays');
  assert.equal(ch.inspect.HostConfig.NetworkMode, `container:${p.id}`);
  assert.deepEqual(r.dependents.map((d) => [d.name, d.action]), [[child.name, 'recreate']]);

  await world.server.command('update_rollback', { update_id: r.update_id });
  await world.ended(r.update_id, { is: (x) => x.state === 'rolled_back' });
  assert.equal((await only(parent)).id, parent.id);
  assert.equal((await only(child)).id, child.id);
  assert.equal((await only(child)).state, 'running');
});

test('one update at a time for a container, several side by side', async () => {
  const slow = await make('slow', [], { command: ['sleep', '3600'] });
  const id = await world.update(slow.id, { new_image: v2, stays_up_s: 5 });
  const reply = await world.server.command('update_container', { container_id: slow.name, new_image: v2, stop_timeout: 1, health_timeout: 30 });

  assert.equal(reply.error?.code ?? reply.code, 'update_in_progress', JSON.stringify(reply));
  assert.match(JSON.stringify(reply), new RegExp(id), 'the refusal names it');
  for (const action of ['stop', 'restart', 'remove', 'kill']) {
    const refused = await world.server.operation({ action, container_id: slow.name, new_name: 'x', timeout: 1 });
    assert.equal(refused.code, 'update_in_progress', `${action}: ${JSON.stringify(refused)}`);
  }
  const others = await Promise.all([1, 2, 3, 4].map((i) => make(`side${i}`)));
  const ids = await Promise.all(others.map((c) => world.update(c.id, { new_image: v2 })));
  for (const one of [id, ...ids]) assert.equal((await world.ended(one)).state, 'kept');
});

test('an update can be cancelled until it is over', async () => {
  const c = await make('cancelled', [], { command: ['sleep', '3600'] });
  const id = await world.update(c.id, { new_image: v2, stays_up_s: 60, health_timeout: 120 });
  await world.ended(id, { is: (r) => r.step === 'start' });
  const reply = await world.server.command('update_cancel', { update_id: id });

  assert.deepEqual(reply.payload, { status: 'cancelling', update_id: id });
  assert.equal((await world.ended(id)).state, 'cancelled');
  const now = await only(c);
  assert.equal(now.id, c.id);
  assert.equal(now.state, 'running');
  assert.equal(now.family.length, 1);
});

test('an update that waits is on disk before it is accepted, and goes on after a kill', async () => {
  const all = await Promise.all([1, 2, 3, 4].map((i) => make(`queue${i}`)));
  const held = [];
  world.proxy.hook = (call) => (call.path.startsWith('/images/create') && call.when === 'before' ? new Promise((go) => { held.push(go); }) : null);
  const ids = [];
  for (const c of all) ids.push(await world.update(c.id, { new_image: v2 }));

  await eventually(() => held.length === 3, { what: 'three run' });
  const waiting = (await world.records()).find((r) => r.update_id === ids[3]);
  assert.deepEqual([waiting.state, waiting.step], ['running', 'wait'], 'the fourth is on disk');
  await world.agent.down('SIGKILL');
  world.proxy.hook = null;
  for (const go of held) go();
  await world.agent.up();
  for (const id of ids.slice(0, 3)) {
    const r = await world.ended(id);
    assert.deepEqual([r.state, r.error.code], ['failed', 'unavailable'], 'nothing was changed by them');
  }
  assert.equal((await world.ended(ids[3])).state, 'kept');
  assert.equal((await only(all[3])).image, v2);
});

test('on a full disk an update is refused with the reason', async () => {
  const c = await make('nospace');
  const dir = join(world.agent.dir, 'updates');

  assert.equal((await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir])).code, 0, 'needs root');
  try {
    const reply = await world.server.command('update_container', { container_id: c.id, new_image: v2, stop_timeout: 1, health_timeout: 30 });

    assert.equal(reply.code, 'storage_full', JSON.stringify(reply));
    assert.match(reply.error, /No space left/);
    assert.deepEqual(await world.records(), []);
  } finally {
    await run('umount', [dir]);
  }
  assert.equal((await only(c)).image, v1);
  assert.equal((await world.ended(await world.update(c.id, { new_image: v2 }))).state, 'kept', 'and begins when there is room');
});

test('a lock in the container or on it vetoes the update', async () => {
  const labelled = await make('locked', ['--label', 'dockmon.update.lock=backup']);
  assert.equal((await world.ended(await world.update(labelled.id, { new_image: v2 }))).error.code, 'update_locked');
  const file = await make('lockfile');
  await engine.docker('exec', file.id, 'sh', '-c', 'busybox mkdir -p /tmp/dockmon; echo >/tmp/dockmon/lock');
  assert.equal((await world.ended(await world.update(file.id, { new_image: v2 }))).error.code, 'update_locked');
  assert.equal((await world.ended(await world.update(file.id, { new_image: v2, ignore_lock: true }))).state, 'kept');
});

test('the kept container is removed when its time is over, and its image when it has no name', async () => {
  const moving = await world.registry.push(engine, 'moving:latest', [`LABEL turn=1-${engine.prefix}`]);
  const c = await make('expired', [], { image: moving, command: ['sleep', '3600'] });
  const old = (await engine.inspect(c.id)).Image;
  await world.registry.push(engine, 'moving:latest', [`LABEL turn=2-${engine.prefix}`]);
  const r = await world.ended(await world.update(c.id));

  assert.equal(r.state, 'kept', JSON.stringify(r.error));
  assert.equal(r.image_id, old);
  await world.expire();
  const now = await only(c);
  assert.equal(now.family.length, 1);
  assert.equal(now.state, 'running');
  await eventually(async () => (await run('docker', ['image', 'inspect', old], { env: engine.env })).code !== 0, { what: 'the old image is gone' });
  assert.equal((await run('docker', ['image', 'inspect', v1], { env: engine.env })).code, 0, 'one with a name stays');
});

test('containers in the namespaces of one that is restarted or started through us are restarted with it', async () => {
  const soon = ['--stop-signal', 'KILL'];
  const parent = await make('ns', soon);
  const join = (name, ...args) => make(name, ['--network', `container:${parent.name}`, ...soon, ...args]);
  const child = await join('ns-child', '--ipc', 'shareable');
  const grandchild = await make('ns-grandchild', ['--ipc', `container:${child.name}`, ...soon]);
  const kept = await join('ns-protected', '--label', 'dockmon.protect=restart');
  const stopped = await join('ns-stopped');
  const other = await make('ns-other', soon);
  await engine.docker('stop', '-t', '0', stopped.id);
  const startOf = async (c) => (await engine.inspect(c.id)).State.StartedAt;
  const before = Object.fromEntries(await Promise.all([parent, child, kept, other].map(async (c) => [c.id, await startOf(c)])));

  for (const actions of [['restart'], ['stop', 'start']]) {
    const first = await startOf(child);

    for (const action of actions) {
      const reply = await world.server.operation({ action, container_id: parent.id, timeout: 0 });
      assert.equal(reply.success ?? !reply.error, true, JSON.stringify(reply));
    }
    await eventually(async () => (await startOf(grandchild)) > (await startOf(parent)), { what: `both are restarted after ${actions}` });
    assert.ok((await startOf(child)) > first);
    assert.ok((await startOf(child)) < (await startOf(grandchild)), 'in order');
    assert.equal(await engine.state(child.id), 'running');
  }
  assert.equal(await startOf(kept), before[kept.id], 'its label forbids it');
  assert.equal(await startOf(other), before[other.id]);
  assert.equal(await engine.state(stopped.id), 'exited', 'a stopped one stays stopped');
  const again = await startOf(child);
  await world.server.operation({ action: 'start', container_id: parent.id, timeout: 0 });
  await world.server.operation({ action: 'restart', container_id: other.id, timeout: 0 });
  assert.equal(await startOf(child), again, 'a start of one that runs changes nothing');
});

test('a container with our suffix that no update knows is reported and left alone', async () => {
  const stranger = await make('web.dmold-0123abcd');
  const { payload } = await world.server.command('update_list', {});

  assert.ok(payload.strangers.some((s) => s.id === stranger.id && s.name === stranger.name), JSON.stringify(payload.strangers));
  assert.ok(payload.updates.length > 5);
  const reply = await world.server.command('update_container', { container_id: stranger.id, new_image: v2, stop_timeout: 1, health_timeout: 30 });
  assert.equal(reply.error?.code ?? reply.code, 'update_refused', JSON.stringify(reply));
  assert.equal(await engine.exists(stranger.id), true);
});

// Previews of updates, and what is refused: on a real engine, with a real registry, asked for by a hand-made server.
import assert from 'node:assert/strict';
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
  world = await UpdateWorld.start(engine, later);
  v1 = await world.registry.push(engine, 'shop:1', ['LABEL version=1', 'ENV COLOUR=red KEPT=same', 'CMD ["sleep", "3601"]']);
  v2 = await world.registry.push(engine, 'shop:2', ['LABEL version=2', 'ENV COLOUR=blue KEPT=same', 'CMD ["sleep", "3602"]']);
});

const make = (name, args = [], { image = v1, command } = {}) => world.make(name, args, image, command);
const only = (c) => world.only(c);

const preview = async (container, fields = {}) => {
  const reply = await world.server.command('update_preview', { container_id: container, ...fields });

  assert.equal(reply.error, undefined, JSON.stringify(reply));
  return reply.payload;
};

test('the containers of probes are seen by nobody', async () => {
  const c = await make('probed');
  const fresh = await world.registry.push(engine, 'shop:probed', [`LABEL turn=${engine.prefix}`]);

  await preview(c.id, { new_image: fresh });
  await engine.docker('rename', c.id, `${c.name}-2`);
  await eventually(() => world.server.events('container_event').some((e) => e.action === 'rename' && e.container_id.startsWith(c.id.slice(0, 12))), { what: 'a later event' });
  const probes = world.server.events('container_event').filter((e) => JSON.stringify(e).includes('dockmon-probe'));
  assert.deepEqual(probes, []);
});

test('a preview says what changes and what is lost, and changes nothing', async () => {
  const next = await world.registry.push(engine, 'shop:linked', [
    'LABEL version=3 org.opencontainers.image.source=https://git.test/shop org.opencontainers.image.version=1.3 org.opencontainers.image.url=javascript:alert(1)',
    'ENV COLOUR=green KEPT=same', 'CMD ["sleep", "3604"]']);
  const c = await make('seen', ['-e', 'MINE=1', '-v', '/data', '--memory', '32m']);
  await engine.docker('exec', c.id, 'sh', '-c', 'mkdir -p /srv/deep; echo x >/srv/deep/file; echo x >/data/kept; echo x >/srv/other');
  const before = await engine.inspect(c.id);
  const p = await preview(c.name, { new_image: next });
  const change = (path) => p.changes.find((x) => x.path === path);

  assert.equal(p.container_id, c.id);
  assert.equal(p.is_update, true);
  assert.equal(p.refused, null);
  assert.equal(p.compose, null);
  assert.equal(p.image_id, before.Image);
  assert.equal(p.new_image, next);
  assert.match(p.new_image_id, /^sha256:[0-9a-f]{64}$/);
  assert.match(p.new_digest, /^sha256:[0-9a-f]{64}$/);
  assert.notEqual(p.new_digest, p.digest);
  assert.ok(p.size > 0 && p.new_size > 0 && Date.parse(p.created) && Date.parse(p.new_created), JSON.stringify(p));
  assert.deepEqual(change('Config.Cmd'), { path: 'Config.Cmd', before: ['sleep', '3601'], after: ['sleep', '3604'] });
  assert.deepEqual(change('Config.Labels.version'), { path: 'Config.Labels.version', before: '1', after: '3' });
  assert.ok(change('Config.Env').after.includes('COLOUR=green') && change('Config.Env').after.includes('MINE=1'), JSON.stringify(p.changes));
  assert.equal(change('HostConfig.Memory'), undefined, 'a setting that stays is no change');
  assert.deepEqual(p.lost_paths.sort(), ['/srv/deep/file', '/srv/other'], 'not the volume, and no directory of a listed file');
  assert.equal(p.lost_paths_total, 2);
  assert.deepEqual([p.source, p.version, p.url], ['https://git.test/shop', '1.3', undefined], 'links are links');
  assert.deepEqual(await engine.inspect(c.id), before);
  assert.equal((await only(c)).family.length, 1);
  assert.equal((await preview(c.name, { new_image: next })).fingerprint, p.fingerprint, 'the same again');

  const r = await world.ended(await world.update(c.id, { new_image: next, fingerprint: p.fingerprint }));
  assert.equal(r.state, 'kept', JSON.stringify(r));
  assert.deepEqual((await only(c)).inspect.Config.Cmd, ['sleep', '3604']);
});

test('a long list of lost files is cut, and their number is said', async () => {
  const c = await make('many');
  await engine.docker('exec', c.id, 'sh', '-c', 'i=0; while [ $i -lt 230 ]; do echo >/many$i; i=$((i+1)); done');
  const p = await preview(c.id, { new_image: v2 });

  assert.equal(p.lost_paths.length, 200);
  assert.equal(p.lost_paths_total, 230);
});

test('an update by a preview that is not true any more is refused', async () => {
  const c = await make('stale', ['--memory', '32m', '--memory-swap', '64m']);
  const { fingerprint } = await preview(c.id, { new_image: v2 });
  const ask = (fields) => world.server.command('update_container', { container_id: c.id, new_image: v2, stop_timeout: 1, health_timeout: 30, ...fields });

  await engine.docker('exec', c.id, 'sh', '-c', 'echo x >/file');
  assert.equal((await preview(c.id, { new_image: v2 })).fingerprint, fingerprint, 'files are no part of the plan');
  await engine.docker('update', '--memory', '48m', c.id);
  for (const fields of [{ fingerprint }, { fingerprint: 'a'.repeat(64) }]) {
    const refused = await ask(fields);
    assert.equal(refused.error?.code ?? refused.code, 'preview_stale', JSON.stringify(refused));
  }
  assert.equal((await only(c)).family.length, 1);
  await engine.docker('update', '--memory', '32m', c.id);
  const other = await ask({ fingerprint, new_image: v1 });
  assert.equal(other.error?.code ?? other.code, 'preview_stale', 'of another image');
  assert.equal((await ask({ fingerprint })).payload?.status, 'update_started', 'all is as it was');
  await eventually(async () => (await only(c)).image === v2, { what: 'the update is carried out' });
});

test('a preview names dependents, compose and what forbids the update', async () => {
  const labels = (version) => ['project=shop', 'service=web', `version=${version}`, 'image=sha256:1', 'config-hash=1'].flatMap((l) => ['--label', `com.docker.compose.${l}`]);
  const parent = await make('pre', labels('2.26.1'));
  const child = await make('pre-child', ['--network', `container:${parent.name}`]);
  await engine.docker('exec', parent.id, 'sh', '-c', 'mkdir -p /run/secrets; echo x >/run/secrets/key');
  const p = await preview(parent.id, { new_image: v2 });

  assert.deepEqual(p.dependents.map((d) => [d.id, d.name, d.action]), [[child.id, child.name, 'recreate']]);
  assert.deepEqual([p.compose.project, p.compose.service, p.compose.will_recreate], ['shop', 'web', true], 'another reference');
  assert.match(p.compose.reason, new RegExp(v2));
  assert.match(p.notes.find((n) => n.code === 'compose_files_lost').text, /\/run\/secrets\/key/);
  const same = await preview(parent.id);
  assert.equal(same.is_update, false);
  assert.equal(same.compose.will_recreate, false);

  const moving = await world.registry.push(engine, 'moving:old', ['LABEL turn=1']);
  const made = new Map();
  for (const version of ['1.29.2', '2.30.2', '2.30.3']) made.set(version, await make(`pre-${version}`, labels(version), { image: moving, command: ['sleep', '3600'] }));
  await world.registry.push(engine, 'moving:old', ['LABEL turn=2']);
  for (const [version, reason] of [['1.29.2', /1\.29\.2 counts the id of the image/], ['2.30.2', /2\.30\.2 removes the new container while/], ['2.30.3', null]]) {
    const next = await preview(made.get(version).id);

    assert.equal(next.is_update, true);
    assert.equal(next.compose.will_recreate, reason !== null, JSON.stringify(next.compose));
    if (reason) assert.match(next.compose.reason, reason);
  }

  for (const [name, label, code] of [['pre-lock', 'dockmon.update.lock=x', 'update_locked'], ['pre-swarm', 'com.docker.swarm.task.id=x', 'update_refused'],
    ['pre-unit', 'PODMAN_SYSTEMD_UNIT=web.service', 'update_refused']]) {
    const c = await make(name, ['--label', label]);
    assert.equal((await preview(c.id, { new_image: v2 })).refused.code, code);
    const r = await world.ended(await world.update(c.id, { new_image: v2 }));
    assert.deepEqual([r.state, r.error.code], ['failed', code]);
    assert.equal((await only(c)).family.length, 1);
  }
});

test('the container of the agent itself is refused, also as a dependent', async () => {
  const soon = ['--stop-signal', 'KILL'];
  const parent = await make('own-parent', soon);
  const [own, sibling] = await Promise.all(['own', 'sibling'].map((name) => make(name, ['--network', `container:${parent.name}`, ...soon])));
  const startOf = async (c) => (await engine.inspect(c.id)).State.StartedAt;
  const started = await startOf(own);
  await world.runsIn(own.id);
  const direct = await world.server.command('update_container', { container_id: own.id, new_image: v2, stop_timeout: 1, health_timeout: 30 });

  assert.equal(direct.code, 'own_container', JSON.stringify(direct));
  assert.equal((await preview(own.id, { new_image: v2 })).refused.code, 'own_container');
  assert.equal((await preview(parent.id, { new_image: v2 })).refused.code, 'own_container');
  const r = await world.ended(await world.update(parent.id, { new_image: v2 }));
  assert.deepEqual([r.state, r.error.code], ['failed', 'own_container']);
  assert.equal((await only(parent)).family.length, 1, 'nothing was created');
  for (const round of [1, 2]) {
    const before = await startOf(sibling);

    await world.server.operation({ action: 'restart', container_id: parent.id, timeout: 0 });
    await eventually(async () => (await startOf(sibling)) > before, { what: `the other one is restarted with its parent, round ${round}` });
  }
  assert.equal(await startOf(own), started, 'the agent does not restart itself');
  await world.runsIn(null);
});

test('a preview pulls nothing: an image that only the registry has is known by its digest', async () => {
  const far = await world.registry.push(engine, 'shop:far', ['CMD ["sleep", "3605"]']);
  const local = JSON.parse(await engine.docker('image', 'inspect', far))[0];
  await engine.docker('rmi', far);
  const c = await make('far');
  const p = await preview(c.id, { new_image: far });

  assert.equal(p.is_update, true);
  assert.equal(p.new_digest, local.RepoDigests[0].split('@')[1]);
  assert.equal(p.new_image_id, undefined);
  assert.ok(p.notes.some((n) => n.code === 'image_not_pulled'), JSON.stringify(p.notes));
  assert.notEqual((await run('docker', ['image', 'inspect', far], { env: engine.env })).code, 0, 'nothing was pulled');
  assert.equal((await world.ended(await world.update(c.id, { new_image: far, fingerprint: p.fingerprint }))).state, 'kept');
  const reply = await world.server.command('update_preview', { container_id: c.name, new_image: `${world.registry.name}/shop:none` });
  assert.equal(reply.code, 'no_such_image', JSON.stringify(reply));
  assert.match(reply.error, /shop:none is not on this host/);
});

// Faults in the middle of an update, each at three of its acts: the registry or the server is away, the name is taken by
// a stranger, the new image is broken. And what ends the time of kept containers before it is over.
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { before, test } from 'node:test';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { cleanups } from './lib/cleanup.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { ACTS } from './lib/update-kills.mjs';
import { UpdateWorld } from './lib/update-world.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let world, v1, v2, n = 0;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  world = await UpdateWorld.start(engine, later, { hasProxy: true, env: { UPDATE_TIMEOUT: '77s' } });
  v1 = await world.registry.push(engine, 'shop:1', ['LABEL version=1', 'CMD ["sleep", "3601"]']);
  v2 = await world.registry.push(engine, 'shop:2', ['LABEL version=2', 'CMD ["sleep", "3602"]']);
});

async function make() {
  const name = `${engine.prefix}-f${++n}-`; // no name is the beginning of another one
  const id = await engine.docker('run', '-d', '--network', 'none', '--name', name, '--restart', 'always', '-v', '/anonymous', v1);

  await engine.docker('exec', id, 'sh', '-c', 'echo treasure >/anonymous/file');
  return { id, name };
}

// Does `fault` before the act, once.
function arm(c, act, fault) {
  let has_fired = false;

  world.proxy.hook = async (call) => {
    const path = `${call.method} ${decodeURIComponent(call.path)}`;
    if (has_fired || call.when !== 'before' || !path.replace(c.id, 'OLD').match(act) || !(path.includes(c.name) || isOf(path, c))) return;
    has_fired = true;
    await fault(path);
  };
  return () => has_fired;
}

// Starts name no container: one update runs at a time here.
const isOf = (path, c) => path.includes(c.id) || /(start|rename|stop|update)/.test(path);

// One container has the name and runs, with its data; `is` is what else is to be so.
async function check(c, { image, others = 0 }) {
  const family = await world.family(c.name);
  const named = family.filter((f) => f.name === c.name);

  assert.equal(named.length, 1, JSON.stringify(family.map((f) => f.name)));
  assert.equal(named[0].state, 'running');
  assert.equal(named[0].image, image);
  assert.equal(named[0].inspect.HostConfig.RestartPolicy.Name, 'always');
  assert.equal(await engine.docker('exec', named[0].id, 'cat', '/anonymous/file'), 'treasure');
  assert.equal(family.filter((f) => f.state === 'running').length, 1, 'one runs');
  assert.equal(family.length, 1 + others, JSON.stringify(family.map((f) => f.name)));
}

const THREE = ['create', 'stop', 'start'];

for (const at of THREE) {
  test(`the registry dies before ${at}: the update needs it no more`, async () => {
    const c = await make();
    const has_fired = arm(c, ACTS[at], () => world.registry.down());
    const r = await world.ended(await world.update(c.id, { new_image: v2 }));

    await world.registry.up();
    assert.ok(has_fired());
    assert.equal(r.state, 'kept', JSON.stringify(r.error));
    await check(c, { image: v2, others: 1 });
  });

  test(`the server goes away before ${at}: the agent goes on, and reports it later`, async () => {
    const c = await make();
    const has_fired = arm(c, ACTS[at], () => world.server.ws.terminate());
    const r = await world.ended(await world.update(c.id, { new_image: v2 }));

    assert.ok(has_fired());
    assert.equal(r.state, 'kept', JSON.stringify(r.error));
    await check(c, { image: v2, others: 1 });
  });

  test(`the image is removed before ${at}`, async () => {
    const gone = await world.registry.push(engine, `shop:gone-${at}`, [`LABEL gone=${at}`, 'CMD ["sleep", "3603"]']);
    const c = await make();
    const has_fired = arm(c, ACTS[at], () => run('docker', ['rmi', '-f', gone], { env: engine.env }));
    const r = await world.ended(await world.update(c.id, { new_image: gone }));

    assert.ok(has_fired());
    if (at === 'create') {
      assert.match(r.state, /failed|rolled_back/);
      await check(c, { image: v1 });
    } else { // the engine keeps the layers of a container
      assert.equal(r.state, 'kept', JSON.stringify(r.error));
      await check(c, { image: gone, others: 1 });
    }
  });
}

test('the agent is killed while the engine stops the container, and is back before that has ended', async () => {
  const c = await make();
  let is_killed = false;
  const stopped = new Promise((done) => {
    world.proxy.hook = async ({ when, path }) => {
      if (!path.startsWith(`/containers/${c.id}/stop`)) return;
      if (when === 'after') done();
      if (when === 'after' || is_killed) return;
      is_killed = true;
      setTimeout(() => world.agent.process.stop('SIGKILL').then(() => world.agent.up()), 300); // the engine has it by then
    };
  });
  const id = await world.update(c.id, { new_image: v2, stop_timeout: 4 });
  const [r] = await Promise.all([world.ended(id), stopped]);

  world.proxy.hook = null;
  assert.equal(r.state, 'kept', JSON.stringify(r));
  await check(c, { image: v2, others: 1 });
});

test('the registry is away: nothing is touched', async () => {
  const c = await make();
  const fresh = await world.registry.push(engine, 'shop:away', ['LABEL away=1']);
  await engine.docker('rmi', fresh);
  await world.registry.down();
  const r = await world.ended(await world.update(c.id, { new_image: fresh }));

  await world.registry.up();
  assert.equal(r.state, 'failed');
  assert.equal(r.error.code, 'pull_failed');
  await check(c, { image: v1 });
});

// Names that the acts need: of the new one, of the old one that is set aside, and the container's own in between.
const TAKEN = {
  create: (path) => /name=([^&]+)/.exec(path)[1],
  set_aside: (path) => /name=([^&]+)/.exec(path)[1],
};
for (const [at, nameOf] of Object.entries(TAKEN)) {
  test(`a stranger has taken the name before ${at}: it stays, and so does the old container`, async () => {
    const c = await make();
    let stranger;
    const has_fired = arm(c, ACTS[at], async (path) => {
      stranger = await engine.docker('create', '--network', 'none', '--name', nameOf(path), IMAGE, 'sleep', '1');
    });
    const r = await world.ended(await world.update(c.id, { new_image: v2 }));

    assert.ok(has_fired());
    assert.match(r.state, /failed|rolled_back/, JSON.stringify(r));
    assert.equal(await engine.exists(stranger), true, 'the stranger is not removed');
    await check(c, { image: v1, others: 1 });
    await engine.docker('rm', stranger);
  });
}

test('a stranger has taken the name of the container before install: it stays, and the report says so', async () => {
  const c = await make();
  let stranger;
  const has_fired = arm(c, ACTS.install, async () => {
    stranger = await engine.docker('create', '--network', 'none', '--name', c.name, IMAGE, 'sleep', '1');
  });
  const r = await world.ended(await world.update(c.id, { new_image: v2 }));

  assert.ok(has_fired());
  assert.equal(r.state, 'failed', JSON.stringify(r));
  assert.equal(r.error.code, 'rollback_failed');
  assert.match(r.error.text, new RegExp(c.name));
  assert.equal((await engine.inspect(stranger)).Name, `/${c.name}`, 'the stranger is not removed');
  assert.equal(await engine.exists(c.id), true, 'the old container is there');
  assert.equal((await engine.inspect(c.id)).Mounts[0].Destination, '/anonymous');
});

const BROKEN = {
  'does not start': ['ENTRYPOINT ["/none"]'],
  'ends with an error': ['CMD ["sh", "-c", "exit 3"]'],
  'is unhealthy': ['HEALTHCHECK --interval=1s --timeout=1s --retries=1 CMD ["busybox", "false"]', 'CMD ["sleep", "3604"]'],
};
for (const [what, lines] of Object.entries(BROKEN)) {
  test(`the new container ${what}: the old one runs again`, async () => {
    const bad = await world.registry.push(engine, `shop:bad${Object.keys(BROKEN).indexOf(what)}`, lines);
    const c = await make();
    const r = await world.ended(await world.update(c.id, { new_image: bad }), { timeout: 90000 });

    assert.equal(r.state, 'rolled_back', JSON.stringify(r));
    await check(c, { image: v1 });
  });
}

test('UPDATE_TIMEOUT is the time of the health gate, unless the request has one', async () => {
  const [a, b] = [await make(), await make()];
  const ids = [await world.update(a.id, { new_image: v2, health_timeout: undefined }), await world.update(b.id, { new_image: v2, health_timeout: 33 })];

  for (const id of ids) assert.equal((await world.ended(id)).state, 'kept');
  const records = await world.records();
  assert.deepEqual(ids.map((id) => records.find((r) => r.update_id === id).health_timeout_ms), [77000, 33000]);
});

// The containers that are kept, of those of `all`.
async function kept(all) {
  const found = await Promise.all(all.map((c) => engine.exists(c.id)));
  return all.filter((c, i) => found[i]).map((c) => c.name);
}

async function updated(count) {
  const all = [];

  for (let i = 0; i < count; i++) {
    const c = await make();
    c.update = await world.update(c.id, { new_image: v2 });
    assert.equal((await world.ended(c.update)).state, 'kept');
    all.push(c);
  }
  return all;
}

test('of more than 20 kept containers the oldest are removed', async () => {
  const dir = join(world.agent.dir, 'updates');
  const all = await updated(3);

  await world.agent.down();
  const newest = (await world.records()).find((r) => r.update_id === all[2].update);
  for (let i = 0; i < 19; i++) { // younger ones, of containers that somebody has removed
    const update_id = randomUUID();
    const members = newest.members.map((m) => ({ ...m, id: update_id.replaceAll('-', '').padEnd(64, '0') }));
    await writeFile(join(dir, `${update_id}.json`), JSON.stringify({ ...newest, update_id, members, started_at: newest.started_at + 1 + i }));
  }
  await world.agent.up();
  await eventually(async () => (await kept(all)).length === 1, { timeout: 60000, what: 'two are removed' });
  assert.deepEqual(await kept(all), [all[2].name], 'the youngest stays');
  await eventually(async () => (await world.records()).filter((r) => r.state === 'kept').length === 20, { what: '20 are kept' });
  for (const c of all) await check(c, { image: v2, others: c === all[2] ? 1 : 0 });
});

test('kept containers are removed when the disk is nearly full', async () => {
  const dir = join(world.agent.dir, 'updates');
  const [c] = await updated(1);

  await world.agent.down();
  const files = (await readdir(dir)).filter((f) => f.startsWith(c.update));
  const texts = await Promise.all(files.map((f) => readFile(join(dir, f))));
  await mkdir(dir, { recursive: true });
  assert.equal((await run('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=700', 'tmpfs', dir])).code, 0, 'needs root');
  try {
    for (const [i, f] of files.entries()) await writeFile(join(dir, f), texts[i], { mode: 0o600 });
    await writeFile(join(dir, 'ballast'), Buffer.alloc(984 * 4096)); // of 1024 pages
    await world.agent.up();
    await eventually(async () => (await kept([c])).length === 0, { timeout: 60000, what: 'the kept container is removed' });
    await check(c, { image: v2 });
  } finally {
    await world.agent.down();
    await run('umount', [dir]);
    const count = world.server.sockets.length + 1;
    await world.agent.up();
    await world.server.session({ count });
  }
});

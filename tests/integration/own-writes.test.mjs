// Read your own writes: an answer to a change carries the state after it, and the next command sees it. Names
// are those that the engine knows at that moment, not those of a model that may be older.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';

const engine = new Engine();
let server, agent, host, admin, other, homes;

before(async () => {
  await engine.ensureImage();
  homes = [await mkdtemp(join(tmpdir(), 'dockmon-home-')), await mkdtemp(join(tmpdir(), 'dockmon-home-'))];
  server = await Server.start();
  admin = await server.client('admin');
  other = await server.client('operator');
  agent = await Agent.start(server, engine);
  host = await admin.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
  for (const home of homes) await rm(home, { recursive: true });
});

const path = (ref, action = '') => `/api/hosts/${host.id}/containers/${ref}${action && `/${action}`}`;

async function succeeds(client, ...args) {
  const home = homes[client === admin ? 0 : 1];
  const r = await dockmon(server, client.key, args, { env: { HOME: home, XDG_CONFIG_HOME: '' } });

  assert.equal(r.code, 0, `dockmon ${args.join(' ')}: ${r.stderr}${r.stdout}`);
  return r.stdout;
}

const listed = async (id, client = other) => (await client.get('/api/containers')).find((c) => c.full_id === id);

test('the list has the state after each operation as soon as it is answered', async () => {
  const c = await engine.run('states');
  const steps = [
    ['stop?timeout=0', 'exited'], ['start', 'running'], ['pause', 'paused'], ['unpause', 'running'],
    ['restart?timeout=0', 'running'], ['kill', 'exited'],
  ];

  await admin.post(path(c.name, 'unpause'), undefined, { status: 409 }); // known at once, by its name
  for (let round = 0; round < 3; round++) {
    for (const [action, state] of steps) {
      await admin.post(path(c.id, action));
      assert.equal((await listed(c.id)).state, state, `after ${action}`);
    }
    await admin.post(path(c.id, 'start'));
  }
  const before = (await listed(c.id)).started_at;
  await admin.post(path(c.id, 'restart?timeout=0'));
  assert.notEqual((await listed(c.id)).started_at, before);
  await admin.post(path(c.id, 'rename'), { name: `${c.name}-2` });
  assert.equal((await listed(c.id)).name, `${c.name}-2`);
  await admin.delete(path(c.id));
  assert.equal(await listed(c.id), undefined);
});

test('a name that moves to another container is never the wrong one', async () => {
  for (let i = 0; i < 20; i++) {
    const web = await engine.run(`web${i}`);
    const fresh = await engine.run(`web${i}-new`);

    if (i % 2) {
      await succeeds(admin, 'rename', web.name, `${web.name}-old`);
      await succeeds(other, 'rename', fresh.name, web.name);
      await succeeds(admin, 'rm', '-f', web.name);
    } else {
      await admin.post(path(web.name, 'rename'), { name: `${web.name}-old` });
      await other.post(path(fresh.name, 'rename'), { name: web.name });
      await admin.delete(path(web.name));
    }
    assert.equal(await engine.exists(web.id), true, `round ${i}: the old one is left`);
    assert.equal(await engine.exists(fresh.id), false, `round ${i}: the new one is removed`);
  }
});

test('names that were moved with docker a moment ago, too', async () => {
  for (let i = 0; i < 5; i++) {
    const web = await engine.run(`out${i}`);
    const fresh = await engine.run(`out${i}-new`);

    await engine.docker('rename', web.name, `${web.name}-old`);
    await engine.docker('rename', fresh.name, web.name);
    if (i % 2) await succeeds(admin, 'rm', '-f', web.name);
    else await admin.delete(path(web.name));
    assert.equal(await engine.exists(web.id), true);
    assert.equal(await engine.exists(fresh.id), false);
  }
});

test('a container that was just created with docker is known at once', async () => {
  const first = await engine.run('fresh-1');
  await admin.post(path(first.name, 'stop?timeout=0'));
  const second = await engine.run('fresh-2');
  assert.equal((await admin.get(path(second.name, 'inspect'))).Id, second.id);
  assert.equal((await listed(second.id)).name, second.name);
  const third = await engine.run('fresh-3', { command: ['sh', '-c', 'echo hello; sleep 600'] });
  await succeeds(admin, 'stop', '-t', '0', third.name);
  assert.match(await succeeds(other, 'ps', '-a'), new RegExp(`Exited.*${third.name}`));
  const fourth = await engine.run('fresh-4');
  assert.match(await succeeds(admin, 'exec', fourth.name, 'echo', 'inside'), /inside/);
  const fifth = await engine.run('fresh-5');
  assert.deepEqual((await admin.get(`/api/containers/resolve?ref=${fifth.name}`)).map((c) => [c.id, c.full_id]), [[fifth.id.slice(0, 12), fifth.id]]);
  const sixth = await engine.run('fresh-6', { command: ['sh', '-c', 'echo hello; sleep 600'] });
  await admin.get(path(sixth.name, 'logs'));
});

test('a bulk job sees names by the engine, and its end carries the state', async () => {
  const made = [];
  for (let i = 0; i < 6; i++) made.push(await engine.run(`bulk${i}`));
  await engine.docker('rename', made[0].name, `${made[0].name}-x`);
  await engine.docker('rename', made[1].name, made[0].name);
  await succeeds(admin, 'stop', '-t', '0', made[0].name, ...made.slice(2).map((c) => c.name));
  assert.equal((await listed(made[1].id)).state, 'exited');
  assert.equal((await listed(made[0].id)).state, 'running');
  for (const c of made.slice(2)) assert.equal((await listed(c.id)).state, 'exited');
});

// An agent of another make: polled, and its engine's list lags.
test('an agent that is polled is asked for its list before the answer', async () => {
  const hand = new HandAgent(server, { era: 'head' });
  const web = containerElement({ name: 'hand-web' });
  let current = [web];
  let lagging = 0;

  hand.containers = current;
  hand.operations = {
    stop: () => {
      lagging = 2;
      const stopped = { ...web, State: 'exited', Status: 'Exited (0) Less than a second ago' };
      Object.defineProperty(hand, 'containers', { get: () => (lagging-- > 0 ? [web] : [stopped]), configurable: true });
      return {};
    },
  };
  await hand.connect(await server.token());
  const there = await admin.container('hand-web');
  await admin.post(`/api/hosts/${there.host_id}/containers/${there.id}/stop`);
  assert.equal((await admin.get('/api/containers')).find((c) => c.id === there.id).state, 'exited');
  await hand.close?.();
});

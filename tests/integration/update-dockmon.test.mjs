// The events that a server of DockMon receives of an update by our agent, compared with the recorded conversation.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { load } from './lib/replay.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let server, registry, v1, v2, recorded;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  registry = await ImageRegistry.start();
  later(() => registry.remove());
  server = await HandServer.start();
  later(() => server.stop());
  const agent = await Agent.start(server, engine, { token: 'registration-1' });
  later(() => agent.remove());
  await server.session();
  v1 = await registry.push(engine, 'web:1', ['CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'web:2', ['CMD ["sleep", "3602"]']);
  recorded = load('go-agent-head_python-server-head.jsonl').filter((r) => r.from === 'agent' && r.json?.type === 'event').map((r) => r.json);
});

const events = (name, id) => server.events(name).filter((p) => (p.container_id ?? p.old_container_id) === id.slice(0, 12));
const ask = async (id, image) => {
  const reply = await server.command('update_container', { container_id: id.slice(0, 12), new_image: image, stop_timeout: 1, health_timeout: 30, registry_auth: null });

  assert.equal(reply.payload.status, 'update_started', JSON.stringify(reply));
};
const make = (name, image) => engine.docker('run', '-d', '--network', 'none', '--name', `${engine.prefix}-${name}`, image);

test('an update ends with update_complete, once, with the members of DockMon', async () => {
  const id = await make('web', v1);
  await ask(id, v2);
  const done = await eventually(() => events('update_complete', id)[0], { timeout: 60000, what: 'update_complete' });
  const now = await engine.inspect(`${engine.prefix}-web`);
  const theirs = recorded.find((m) => m.command === 'update_complete').payload;

  for (const member of ['container_name', 'new_container_id', 'old_container_id']) assert.equal(typeof done[member], typeof theirs[member], member);
  assert.deepEqual([done.container_name, done.new_container_id, done.old_container_id], [`${engine.prefix}-web`, now.Id.slice(0, 12), id.slice(0, 12)]);
  assert.equal(now.Config.Image, v2);
  const known = new Set([...recorded.filter((m) => m.command === 'update_progress').map((m) => m.payload.stage), 'rollback', 'failed']);
  const stages = events('update_progress', id).map((p) => p.stage);
  for (const stage of stages) assert.ok(known.has(stage), `DockMon knows no stage ${stage}`);
  assert.equal(stages.at(-1), 'completed');
  for (const p of events('update_progress', id)) assert.deepEqual(Object.keys(p).sort(), ['container_id', 'message', 'stage']);
  assert.equal(events('update_complete', id).length, 1);
});

test('an update to the image that the container has ends with its own id', async () => {
  const id = await make('same', v1);
  await ask(id, v1);
  const done = await eventually(() => events('update_complete', id)[0], { timeout: 60000, what: 'update_complete' });

  assert.equal(done.new_container_id, id.slice(0, 12));
});

test('a failed update is reported with its reason, and never as complete', async () => {
  const id = await make('bad', v1);
  await ask(id, `${registry.name}/web:none`);
  const last = await eventually(() => events('update_progress', id).find((p) => p.stage === 'failed'), { timeout: 60000, what: 'the failure' });

  assert.ok(last.error, JSON.stringify(last));
  assert.equal(events('update_complete', id).length, 0);
  assert.equal((await engine.inspect(id)).State.Running, true);
});

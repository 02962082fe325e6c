// An update by REST: server, agent, engine and registry are the real ones.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let server, operator, host, v1, v2, bad;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  const registry = await ImageRegistry.start();
  later(() => registry.remove());
  v1 = await registry.push(engine, 'shop:1', ['CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'shop:2', ['CMD ["sleep", "3602"]']);
  bad = await registry.push(engine, 'shop:bad', ['CMD ["sh", "-c", "exit 1"]']);
  server = await Server.start();
  later(() => server.remove());
  operator = await server.client('operator');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  host = await operator.onlineHost();
});

const path = (name, action) => `/api/hosts/${host.id}/containers/${name}/${action}`;

async function make(name) {
  const full = `${engine.prefix}-${name}`;
  const id = await engine.docker('run', '-d', '--network', 'none', '--name', full, '--restart', 'always', v1);

  await operator.container(full);
  return { id, name: full };
}

test('a container is updated, shown, and rolled back', async () => {
  const c = await make('web');
  const answer = await operator.post(path(c.name, 'execute-update'), { image: v2, stop_timeout: 1, stays_up_s: 1 });

  assert.equal(answer.status, 'success', JSON.stringify(answer));
  const now = await engine.inspect(c.name);
  assert.notEqual(now.Id, c.id);
  assert.deepEqual(now.Config.Cmd, ['sleep', '3602']);
  const [newest] = (await operator.get(`/api/updates/history?host_id=${host.id}`)).updates;
  assert.deepEqual([newest.state, newest.container_name, newest.new_image], ['kept', c.name, v2]);
  await eventually(async () => (await operator.container(c.name)).full_id === now.Id, { what: 'the list has the new container' });

  await operator.post(path(c.name, 'update/rollback'), {});
  await eventually(async () => (await engine.inspect(c.name)).Id === c.id, { what: 'the old container is back' });
  await eventually(async () => (await operator.get(`/api/updates/history?host_id=${host.id}`)).updates[0].state === 'rolled_back', { what: 'the history shows it' });
  assert.equal(await engine.state(c.name), 'running');
});

test('an update that fails is called a failure, and the old container runs', async () => {
  const c = await make('fails');
  const r = await operator.fetch('POST', path(c.name, 'execute-update'), { body: { image: bad, stop_timeout: 1 } });
  const answer = await r.json();

  assert.notEqual(answer.status, 'success', JSON.stringify(answer));
  assert.equal((await engine.inspect(c.name)).Id, c.id);
  assert.equal(await engine.state(c.name), 'running');
  const { events } = await operator.get(`/api/events?host_id=${host.id}&event_type=update_rolled_back`);
  assert.ok(events.length > 0, 'the event log has it');
});

test('a preview by REST, and an update that is refused with 409 because the preview is stale', async () => {
  const c = await make('previewed');
  const p = await operator.post(path(c.name, 'update/preview'), { image: v2 });

  assert.equal(p.container_id, c.id);
  assert.equal(p.is_update, true);
  assert.deepEqual(p.changes.find((x) => x.path === 'Config.Cmd'), { path: 'Config.Cmd', before: ['sleep', '3601'], after: ['sleep', '3602'] });
  await engine.docker('update', '--restart', 'on-failure:3', c.id);
  const r = await operator.fetch('POST', path(c.name, 'execute-update'), { body: { image: v2, stop_timeout: 1, stays_up_s: 1, fingerprint: p.fingerprint } });
  const refusal = await r.json();

  assert.equal(r.status, 409, JSON.stringify(refusal));
  assert.equal(refusal.code, 'preview_stale', JSON.stringify(refusal));
  assert.equal((await engine.inspect(c.name)).Id, c.id);
  const again = await operator.post(path(c.name, 'update/preview'), { image: v2 });
  assert.notEqual(again.fingerprint, p.fingerprint);
  const answer = await operator.post(path(c.name, 'execute-update'), { image: v2, stop_timeout: 1, stays_up_s: 1, fingerprint: again.fingerprint });
  assert.equal(answer.status, 'success', JSON.stringify(answer));
  assert.deepEqual((await engine.inspect(c.name)).Config.Cmd, ['sleep', '3602']);
});

test('an update to the image that the container has changes nothing, and is a success', async () => {
  const c = await make('current');
  const answer = await operator.post(path(c.name, 'execute-update'), { stop_timeout: 1 });

  assert.equal(answer.status, 'success', JSON.stringify(answer));
  assert.equal((await engine.inspect(c.name)).Id, c.id);
  const [newest] = (await operator.get(`/api/updates/history?host_id=${host.id}`)).updates;
  assert.deepEqual([newest.state, newest.container_name], ['done', c.name]);
});

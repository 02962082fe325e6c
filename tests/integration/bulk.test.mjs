// One operation on many containers: progress, a result for each, limits, cancelling.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { dockmon } from './lib/dockmon.mjs';
import { IMAGE } from './lib/engine.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;

const ref = (c) => ({ host_id: world.host.id, container_id: c.id });
const finished = (id, client = world.client) =>
  eventually(async () => {
    const job = await client.get(`/api/bulk/${id}`);
    return ['completed', 'failed', 'cancelled'].includes(job.status) ? job : null;
  });

test('each container has its own result, and a failure does not stop the others', async () => {
  const all = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => engine.run(`many${i}`)));
  const shut = await engine.run('shut', { args: ['--label', 'dockmon.protect=true'] });
  for (const c of [...all, shut]) await world.client.container(c.name);
  const messages = [];
  const ws = new WebSocket(`ws://127.0.0.1:${world.server.port}/ws`, { headers: { authorization: `Bearer ${world.client.key}` } });
  ws.on('message', (data) => messages.push(JSON.parse(data)));
  await eventually(async () => messages.length > 0);

  const made = await world.client.post(
    '/api/bulk',
    { action: 'stop', options: { timeout: 0 }, containers: [...all.map(ref), ref(shut), { host_id: world.host.id, container_id: 'nowhere' }, { host_id: 'nobody', container_id: 'x' }] },
    { status: 202 },
  );
  assert.equal(made.total, 9);
  const job = await finished(made.id);
  assert.equal(job.status, 'failed');
  assert.equal(job.success, 6);
  assert.equal(job.error, 3);
  assert.equal(job.completed, 9);
  for (const c of all) assert.equal(await engine.state(c.id), 'exited');
  assert.equal(await engine.state(shut.id), 'running');
  assert.match(job.items[6].error, /dockmon\.protect=true/);
  assert.match(job.items[7].error, /No such container/);
  assert.match(job.items[8].error, /Host not found/);

  await eventually(async () => messages.some((m) => m.type === 'batch_job_update' && m.data.id === made.id && m.data.status === 'failed'));
  assert.equal(messages.filter((m) => m.type === 'batch_item_update' && m.data.job_id === made.id && m.data.status === 'success').length, 6);
  ws.close();

  const { events } = await world.client.get('/api/events?limit=200');
  assert.ok(events.some((e) => e.title === `Container ${all[0].name} was stopped` && e.triggered_by), 'in the event log');
  const admin = await world.server.client('admin');
  const { entries } = await admin.get('/api/audit?limit=500');
  assert.ok(entries.some((e) => e.action === 'container_stop' && e.target.endsWith(`/${all[0].name}`) && e.result === 'ok'));
  assert.ok(entries.some((e) => e.action === 'bulk_create' && e.target === 'stop of 9 containers'));
});

test('the CLI runs an operation on many containers as one job', async () => {
  const all = await Promise.all(Array.from({ length: 12 }, (_, i) => engine.run(`cli${i}`)));
  for (const c of all) await world.client.container(c.name);
  const r = await dockmon(world.server, world.client.key, ['stop', '-t', '0', ...all.map((c) => c.name), 'nowhere']);

  assert.equal(r.code, 1);
  assert.match(r.stderr, /No such container: nowhere/);
  assert.deepEqual(r.stdout.trim().split('\n'), all.map((c) => c.name));
  for (const c of all) assert.equal(await engine.state(c.id), 'exited');
  const admin = await world.server.client('admin');
  const { entries } = await admin.get('/api/audit?limit=500');
  assert.ok(entries.some((e) => e.action === 'bulk_create' && e.target === 'stop of 12 containers'));
});

test('invalid jobs are refused', async () => {
  const one = [{ host_id: 'h', container_id: 'c' }];
  const refused = (body) => world.client.post('/api/bulk', body, { status: 422 });
  await refused({ action: 'dance', containers: one });
  await refused({ action: 'stop', containers: [] });
  await refused({ action: 'stop', containers: Array.from({ length: 1001 }, () => one[0]) });
  await refused({ action: 'stop', containers: [{ host_id: 'h', container_id: '../x' }] });
  await refused({ action: 'stop', containers: one, options: { timeout: 601 } });
  await world.client.get('/api/bulk/nothing', { status: 404 });
});

test('a job is visible to its creator and to admins', async () => {
  const { id } = await world.client.post('/api/bulk', { action: 'start', containers: [{ host_id: 'h', container_id: 'c' }] }, { status: 202 });
  await (await world.server.client('operator')).get(`/api/bulk/${id}`, { status: 404 });
  await (await world.server.client('admin')).get(`/api/bulk/${id}`);
  await (await world.server.client('viewer')).get(`/api/bulk/${id}`, { status: 403 });
});

test('four run at a time on a host; cancelling skips the rest', async () => {
  const a = new HandAgent(world.server);
  a.containers = Array.from({ length: 20 }, (_, i) => containerElement({ name: `h${i}` }));
  const { host_id: hostId } = await a.connect(await world.server.token());
  await eventually(async () => (await world.client.get('/api/containers')).filter((c) => c.host_id === hostId).length === 20);
  const asked = [];
  a.onOperation = (m) => void asked.push(m);

  const containers = a.containers.map((c) => ({ host_id: hostId, container_id: c.Id }));
  const { id } = await world.client.post('/api/bulk', { action: 'restart', containers }, { status: 202 });
  await eventually(async () => asked.length >= 4);
  assert.equal((await world.client.get(`/api/bulk/${id}`)).running, 4);
  const cancelled = await world.client.delete(`/api/bulk/${id}`);
  assert.equal(cancelled.status, 'cancelling');
  assert.equal(cancelled.cancelled, 16);
  a.ws.close();
  const job = await finished(id);
  assert.equal(job.status, 'cancelled');
  assert.equal(job.error, 4);
  assert.equal(asked.length, 4);
});

// --- the shape of DockMon -------------------------------------------------------------------------

const short = (c) => `${world.host.id}:${c.id.slice(0, 12)}`;
const ended = (id) => eventually(async () => {
  const job = await world.client.get(`/api/batch/${id}`);
  return ['completed', 'failed', 'partial'].includes(job.status) ? job : null;
});
const batch = async (body) => ended((await world.client.post('/api/batch', body, { status: 201 })).job_id);

test('a batch of DockMon: counts, items, skipped ones, and its messages for clients that do not subscribe', async () => {
  const [up, other] = await Promise.all(['batch-up', 'batch-other'].map((name) => engine.run(name)));
  for (const c of [up, other]) await world.client.container(c.name);
  const messages = [];
  const ws = new WebSocket(`ws://127.0.0.1:${world.server.port}/ws`, { headers: { authorization: `Bearer ${world.client.key}` } });
  ws.on('message', (data) => messages.push(JSON.parse(data)));
  await eventually(async () => messages.length > 0);

  const job = await batch({ scope: 'container', action: 'restart', ids: [short(up), `${world.host.id}:ffffffffffff`] });
  assert.deepEqual(
    [job.scope, job.action, job.status, job.total_items, job.completed_items, job.success_items, job.error_items, job.skipped_items],
    ['container', 'restart', 'partial', 2, 2, 1, 1, 0],
  );
  const [item, missing] = job.items;
  assert.deepEqual(
    [item.id, item.container_id, item.container_name, item.host_id, item.host_name, item.status],
    [1, up.id.slice(0, 12), up.name, world.host.id, world.host.name, 'completed'],
  );
  for (const x of [job, item]) assert.ok(x.created_at !== null && Date.parse(x.started_at) <= Date.parse(x.completed_at));
  assert.deepEqual([missing.id, missing.status], [2, 'failed']);
  assert.match(missing.message, /No such container/);

  const { data } = await eventually(async () => messages.find((m) => m.type === 'batch_job_update' && m.data.job_id === job.id && m.data.status === 'partial'));
  for (const name of ['message', 'total_items', 'completed_items', 'success_items', 'error_items', 'skipped_items', 'created_at', 'started_at', 'completed_at']) assert.deepEqual(data[name], job[name], name);
  const updates = messages.filter((m) => m.type === 'batch_item_update' && m.data.job_id === job.id && m.data.item_id === 1).map((m) => m.data.status);
  assert.deepEqual(updates, ['running', 'completed']);
  ws.close();

  const again = await batch({ scope: 'container', action: 'start', ids: [short(up), short(other)] });
  assert.deepEqual([again.status, again.skipped_items, again.items[0].message], ['completed', 2, 'Container is already running']);
  const stopped = await batch({ scope: 'container', action: 'stop', ids: [short(other)] });
  assert.deepEqual([stopped.status, stopped.success_items], ['completed', 1]);
  assert.equal((await batch({ scope: 'container', action: 'stop', ids: [short(other)] })).skipped_items, 1);
});

test('a batch of DockMon deletes containers and images, and refuses what is not there with the reason', async () => {
  const c = await engine.run('batch-gone', { args: ['-v', '/data'] });
  await world.client.container(c.name);
  const gone = await batch({ scope: 'container', action: 'delete-containers', ids: [short(c)], params: { remove_volumes: true } });
  assert.deepEqual([gone.status, gone.items[0].container_name], ['completed', c.name]);

  await engine.docker('tag', IMAGE, 'batch-image:1');
  const id = `${world.host.id}:batch-image:1`;
  const images = await batch({ scope: 'image', action: 'delete-images', ids: [id, `${world.host.id}:nowhere:1`], params: { force: false, image_names: { [id]: 'batch-image:1' } } });
  assert.deepEqual(images.items.map((x) => [x.status, x.container_name]), [['completed', 'batch-image:1'], ['failed', null]], JSON.stringify(images.items));
  assert.match(images.items[1].message, /No such image/);

  for (const action of ['set-auto-update', 'check-updates', 'update-containers']) {
    const job = await batch({ scope: 'container', action, ids: [short(c)], params: { tags: ['a'], enabled: true } });
    assert.deepEqual([job.action, job.status, job.error_items], [action, 'failed', 1]);
    assert.match(job.items[0].message, /on this server$/);
  }
  for (const [action, params] of [['add-tags', { tags: 'a' }], ['set-auto-restart', {}], ['set-desired-state', { desired_state: 'up' }]])
    await world.client.post('/api/batch', { scope: 'container', action, ids: [short(c)], params }, { status: 422 });
  const many = Array.from({ length: 101 }, () => short(c));
  for (const body of [{ scope: 'container', action: 'start', ids: many }, { scope: 'container', action: 'dance', ids: [short(c)] }, { scope: 'image', action: 'start', ids: [short(c)] }])
    await world.client.post('/api/batch', body, { status: 422 });
});

test('a batch of DockMon changes tags, auto-restart and desired state, also of a container that is created again', async () => {
  const c = await engine.run('batch-settings');
  await world.client.container(c.name);
  const items = (action, params) => batch({ scope: 'container', action, ids: [short(c), `${world.host.id}:ffffffffffff`], params });
  const shown = async () => {
    const { tags, auto_restart, desired_state, web_ui_url } = await world.client.container(c.name);
    return { tags, auto_restart, desired_state, web_ui_url };
  };

  const job = await items('add-tags', { tags: ['Prod', 'web', 'prod'] });
  assert.deepEqual(job.items.map((x) => x.status), ['completed', 'failed']);
  assert.match(job.items[1].message, /[Nn]o such container/);
  assert.equal((await items('remove-tags', { tags: ['WEB'] })).success_items, 1);
  assert.equal((await items('set-auto-restart', { enabled: true })).success_items, 1);
  const again = await items('set-auto-restart', { enabled: true });
  assert.deepEqual([again.skipped_items, again.items[0].message], [1, 'Auto-restart is already enabled']);
  assert.equal((await items('set-desired-state', { desired_state: 'on_demand' })).success_items, 1);
  assert.deepEqual(await shown(), { tags: ['prod'], auto_restart: true, desired_state: 'on_demand', web_ui_url: null });

  // The routes of one container change the same rows.
  const path = `/api/hosts/${world.host.id}/containers/${c.id.slice(0, 12)}`;
  const ids = { host_id: world.host.id, container_id: c.id.slice(0, 12) };
  assert.deepEqual(await world.client.call('PATCH', `${path}/tags`, { body: { ordered_tags: ['B', 'a', 'b'] } }), { tags: ['b', 'a'] });
  assert.deepEqual(await world.client.call('PATCH', `${path}/tags`, { body: { tags_to_add: ['c'], tags_to_remove: ['A'] } }), { tags: ['b', 'c'] });
  assert.deepEqual(await world.client.post(`${path}/auto-restart`, { container_name: c.name, enabled: false }), { ...ids, auto_restart: false });
  const url = 'http://10.0.0.5:8080/x';
  assert.deepEqual(await world.client.post(`${path}/desired-state`, { container_name: c.name, desired_state: 'should_run', web_ui_url: url }), { ...ids, desired_state: 'should_run', web_ui_url: url });
  for (const [end, body] of [['desired-state', { desired_state: 'up' }], ['desired-state', { desired_state: 'should_run', web_ui_url: 'javascript:1' }], ['auto-restart', {}]])
    await world.client.post(`${path}/${end}`, body, { status: 422 });
  await world.client.call('PATCH', `${path}/tags`, { body: { tags: ['x'] }, status: 422 });
  assert.deepEqual((await world.client.get('/api/tags/suggest?q=B')).tags, ['b']);

  // A container that is created again, or renamed, has the settings of the one before.
  const expected = { tags: ['b', 'c'], auto_restart: false, desired_state: 'should_run', web_ui_url: url };
  await engine.docker('rm', '-f', c.name);
  const next = await engine.run('batch-settings');
  await eventually(async () => (await world.client.container(next.name)).full_id === next.id);
  assert.deepEqual(await shown(), expected);
  const renamed = `${c.name}-2`;
  await engine.docker('rename', c.name, renamed);
  await eventually(async () => (await world.client.get('/api/containers')).some((x) => x.name === renamed && x.web_ui_url === url && x.tags.join() === 'b,c'));
  // A restart reads them again, before the agent is back.
  await world.server.down();
  await world.server.up();
  const { tags, desired_state: state, web_ui_url: link } = await world.client.container(renamed);
  assert.deepEqual({ tags, state, link }, { tags: ['b', 'c'], state: 'should_run', link: url });
  await world.client.onlineHost();

  // Users who delete the container delete its settings; the next one of its name begins without.
  const none = { tags: [], auto_restart: false, desired_state: 'unspecified', web_ui_url: null };
  const fresh = await engine.run('batch-settings');
  await world.client.container(fresh.name);
  assert.deepEqual(await shown(), none);
  for (const remove of [
    (x) => world.client.delete(`/api/hosts/${world.host.id}/containers/${x.name}`),
    async (x) => assert.equal((await batch({ scope: 'container', action: 'delete-containers', ids: [short(x)] })).success_items, 1),
  ]) {
    const one = await engine.docker('inspect', '-f', '{{.Id}}', fresh.name).then((id) => ({ id, name: fresh.name }));
    await eventually(async () => (await world.client.container(one.name)).full_id === one.id);
    const at = `/api/hosts/${world.host.id}/containers/${one.id.slice(0, 12)}`;
    await world.client.call('PATCH', `${at}/tags`, { body: { ordered_tags: ['left'] } });
    await world.client.post(`${at}/auto-restart`, { container_name: one.name, enabled: true });
    await world.client.post(`${at}/desired-state`, { container_name: one.name, desired_state: 'should_run', web_ui_url: url });
    await remove(one);
    const after = await engine.run('batch-settings');
    await eventually(async () => (await world.client.container(after.name)).full_id === after.id);
    assert.deepEqual(await shown(), none);
  }
  await world.server.down();
  await world.server.up();
  assert.deepEqual(await shown(), none);
  await world.client.onlineHost();
});

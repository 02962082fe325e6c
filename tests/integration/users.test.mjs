// Users, their sessions and the keys they create: permissions, and immediate effects of changes.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { Client, dockmon, Server, temporaryDirectory } from './lib/dockmon.mjs';
import { OpenApi } from './lib/openapi.mjs';
import { closing, within } from './lib/wait.mjs';

let server, admin, root; // admin: a session of the first user; root: a key created offline

async function login(username, password, status = 200) {
  const r = await new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username, password } });
  assert.equal(r.status, status, await r.text());
  return status === 200 ? new Client(server, { cookie: r.headers.get('set-cookie').split(';')[0] }) : null;
}
const create = async (username, role) => root.post('/api/v2/users', { username, role });
const change = (c, current, next) => c.post('/api/v2/auth/change-password', { current_password: current, new_password: next });

// A logged-in user who has already changed the password.
async function person(username, role) {
  const made = await create(username, role);
  const c = await login(username, made.password);
  await change(c, made.password, `${username} long enough`);
  return { ...made, session: c, password: `${username} long enough` };
}

before(async () => {
  server = await Server.start();
  root = await server.client('admin');
  const password = await server.adminPassword();
  admin = await login('admin', password);
});

after(() => server?.remove());

test('the initial password must be changed before anything else', async () => {
  const { detail } = await admin.get('/api/hosts', { status: 403 });
  assert.match(detail, /initial password must be changed/);
  await admin.post('/api/agent/generate-token', {}, { status: 403 });
  assert.equal((await admin.get('/api/v2/auth/me')).user.must_change_password, true);
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { cookie: admin.cookie } });
  const { reason } = await closing(ws);
  assert.match(String(reason), /initial password must be changed/);
  await change(admin, await server.adminPassword(), 'correct horse');
  await admin.get('/api/hosts');
});

test('a user is created with a random password that must be changed, and is listed', async () => {
  const made = await create('vera', 'viewer');
  assert.equal(made.role, 'viewer');
  assert.match(made.password, /^\S{16,}$/);
  const { users } = await admin.get('/api/v2/users');
  assert.deepEqual(users.map((u) => u.username), ['admin', 'vera']);
  assert.ok(!JSON.stringify(users).includes('argon2'));
  const c = await login('vera', made.password);
  await c.get('/api/hosts', { status: 403 });
  await change(c, made.password, 'something new');
  await c.get('/api/hosts');
  await c.get('/api/v2/users', { status: 403 });
});

test('invalid users are refused', async () => {
  await admin.post('/api/v2/users', { username: 'vera', role: 'viewer' }, { status: 409 });
  await admin.post('/api/v2/users', { username: 'a b', role: 'viewer' }, { status: 422 });
  await admin.post('/api/v2/users', { username: '', role: 'viewer' }, { status: 422 });
  await admin.post('/api/v2/users', { username: 'king', role: 'king' }, { status: 422 });
  await admin.post('/api/v2/users', { username: 'short', role: 'viewer', password: 'short' }, { status: 422 });
  await admin.call('PUT', '/api/v2/users/999', { body: { role: 'viewer' }, status: 404 });
  await admin.delete('/api/v2/users/x', { status: 400 });
});

test('a role takes effect at once, for the sessions and for the keys of the user', async () => {
  const p = await person('olga', 'operator');
  const { key } = await p.session.post('/api/v2/api-keys', { name: 'olgas', role: 'operator' });
  const c = new Client(server, { key });
  await c.post('/api/hosts/x/containers/y/start', {}, { status: 404 });
  await admin.call('PUT', `/api/v2/users/${p.id}`, { body: { role: 'viewer' } });
  await c.post('/api/hosts/x/containers/y/start', {}, { status: 403 });
  await p.session.get('/api/v2/auth/me', { status: 401 });
});

test('a reset password ends the sessions and must be changed', async () => {
  const p = await person('rita', 'viewer');
  const { message, temporary_password: password, must_change_password } = await admin.post(`/api/v2/users/${p.id}/reset-password`, {});
  assert.ok(message && must_change_password);
  await p.session.get('/api/v2/auth/me', { status: 401 });
  await login('rita', p.password, 401);
  await (await login('rita', password)).get('/api/hosts', { status: 403 });
});

test('a deleted user loses sessions and keys', async () => {
  const p = await person('dora', 'viewer');
  const { key } = await p.session.post('/api/v2/api-keys', { name: 'doras', role: 'viewer' });
  await new Client(server, { key }).get('/api/hosts');
  await admin.delete(`/api/v2/users/${p.id}`);
  await p.session.get('/api/hosts', { status: 401 });
  await new Client(server, { key }).get('/api/hosts', { status: 401 });
  await login('dora', p.password, 401);
});

test('me: groups and capabilities by role and limits, for sessions and keys', async () => {
  const view = ['agents.view', 'containers.logs', 'containers.view', 'events.view', 'hosts.view', 'tags.view'];
  const operate = ['batch.create', 'batch.view', 'containers.operate', 'containers.shell', 'containers.update', 'containers.view_env', 'tags.manage'];
  const manage = ['agents.manage', 'apikeys.manage_other', 'audit.view', 'hosts.manage', 'registry.manage', 'registry.view', 'settings.manage', 'users.manage'];
  const of = { viewer: [3, 'Read Only', view], operator: [2, 'Operators', [...view, ...operate]], admin: [1, 'Administrators', [...view, ...operate, ...manage]] };
  const meOf = (key) => new Client(server, { key }).get('/api/v2/auth/me');

  for (const [role, [id, name, capabilities]] of Object.entries(of)) {
    const p = await person(`me-${role}`, role);
    const me = await p.session.get('/api/v2/auth/me');
    assert.deepEqual(me.user.groups, [{ id, name }]);
    assert.deepEqual([me.auth_type, me.user.id, me.user.username, me.user.display_name, me.user.auth_provider, me.user.is_first_login, me.user.must_change_password, me.api_key],
      ['session', p.id, `me-${role}`, null, 'local', false, false, undefined]);
    assert.deepEqual(me.capabilities, [...capabilities].sort());
    const made = await p.session.post('/api/v2/api-keys', { name: `me ${role}`, role });
    const key = await meOf(made.key);
    assert.deepEqual([key.auth_type, key.api_key], ['api_key', { id: made.id, name: made.name, group_id: id, group_name: name, created_by_username: `me-${role}` }]);
    assert.deepEqual(key.capabilities, me.capabilities);
    await admin.delete(`/api/v2/users/${p.id}`); // or there is another admin
  }
  assert.equal((await root.get('/api/v2/auth/me')).api_key.created_by_username, null);
  const limited = async (more) => (await meOf((await root.post('/api/v2/api-keys', { name: JSON.stringify(more), role: 'admin', ...more })).key)).capabilities;
  assert.deepEqual(of.admin[2].filter((c) => !view.includes(c) && !operate.includes(c)).sort(), manage);
  assert.deepEqual((await limited({ expires_days: 2 })).filter((c) => manage.includes(c)), ['agents.manage', 'audit.view', 'hosts.manage', 'registry.manage', 'registry.view', 'settings.manage']);
  assert.deepEqual((await limited({ scope: ['tag=x'] })).filter((c) => [...manage, 'tags.manage'].includes(c)), ['hosts.manage']);
});

test('preferences: merged by user, checked, bounded and reset', async () => {
  const path = '/api/v2/user/preferences';
  const [one, two] = [await person('prefs-one', 'viewer'), await person('prefs-two', 'viewer')];
  const patch = (body, status = 200, c = one.session) => c.call('PATCH', path, { body, status });
  const initial = await one.session.get(path);
  assert.deepEqual(initial, {
    theme: 'dark', group_by: null, compact_view: false, collapsed_groups: [], sidebar_collapsed: false, dashboard_layout_v2: null,
    simplified_workflow: true, time_format: '24h', host_table_sort: null, container_table_sort: null, container_table_column_visibility: null,
    container_table_column_order: null,
    dashboard: {
      showKpiBar: true, showStatsWidgets: false, showContainerStats: true, optimizedLoading: true, hostOrder: [], compactHostOrder: [],
      containerSortKey: 'state', hostContainerSorts: {}, hostCardLayout: [], hostCardLayoutStandard: [], tagGroupOrder: [], groupLayouts: {},
    },
  });

  await patch({ time_format: '12h', dashboard: { showKpiBar: false, hostOrder: ['b', 'a'] }, unknown: [{ '\u0000': 1 }] });
  const { dashboard, theme } = await patch({ theme: 'light', dashboard: { groupLayouts: { x: [{ i: 'a', w: 3 }] } } });
  assert.deepEqual([theme, dashboard], ['light', { ...initial.dashboard, showKpiBar: false, hostOrder: ['b', 'a'], groupLayouts: { x: [{ i: 'a', w: 3 }] } }]);
  assert.equal((await patch({ theme: null })).theme, 'dark');
  assert.deepEqual(await two.session.get(path), initial, 'of one user only');
  const { key } = await one.session.post('/api/v2/api-keys', { name: 'prefs', role: 'viewer' });
  assert.equal((await new Client(server, { key }).get(path)).time_format, '12h');
  await patch({ theme: 'x' }, 403, root);

  for (const bad of [{ theme: 5 }, { time_format: '25h' }, { collapsed_groups: [1] }, { dashboard: [] }, { dashboard: { hostOrder: 'a' } }, { group_by: 'x'.repeat(256) }])
    await patch(bad, 422);
  const list = Array.from({ length: 300 }, (_, i) => `${i}${'x'.repeat(120)}`);
  await patch({ collapsed_groups: list });
  const { detail } = await patch({ container_table_column_order: list }, 422);
  assert.match(detail, /more than 65536 bytes/);
  await patch({ theme: 'x'.repeat(65536) }, 413);

  for (const [route, member, values, fallback] of [['view-mode', 'view_mode', ['compact', 'expanded'], 'standard'], ['event-sort-order', 'sort_order', ['asc'], 'desc']]) {
    assert.deepEqual(await one.session.get(`/api/user/${route}`), { [member]: fallback });
    for (const v of values) {
      await one.session.post(`/api/user/${route}`, { [member]: v });
      assert.deepEqual(await one.session.get(`/api/user/${route}`), { [member]: v });
    }
    for (const bad of [{}, { [member]: 'other' }, { [member]: null }]) await one.session.post(`/api/user/${route}`, bad, { status: 422 });
  }
  assert.equal((await one.session.get(path)).collapsed_groups.length, 300);
  await one.session.delete(path);
  assert.deepEqual(await one.session.get(path), initial);
  assert.deepEqual(await one.session.get('/api/user/view-mode'), { view_mode: 'standard' });
});

/* The matrix of groups and capabilities agrees with the capabilities of a user of each group. */
async function checkPermissions(groups) {
  const { capabilities, categories } = await admin.get('/api/v2/capabilities');
  const names = capabilities.map((c) => c.capability);
  assert.ok(names.includes('containers.view_env') && !names.some((n) => /^(stacks|oidc|groups)\./.test(n)), 'only features that exist');
  assert.deepEqual(categories, [...new Set(capabilities.map((c) => c.category))]);
  for (const c of capabilities) {
    assert.deepEqual(Object.keys(c).sort(), ['capability', 'category', 'description', 'name']);
    for (const text of Object.values(c)) assert.ok(typeof text === 'string' && text.length > 0);
  }
  const { permissions } = await admin.get('/api/v2/groups/permissions/all');
  assert.deepEqual(Object.keys(permissions), groups.map((g) => String(g.id)));
  for (const g of groups) {
    const { password } = await admin.post('/api/v2/users', { username: `of${g.id}`, group_ids: [g.id] });
    const session = await login(`of${g.id}`, password);
    await session.post('/api/v2/auth/change-password', { current_password: password, new_password: 'long enough for all' });
    const me = await session.get('/api/v2/auth/me');
    assert.deepEqual(Object.keys(permissions[g.id]).sort(), [...names].sort());
    assert.deepEqual(names.filter((n) => permissions[g.id][n] === true).sort(), [...me.capabilities].sort(), g.name);
    assert.ok(Object.values(permissions[g.id]).every((v) => typeof v === 'boolean'));
    await session.get('/api/v2/capabilities', { status: g.id === 1 ? 200 : 403 });
    await admin.call('DELETE', `/api/v2/users/${(await session.get('/api/v2/auth/me')).user.id}`);
  }
}

test('users and groups have the members and routes of DockMon', async () => {
  const path = '/api/v2/users';
  const { password, ...made } = await admin.post(path, { username: 'gerd', group_ids: [3, 2], display_name: 'Gerd', email: 'gerd@example.org' });
  assert.match(password, /^\S{16,}$/);
  assert.deepEqual([made.role, made.groups, made.display_name, made.email, made.auth_provider, made.approved, made.is_first_login],
    ['operator', [{ id: 2, name: 'Operators' }], 'Gerd', 'gerd@example.org', 'local', true, true]);
  assert.deepEqual(await admin.get(`${path}/${made.id}`), made);
  const { users, total } = await admin.get(path);
  assert.deepEqual(users.find((u) => u.id === made.id), made);
  assert.equal(total, users.length);
  assert.deepEqual(await admin.get(`${path}/pending-count`), { count: 0 });
  await admin.get(`${path}/999`, { status: 404 });

  const change = (body, status = 200) => admin.call('PUT', `${path}/${made.id}`, { body, status });
  const { groups, total: n } = await admin.get('/api/v2/groups');
  assert.deepEqual(groups.map((g) => [g.id, g.name, g.is_system]), [[1, 'Administrators', true], [2, 'Operators', true], [3, 'Read Only', true]]);
  assert.equal(n, 3);
  await checkPermissions(groups);
  for (const g of groups) assert.equal(g.member_count, users.filter((u) => u.groups[0].id === g.id).length, g.name);

  // The password that an admin chooses is the one that opens, and it must be changed.
  const reset = await admin.post(`${path}/${made.id}/reset-password`, { new_password: 'chosen by admin' });
  assert.deepEqual(reset, { message: 'Password reset successfully', temporary_password: null, must_change_password: true });
  const session = await login('gerd', 'chosen by admin');
  await session.post('/api/v2/auth/change-password', { current_password: 'chosen by admin', new_password: 'gerd long enough' });

  // A profile ends no session; another group does.
  assert.deepEqual((await change({ display_name: 'G.', email: null })).groups, made.groups);
  assert.deepEqual((await session.post('/api/v2/auth/update-profile', { email: 'g@example.org' })).display_name, 'G.');
  assert.equal((await session.get('/api/v2/auth/me')).user.display_name, 'G.');
  await session.post('/api/v2/auth/update-profile', { display_name: 'Gerd again' });
  assert.equal((await session.get('/api/v2/auth/me')).user.display_name, 'Gerd again');
  const now = await change({ group_ids: [3] });
  assert.deepEqual([now.role, now.display_name, now.email], ['viewer', 'Gerd again', 'g@example.org']);
  await session.get('/api/v2/auth/me', { status: 401 });
  for (const bad of [{ group_ids: [] }, { group_ids: [4] }, { group_ids: ['1'] }, { group_ids: [1], role: 'viewer' }, { display_name: 'x'.repeat(101) }, { display_name: 'a\nb' }, { email: 5 }])
    await change(bad, 422);
  await admin.post(path, { username: 'nogroup' }, { status: 422 });
  await root.post('/api/v2/auth/update-profile', { display_name: 'x' }, { status: 403 });

  const home = await temporaryDirectory();
  assert.equal((await dockmon(server, root.key, ['user', 'set', '--role', 'operator', 'gerd'], { env: { HOME: home } })).code, 0);
  const shown = await dockmon(server, root.key, ['user', 'passwd', 'gerd'], { env: { HOME: home } });
  await login('gerd', shown.stdout.trim());
  await rm(home, { recursive: true });
});

test('API keys have the members of DockMon, and can be changed', async () => {
  const { schemas } = (await OpenApi.load()).doc.components;
  for (const name of ['ApiKey', 'NewApiKey']) {
    const { required, properties } = schemas[name];
    assert.deepEqual([...required].sort(), Object.keys(properties).sort(), `${name}: a key has every member, always`);
  }
  const path = '/api/v2/api-keys';
  const p = await person('keymaker', 'operator');
  const made = await p.session.post(path, { name: 'shaped', group_id: 3, description: 'for a test', expires_days: 2 });
  assert.ok(made.message && made.key.startsWith(`${made.key_prefix}`) && made.key_prefix.startsWith('dockmon_'));
  const find = async () => (await p.session.get(path)).find((k) => k.id === made.id);
  const listed = await find();
  assert.deepEqual(
    [listed.role, listed.group_id, listed.group_name, listed.description, listed.created_by_username, listed.revoked_at, listed.usage_count, listed.last_used_at],
    ['viewer', 3, 'Read Only', 'for a test', 'keymaker', null, 0, null]);
  const key = new Client(server, { key: made.key });
  await key.get('/api/hosts');
  assert.equal((await find()).usage_count, 1);

  const patch = (body, status = 200, c = p.session, id = made.id) => c.call('PATCH', `${path}/${id}`, { body, status });
  const changed = await patch({ name: 'renamed', allowed_ips: '10.0.0.0/8' });
  assert.deepEqual([changed.name, changed.description, changed.allowed_ips, changed.expires_at], ['renamed', 'for a test', '10.0.0.0/8', listed.expires_at]);
  await key.get('/api/hosts', { status: 403 });
  assert.deepEqual([(await patch({ allowed_ips: null, description: '' })).allowed_ips, (await find()).description], [null, null]);
  await patch({ allowed_ips: '127.0.0.1' }, 403, key); // it has limits
  const free = new Client(server, { key: (await p.session.post(path, { name: 'free', role: 'viewer' })).key });
  const strong = await p.session.post(path, { name: 'strong', role: 'operator' });
  await patch({ name: 'weakened' }, 403, free, strong.id);
  const child = await free.post(path, { name: 'kept', role: 'viewer' });
  await patch({ allowed_ips: '127.0.0.1' }, 403, p.session, child.id);
  const other = await person('keytaker', 'viewer');
  await patch({ name: 'taken' }, 404, other.session);
  for (const bad of [{ name: '' }, { name: 5 }, { description: 'x'.repeat(501) }, { allowed_ips: 'everywhere' }]) await patch(bad, 422);
  await patch({ name: 'free' }, 409);
  for (const bad of [{ group_id: 4 }, { group_id: 1, role: 'viewer' }, {}]) await p.session.post(path, { name: 'bad', ...bad }, { status: 422 });
  await p.session.post(path, { name: 'bad', group_id: 1 }, { status: 403 });
});

test('users cannot delete or demote themselves or the last admin', async () => {
  const me = (await admin.get('/api/v2/users')).users.find((u) => u.username === 'admin');
  const { key } = await admin.post('/api/v2/api-keys', { name: 'mine', role: 'admin' });

  await root.delete(`/api/v2/users/${me.id}`, { status: 409 });
  await root.call('PUT', `/api/v2/users/${me.id}`, { body: { role: 'operator' }, status: 409 });
  const second = await person('second', 'admin');
  await admin.delete(`/api/v2/users/${me.id}`, { status: 403 });
  await new Client(server, { key }).delete(`/api/v2/users/${me.id}`, { status: 403 });
  await admin.call('PUT', `/api/v2/users/${me.id}`, { body: { role: 'viewer' }, status: 403 });
  await admin.delete(`/api/v2/users/${second.id}`);
});

test('sessions: users see and end their own, admins all', async () => {
  const p = await person('siri', 'viewer');
  const other = await login('siri', p.password);
  const mine = (await p.session.get('/api/v2/auth/sessions')).sessions;
  assert.equal(mine.length, 2);
  assert.deepEqual(new Set(mine.map((s) => s.username)), new Set(['siri']));
  assert.equal(mine.filter((s) => s.is_current).length, 1);
  const all = (await admin.get('/api/v2/auth/sessions')).sessions;
  assert.ok(all.some((s) => s.username === 'admin'));

  const theirs = all.find((s) => s.username === 'admin');
  await p.session.delete(`/api/v2/auth/sessions/${theirs.id}`, { status: 404 });
  const viewer = await server.client('viewer');
  assert.deepEqual((await viewer.get('/api/v2/auth/sessions')).sessions, []);
  await viewer.delete(`/api/v2/auth/sessions/${theirs.id}`, { status: 404 });
  await p.session.delete(`/api/v2/auth/sessions/${mine.find((s) => !s.is_current).id}`);
  await other.get('/api/v2/auth/me', { status: 401 });
  await admin.delete(`/api/v2/auth/sessions/${mine.find((s) => s.is_current).id}`);
  await p.session.get('/api/v2/auth/me', { status: 401 });
});

test('an API key works from its networks only, and keys that it creates are limited likewise', async () => {
  const make = (allowed_ips, status = 200) => admin.post('/api/v2/api-keys', { name: `from ${allowed_ips}`, role: 'admin', allowed_ips }, { status });
  const near = new Client(server, { key: (await make('127.0.0.0/8, ::1')).key });
  await near.get('/api/hosts');
  const far = new Client(server, { key: (await make('10.0.0.0/8')).key });
  const { detail } = await far.get('/api/hosts', { status: 403 });
  assert.match(detail, /from 10\.0\.0\.0\/8 may not be used from 127\.0\.0\.1/);
  await far.get('/api/hosts', { status: 403 });
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { authorization: `Bearer ${far.key}` } });
  assert.match((await closing(ws)).reason, /may not be used from this address/);
  const shell = new WebSocket(`ws://127.0.0.1:${server.port}/ws/shell/host/container`, { headers: { authorization: `Bearer ${far.key}` } });
  assert.match((await closing(shell)).reason, /may not be used from this address/);
  for (const bad of ['10.0.0.1/8', 'everywhere', ',']) await make(bad, 422);
  const child = await near.post('/api/v2/api-keys', { name: 'child', role: 'viewer', allowed_ips: '0.0.0.0/0' });
  assert.equal(child.allowed_ips, '127.0.0.0/8, ::1');
  const { entries } = await admin.get('/api/audit?limit=500');
  for (const target of ['GET /api/hosts', 'GET /ws', 'GET /ws/shell/host/container'])
    assert.ok(entries.some((e) => e.action === 'apikey_refused' && e.who === 'from 10.0.0.0/8' && e.peer === '127.0.0.1' && e.target === target), target);
});

test('a cookie that another service of the host name has planted hides no session', async () => {
  const p = await person('cora', 'viewer');
  const planted = ['session_id=x', `session_id=${'0'.repeat(64)}`, 'session_id='];
  for (const cookies of [[...planted, p.session.cookie], [p.session.cookie, ...planted], [planted[1], p.session.cookie, planted[0]]]) {
    const c = new Client(server, { cookie: cookies.join('; ') });
    assert.equal((await c.get('/api/v2/auth/me')).user.username, 'cora');
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { cookie: c.cookie } });
    await within(once(ws, 'message'), 'a message');
    ws.close();
  }
  await new Client(server, { cookie: [planted[1], p.session.cookie].join('; ') }).post('/api/v2/auth/logout', {});
  await p.session.get('/api/v2/auth/me', { status: 401 });
  await new Client(server, { cookie: planted.join('; ') }).get('/api/v2/auth/me', { status: 401 });
});

test('a key ends with the key that created it, and never has more rights', async () => {
  const make = (c, name, more = {}, options) => c.post('/api/v2/api-keys', { name, role: 'admin', ...more }, options);
  const client = ({ key }) => new Client(server, { key });
  const day = await make(admin, 'a day', { expires_days: 1 });
  const children = [];
  for (const more of [{}, { expires_days: null }, { expires_days: 3650 }]) children.push(await make(client(day), `child ${children.length}`, more));
  for (const c of children) assert.deepEqual([c.expires_at, c.parent_id, c.user_id], [day.expires_at, day.id, day.user_id]);
  const grandchild = await make(client(children[0]), 'grandchild', { allowed_ips: '127.0.0.1' });
  assert.equal(grandchild.allowed_ips, '127.0.0.1');
  assert.deepEqual((await client(children[0]).get('/api/v2/api-keys')).map((k) => k.name), ['child 0', 'grandchild']);
  await client(children[1]).delete(`/api/v2/api-keys/${day.id}`, { status: 404 });

  // It is as limited in what it may change, whatever its role: a user has no such limits.
  for (const limits of [{ expires_days: 1 }, { allowed_ips: '127.0.0.1' }, { scope: ['tag=x'] }]) {
    const c = client(await make(root, `with ${JSON.stringify(limits)}`, limits));
    for (const [method, path] of [['GET', ''], ['POST', ''], ['PUT', '/1'], ['DELETE', '/1'], ['POST', '/1/reset-password']])
      await c.call(method, `/api/v2/users${path}`, { body: method === 'GET' ? undefined : { username: 'x', role: 'admin' }, status: 403 });
    assert.equal((await c.get('/api/v2/api-keys')).length, 1);
    assert.deepEqual((await c.get('/api/v2/auth/sessions')).sessions, []);
  }

  const weak = client(await admin.post('/api/v2/api-keys', { name: 'weak', role: 'viewer' }));
  await weak.delete(`/api/v2/api-keys/${day.id}`, { status: 403 });
  await client(grandchild).get('/api/hosts');
  await admin.delete(`/api/v2/api-keys/${day.id}`);
  for (const k of [day, ...children, grandchild]) await client(k).get('/api/hosts', { status: 401 });
});

test('every role lists and ends its own keys and sessions, by REST and by the CLI', async () => {
  for (const role of ['viewer', 'operator', 'admin']) {
    const p = await person(`own-${role}`, role);
    const made = await p.session.post('/api/v2/api-keys', { name: `${role}s`, role: 'viewer' });
    const keys = await p.session.get('/api/v2/api-keys');
    assert.equal(keys.some((k) => k.id === made.id), true);
    if (role !== 'admin') assert.deepEqual(keys.map((k) => k.name), [`${role}s`]);
    const foreign = (await admin.get('/api/v2/api-keys')).find((k) => k.user_id !== p.id);
    if (role !== 'admin') await p.session.delete(`/api/v2/api-keys/${foreign.id}`, { status: 404 });

    const home = await temporaryDirectory();
    const cli = (...words) => dockmon(server, null, words, { env: { HOME: home, XDG_CONFIG_HOME: '' }, input: `${p.password}\n` });
    assert.equal((await cli('login', '-u', `own-${role}`, '--password-stdin')).code, 0);
    assert.match((await cli('apikey', 'ls', '--wide')).stdout, new RegExp(`${role}s .* dockmon_\\w{5} `));
    assert.equal((await cli('apikey', 'rm', `${role}s`)).code, 0);
    await new Client(server, { key: made.key }).get('/api/hosts', { status: 401 });
    const { id } = (await p.session.get('/api/v2/auth/sessions')).sessions.find((s) => s.is_current);
    assert.match((await cli('session', 'ls')).stdout, new RegExp(`${id} +own-${role}`));
    assert.equal((await cli('session', 'rm', id)).code, 0);
    await p.session.get('/api/v2/auth/me', { status: 401 });
    await rm(home, { recursive: true });
  }
});

test('a key is never more than its role: sessions, keys and password of its user', async () => {
  const roles = ['viewer', 'operator', 'admin'];

  for (const [of, role] of roles.flatMap((of, i) => roles.slice(0, i + 1).map((role) => [of, role]))) {
    const p = await person(`${of}-with-${role}`, of);
    const make = (name, ofRole) => p.session.post('/api/v2/api-keys', { name, role: ofRole });
    const key = new Client(server, { key: (await make(`key of ${of}, ${role}`, role)).key });
    const { id } = (await p.session.get('/api/v2/auth/sessions')).sessions.find((s) => s.is_current);
    const stronger = roles.slice(roles.indexOf(role) + 1, roles.indexOf(of) + 1);

    for (const more of stronger) {
      const other = await make(`${more} of ${of}, ${role}`, more);
      await key.delete(`/api/v2/api-keys/${other.id}`, { status: 403 });
      await new Client(server, { key: other.key }).get('/api/hosts');
      await key.post('/api/v2/api-keys', { name: 'child', role: more }, { status: 403 });
    }
    await key.post('/api/v2/auth/change-password', { current_password: p.password, new_password: 'a stolen password' }, { status: 403 });
    await key.post('/api/v2/auth/logout', {});
    if (role !== 'admin') {
      await key.call('PUT', `/api/v2/users/${p.id}`, { body: { role: 'admin' }, status: 403 });
      await key.post(`/api/v2/users/${p.id}/reset-password`, {}, { status: 403 });
    }
    await key.delete(`/api/v2/auth/sessions/${id}`, { status: stronger.length ? 403 : 200 });
    await p.session.get('/api/v2/auth/me', { status: stronger.length ? 200 : 401 });
  }
});

test('a password ends with the keys that were made with it', async () => {
  const p = await person('kim', 'viewer');
  const make = async (name) => new Client(server, { key: (await p.session.post('/api/v2/api-keys', { name, role: 'viewer' })).key });
  const first = await make('kims first');
  await p.session.post('/api/v2/auth/change-password', { current_password: p.password, new_password: 'kim second one', keep_api_keys: true });
  await first.get('/api/hosts');
  await change(p.session, 'kim second one', 'kim third one');
  await first.get('/api/hosts', { status: 401 });
  const second = await make('kims second');
  await admin.post(`/api/v2/users/${p.id}/reset-password`, {});
  await second.get('/api/hosts', { status: 401 });
});

test('all changes are audited, without passwords', async () => {
  const { entries } = await admin.get('/api/audit?limit=500');
  for (const [action, target] of [['user_create', 'vera'], ['user_role', 'olga'], ['user_password', 'rita'], ['user_delete', 'dora'], ['session_revoke', null]])
    assert.ok(entries.some((e) => e.action === action && e.result === 'ok' && (!target || e.target === target)), `${action} ${target}`);
  assert.ok(entries.some((e) => e.action === 'user_delete' && /^409 .*last admin/.test(e.result)));
  assert.ok(!/long enough|correct horse/.test(JSON.stringify(entries)));
});

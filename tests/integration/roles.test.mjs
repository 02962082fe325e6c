// Permissions: every route of the table, with every role below the required one, without and with wrong
// credentials; login, sessions, password change, rate limit, Origin.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, ROOT, Server } from './lib/dockmon.mjs';

const RANK = { ROLE_NONE: 0, ROLE_VIEWER: 1, ROLE_OPERATOR: 2, ROLE_ADMIN: 3 };
const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const clients = {};
let server, routes;

before(async () => {
  server = await Server.start();
  for (const role of ['viewer', 'operator', 'admin']) clients[role] = await server.client(role);
  const source = await readFile(join(ROOT, 'src/server/api/routes.c'), 'utf8');
  const base = '/api/hosts/{host}/containers/{container}';
  routes = [...source.matchAll(/\{"([A-Z]+)",\s+(C\s*)?(?:"([^"]*)")?,?\s*(ROLE_[A-Z]+),/g)].map(([, method, c, path, role]) => ({
    method,
    path: ((c ? base : '') + (path ?? '')).replace(/\{[a-z.]+\}/g, UNKNOWN),
    role,
  }));
});

after(() => server?.remove());

const body = (route) => (route.method === 'GET' ? {} : { body: '{}' });

test('the test reads the route table', () => {
  assert.ok(routes.length >= 30, `${routes.length} routes`);
  assert.deepEqual(routes.filter((r) => r.role === 'ROLE_NONE').map((r) => r.path).sort(), [`/api/registry-webhook/${UNKNOWN}`, '/api/v2/auth/login', '/api/v2/auth/logout', '/api/v2/oidc/status', `/download/agent-image/${UNKNOWN}`, `/download/agent/${UNKNOWN}`, '/health', '/install.sh']);
});

test('401 without and with wrong credentials on every route that requires any', async () => {
  const nobody = new Client(server);
  const wrong = new Client(server, { key: `dm_${'0'.repeat(64)}` });
  const stale = new Client(server, { cookie: `session_id=${'0'.repeat(64)}` });
  for (const route of routes.filter((r) => r.role !== 'ROLE_NONE'))
    for (const c of [nobody, wrong, stale]) {
      const r = await c.fetch(route.method, route.path, body(route));
      assert.equal(r.status, 401, `${route.method} ${route.path}`);
      assert.equal(typeof (await r.json()).detail, 'string');
    }
});

test('403 for every lower role on every route, and never for the role itself', async () => {
  for (const route of routes) {
    for (const [name, c] of Object.entries(clients)) {
      const r = await c.fetch(route.method, route.path, body(route));
      const isEnough = RANK[`ROLE_${name.toUpperCase()}`] >= RANK[route.role];
      const text = await r.text();
      if (isEnough) assert.ok(r.status !== 403 || /API key (has no (password|profile)|\S+ has no preferences)/.test(text), `${name} ${route.method} ${route.path}: ${r.status} ${text}`);
      else assert.equal(r.status, 403, `${name} ${route.method} ${route.path}`);
    }
  }
});

test('login, me, logout with the initial password', async () => {
  const c = new Client(server);
  const password = await server.adminPassword();
  const r = await c.fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password } });
  assert.equal(r.status, 200);
  const cookie = r.headers.get('set-cookie');
  assert.match(cookie, /^session_id=[^;]{32,}; .*HttpOnly/);
  assert.match(cookie, /SameSite=Strict/);
  const { user } = await r.json();
  assert.equal(user.username, 'admin');
  assert.equal(user.role, 'admin');
  assert.equal(user.must_change_password, true);

  const session = new Client(server, { cookie: cookie.split(';')[0] });
  assert.equal((await session.get('/api/v2/auth/me')).user.username, 'admin');
  await session.post('/api/v2/auth/logout');
  await session.get('/api/v2/auth/me', { status: 401 });
});

async function login(password, username = 'admin') {
  const r = await new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username, password } });
  return r.status === 200 ? new Client(server, { cookie: r.headers.get('set-cookie').split(';')[0] }) : r.status;
}

test('a password change ends the other sessions and the old password', async () => {
  const old = await server.adminPassword();
  const first = await login(old);
  const second = await login(old);

  await first.post('/api/v2/auth/change-password', { current_password: 'wrong', new_password: 'long enough 1' }, { status: 400 });
  await first.post('/api/v2/auth/change-password', { current_password: old, new_password: 'short' }, { status: 422 });
  await first.post('/api/v2/auth/change-password', { current_password: old, new_password: 'long enough 1' });
  assert.equal((await first.get('/api/v2/auth/me')).user.must_change_password, false);
  await second.get('/api/v2/auth/me', { status: 401 });
  assert.equal(await login(old), 401);
  assert.equal(typeof (await login('long enough 1')), 'object');
  const reset = await server.admin('user', 'reset-password', 'admin');
  assert.equal(typeof (await login(reset)), 'object', 'the offline reset works while the server runs');
});

test('a cookie from another site is not accepted for writes, a key is', async () => {
  const password = await server.admin('user', 'reset-password', 'admin');
  const session = await login(password);
  await session.post('/api/v2/auth/change-password', { current_password: password, new_password: 'long enough 2' });
  const foreign = { headers: { origin: 'https://evil.example' } };

  await session.post('/api/agent/generate-token', {}, { status: 403, ...foreign });
  await session.post('/api/agent/generate-token', {}, { headers: { origin: server.url } });
  await clients.admin.post('/api/agent/generate-token', {}, foreign);
  await new Client(server).post('/api/v2/auth/login', { username: 'admin', password: 'x' }, { status: 403, ...foreign });
});

test('a key cannot create a stronger key, and a deleted key is invalid', async () => {
  await clients.operator.post('/api/v2/api-keys', { name: 'up', role: 'admin' }, { status: 403 });
  await clients.admin.post('/api/v2/api-keys', { name: 'bad', role: 'king' }, { status: 422 });
  const made = await clients.admin.post('/api/v2/api-keys', { name: 'temporary', role: 'viewer' });
  const c = new Client(server, { key: made.key });
  await c.get('/api/hosts');
  assert.ok(!JSON.stringify(await clients.admin.get('/api/v2/api-keys')).includes(made.key), 'a key is shown once');
  await clients.admin.delete(`/api/v2/api-keys/${made.id}`);
  await c.get('/api/hosts', { status: 401 });
});

test('login attempts are limited', async () => {
  const c = new Client(server);
  let status;
  for (let i = 0; i < 30 && status !== 429; i++) status = (await c.fetch('POST', '/api/v2/auth/login', { body: { username: 'nobody', password: 'x' } })).status;
  assert.equal(status, 429);
  const r = await c.fetch('POST', '/api/v2/auth/login', { body: { username: 'nobody', password: 'x' } });
  assert.ok(Number(r.headers.get('retry-after')) > 0);
});

test('the audit log has the user of every action, also of refused ones', async () => {
  await clients.admin.post('/api/agent/generate-token', {});
  const { entries } = await clients.admin.get('/api/audit?limit=500');
  const actions = entries.map((e) => `${e.action} ${e.result}`);

  assert.ok(actions.includes('token_create ok'));
  assert.ok(entries.some((e) => e.action === 'apikey_create' && /^403/.test(e.result)));
  assert.ok(entries.some((e) => e.action === 'login' && e.result === 'ok' && e.peer === '127.0.0.1'));
  assert.ok(!JSON.stringify(entries).includes('long enough 1'));
});

// A login from another address of 127.0.0.0/8.
const loginFrom = (localAddress, username, password) => new Promise((resolve, reject) => {
  const body = JSON.stringify({ username, password });
  const r = request({ port: server.port, host: '127.0.0.1', localAddress, method: 'POST', path: '/api/v2/auth/login', headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (answer) => {
    answer.resume();
    answer.on('end', () => resolve(answer.statusCode));
  });
  r.on('error', reject);
  r.end(body);
});

test('guesses from elsewhere lock nobody out of a known address, and names that cannot exist end no limit', async () => {
  const password = await server.admin('user', 'reset-password', 'admin');
  assert.equal(await loginFrom('127.0.7.1', 'admin', password), 200);
  for (let i = 0; i < 10; i++) assert.equal(await loginFrom(`127.0.8.${i}`, 'admin', 'wrong'), 401);
  assert.equal(await loginFrom('127.0.9.1', 'admin', password), 429);
  for (let i = 0; i < 20; i++) {
    await Promise.all(Array.from({ length: 9 }, (_, k) => loginFrom(`127.1.${i >> 8}.${i & 255}`, `${i} ${k}`.padEnd(64, 'x'), 'x')));
  }
  assert.equal(await loginFrom('127.0.9.2', 'admin', password), 429);
  assert.equal(await loginFrom('127.0.7.1', 'admin', password), 200);
  // A success of the user resets the count. Many guesses at once, which wait for argon2, delay it only.
  const guesses = Array.from({ length: 90 }, (_, i) => loginFrom(`127.2.0.${i}`, `nobody-${i}`, 'x'));
  assert.equal(await loginFrom('127.0.7.1', 'admin', password), 200);
  await Promise.all(guesses);
});

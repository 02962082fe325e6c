// The API within a scope: every route of the table, for keys and users limited to a host, to a label of
// containers, or to both, on objects inside and outside of the scope.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Client, ROOT, Server, dockmon } from './lib/dockmon.mjs';
import { containerElement } from './lib/hand-agent.mjs';
import { HandRegistry, makeImage, serveImage } from './lib/registry.mjs';
import { scopedHost } from './lib/scoped-host.mjs';
import { Shell } from './lib/shell.mjs';
import { closing, eventually } from './lib/wait.mjs';

const RANK = { ROLE_NONE: 0, ROLE_VIEWER: 1, ROLE_OPERATOR: 2, ROLE_ADMIN: 3 };
const ROLES = ['viewer', 'operator', 'admin'];
const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const SCOPES = {
  alpha: ['host=alpha'],
  web: ['label=team=web'],
  both: ['host=alpha,label=team=web'],
};
const hosts = {};
const PASSWORD = 'correct horse';
const [old, next] = [makeImage(), makeImage({ version: '2.0.0' })];
let server, admin, routes, seen, registry;

async function key(role, scope, by = admin) {
  const name = `${role}-${Math.random().toString(36).slice(2, 8)}`;
  const made = await by.post('/api/v2/api-keys', { name, role, scope });
  return Object.assign(new Client(server, { key: made.key }), { role, id: made.id, name });
}

async function login(username, password) {
  const r = await new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username, password } });
  assert.equal(r.status, 200);
  return new Client(server, { cookie: r.headers.get('set-cookie').split(';')[0] });
}

async function user(username, role, scope) {
  const { password, ...user } = await admin.post('/api/v2/users', { username, role, scope });
  const c = await login(username, password);
  await c.post('/api/v2/auth/change-password', { current_password: password, new_password: PASSWORD });
  return Object.assign(c, { role, id: user.id, name: username });
}

before(async () => {
  server = await Server.start();
  registry = await HandRegistry.start((q) => serveImage(next, q.url));
  admin = await server.client('admin');
  for (const name of ['alpha', 'beta']) hosts[name] = await scopedHost(server, registry, old, name);
  await eventually(async () => (await admin.get('/api/containers')).length === 4, { what: 'both hosts show their containers' });

  const source = await readFile(join(ROOT, 'src/server/api/routes.c'), 'utf8');
  const base = '/api/hosts/{host}/containers/{container}';
  const row = /\{"([A-Z]+)",\s+(C\s*)?(?:"([^"]*)")?,?\s*(ROLE_[A-Z]+),[^{}]*(OBJECT_[A-Z_]+),\s*OPERATION_[A-Z_]+\s*\}/g;
  routes = [...source.matchAll(row)].map(([, method, c, path, role, object]) => ({ method, path: (c ? base : '') + (path ?? ''), role, object }));
  assert.equal(routes.length, [...source.matchAll(/^\s+\{"[A-Z]+",/gm)].length, 'a route names its kind of object');
  for (const [name, h] of Object.entries(hosts)) await admin.call('PATCH', `/api/hosts/${h.hostId}/tags`, { body: { tags_to_add: [`on-${name}`] } });
  seen = {};
  for (const scope of Object.keys(SCOPES)) {
    seen[scope] = [];
    for (const role of ROLES) seen[scope].push(await key(role, SCOPES[scope]));
  }
  for (const role of ROLES) seen.alpha.push(await user(`session-${role}`, role, SCOPES.alpha));
  const { user: owner } = await seen.alpha.at(-1).get('/api/v2/auth/me');
  assert.deepEqual(owner.scope, [`host=${hosts.alpha.hostId}`], 'kept by id');
});

after(async () => {
  registry?.stop();
  for (const h of Object.values(hosts)) await h.close();
  await server?.remove();
});

const fill = (path, host, container = UNKNOWN) =>
  path
    .replace('{host}', host.hostId ?? UNKNOWN)
    .replace('{container}', container)
    .replace('{agent}', host.agentId ?? UNKNOWN)
    .replace(/\{[a-z.]+\}/g, UNKNOWN);

async function ask(client, route, path) {
  const r = await client.fetch(route.method, path, route.method === 'GET' ? {} : { body: '{}' });
  if (r.status < 400) {
    await r.body?.cancel();
    return { status: r.status };
  }
  return { status: r.status, ...(await r.json()) };
}

const able = (route, clients) => clients.filter((c) => RANK[`ROLE_${c.role.toUpperCase()}`] >= RANK[route.role]);
const what = (c, route, path) => `${c.name} ${route.method} ${path}`;
// The server asks for lists by itself, and asks the engine what a container is.
const commands = () => Object.values(hosts).flatMap((h) => h.commands).filter((m) => m.command !== 'list_containers' && m.payload?.action !== 'inspect').length;

// An object outside of the scope has the same answer as one that does not exist.
const codeOf = (detail) => ({ Host: 'no_such_host', Agent: 'no_such_agent', No: 'no_such_container' })[detail.split(' ')[0]];

async function assertMissing(c, route, path, detail) {
  const before = commands();
  const r = await ask(c, route, path);
  assert.deepEqual(r, { status: 404, code: codeOf(detail), detail }, what(c, route, path));
  assert.equal(commands(), before, `${what(c, route, path)} reached an agent`);
}

async function assertForbidden(c, route, path) {
  const before = commands();
  const r = await ask(c, route, path);
  assert.equal(r.status, 403, `${what(c, route, path)}: ${JSON.stringify(r)}`);
  assert.match(r.detail, /scope/);
  assert.equal(commands(), before, `${what(c, route, path)} reached an agent`);
}

async function assertPasses(c, route, path) {
  const r = await ask(c, route, path);
  const isRefused = (r.status === 403 && /scope/.test(r.detail)) || (r.status === 404 && /^(Host|Agent) not found|^No such container/.test(r.detail));
  assert.ok(!isRefused, `${what(c, route, path)}: ${JSON.stringify(r)}`);
}

// Deleting the host comes last, in a separate test.
const endsHost = (r) => (r.method === 'DELETE' && r.path === '/api/hosts/{host}') || r.path === '/api/agent/{agent}/revoke';
const endsSession = (r) => r.path === '/api/v2/auth/logout';

const checks = {
  OBJECT_NONE: async (route, c) => {
    if (!endsSession(route)) await assertPasses(c, route, fill(route.path, {}));
  },
  OBJECT_GLOBAL: (route, c) => assertForbidden(c, route, fill(route.path, hosts.alpha)),
  OBJECT_USERS: (route, c) => assertForbidden(c, route, fill(route.path, hosts.alpha)),
  OBJECT_HOST: async (route, c, scope) => {
    await assertPasses(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'web') await assertMissing(c, route, fill(route.path, hosts.beta), `Host not found: ${hosts.beta.hostId}`);
    await assertMissing(c, route, fill(route.path, {}), `Host not found: ${UNKNOWN}`);
  },
  OBJECT_WHOLE_HOST: async (route, c, scope) => {
    if (scope === 'alpha' && !endsHost(route)) await assertPasses(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'alpha') await assertForbidden(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'web') await assertMissing(c, route, fill(route.path, hosts.beta), `Host not found: ${hosts.beta.hostId}`);
  },
  OBJECT_CONTAINER: async (route, c, scope) => {
    for (const ref of [hosts.alpha.web, hosts.alpha.web.slice(0, 12), 'alpha-web']) await assertPasses(c, route, fill(route.path, hosts.alpha, ref));
    if (scope !== 'web') await assertMissing(c, route, fill(route.path, hosts.beta, hosts.beta.web), `Host not found: ${hosts.beta.hostId}`);
    if (scope === 'alpha') return;
    // Outside of the scope by id, short id and name, and an unknown container.
    for (const ref of [hosts.alpha.db, hosts.alpha.db.slice(0, 12), 'alpha-db', 'f'.repeat(64)])
      await assertMissing(c, route, fill(route.path, hosts.alpha, ref), `No such container on host alpha: ${ref}`);
  },
  OBJECT_WHOLE_AGENT: async (route, c, scope) => {
    if (scope === 'alpha' && !endsHost(route)) await assertPasses(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'alpha') await assertForbidden(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'web') await assertMissing(c, route, fill(route.path, hosts.beta), `Agent not found: ${hosts.beta.agentId}`);
  },
  OBJECT_AGENT: async (route, c, scope) => {
    await assertPasses(c, route, fill(route.path, hosts.alpha));
    if (scope !== 'web') await assertMissing(c, route, fill(route.path, hosts.beta), `Agent not found: ${hosts.beta.agentId}`);
  },
};

// For each list: the hosts or the containers in the answer.
const containersOf = { alpha: ['alpha-db', 'alpha-web'], web: ['alpha-web', 'beta-web'], both: ['alpha-web'] };
const hostsOf = { alpha: ['alpha'], web: ['alpha', 'beta'], both: ['alpha'] };
const lists = {
  'GET /api/hosts': async (c, scope) => {
    const list = await c.get('/api/hosts');
    assert.deepEqual(list.map((h) => h.name), hostsOf[scope]);
    for (const h of list) {
      const n = containersOf[scope].filter((name) => name.startsWith(h.name)).length;
      assert.deepEqual([h.container_count, h.running_count], [n, n], 'and no count of hidden ones');
    }
  },
  'GET /api/containers': async (c, scope) => {
    assert.deepEqual((await c.get('/api/containers')).map((x) => x.name).sort(), containersOf[scope]);
    const beta = await c.get(`/api/containers?host_id=${hosts.beta.hostId}`);
    assert.deepEqual(beta.map((x) => x.name), containersOf[scope].filter((name) => name.startsWith('beta')));
  },
  'GET /api/containers/resolve': async (c, scope) => {
    for (const h of Object.values(hosts)) {
      for (const id of [h.web, h.db]) {
        const found = await c.get(`/api/containers/resolve?ref=${id}`);
        assert.deepEqual(found.map((x) => x.name), containersOf[scope].filter((name) => name === h.containers.find((x) => x.Id === id).Names[0].slice(1)));
      }
    }
  },
  'GET /api/agent/list': async (c, scope) => {
    const list = await c.get('/api/agent/list');
    assert.deepEqual(list.agents.map((a) => a.host_name).sort(), hostsOf[scope]);
    assert.deepEqual([list.total, list.connected_count], [hostsOf[scope].length, hostsOf[scope].length]);
  },
  'GET /api/events': async (c, scope) => {
    const list = await c.get('/api/events?limit=1000');
    // An attempt on a hidden container is recorded with its id only.
    const named = [...new Set(list.events.filter((e) => e.container_name && !/^([0-9a-f]{12}|[0-9a-f]{64})$/.test(e.container_name)).map((e) => e.container_name))].sort();
    assert.deepEqual(named, containersOf[scope]);
    const all = list.events.filter((e) => !e.container_name);
    assert.equal(all.length > 0, scope === 'alpha', 'events of the host itself need all of it');
    assert.ok(all.every((e) => e.host_id === hosts.alpha.hostId));
    const page = await c.get('/api/events?limit=1');
    assert.equal(page.total_count, list.events.length, 'and the number does not reveal it');
    const other = await c.get(`/api/events?limit=1000&host_id=${hosts.beta.hostId}`);
    assert.deepEqual([...new Set(other.events.map((e) => e.container_name))], containersOf[scope].filter((name) => name.startsWith('beta')));
  },
  'GET /api/updates': async (c, scope) => {
    assert.deepEqual((await c.get('/api/updates')).updates.map((u) => u.container_name).sort(), containersOf[scope]);
  },
  'GET /api/updates/history': async (c, scope) => {
    const names = (await c.get('/api/updates/history')).updates.map((u) => u.container_name);
    assert.ok(names.every((name) => containersOf[scope].includes(name)), String(names));
  },
  'POST /api/updates/batches': async (c, scope) => {
    for (const h of Object.values(hosts)) {
      for (const x of h.containers) {
        const name = x.Names[0].slice(1);
        const sees = containersOf[scope].includes(name);
        const body = { containers: [{ host_id: h.hostId, container_id: name }], rings: sees ? 'invalid' : 'all' };
        const { detail } = await c.post('/api/updates/batches', body, { status: sees ? 422 : 404 });

        assert.match(detail, sees ? /`rings`/ : /Host not found|No such container/);
      }
    }
  },
  'GET /api/updates/batches': async (c, scope) => {
    const mine = (await c.get('/api/updates/batches')).batches.map((b) => b.id);

    for (const [name, b] of Object.entries(batches)) {
      const visible = containersOf[scope].includes(name);
      assert.equal(mine.includes(b.id), visible, name);
      const one = await c.get(`/api/updates/batches/${b.id}`, { status: visible ? 200 : 404 });
      if (visible) assert.deepEqual(one.items.map((i) => i.container_name), [name]);
    }
  },
  'GET /api/dashboard/summary': async (c, scope) => {
    const r = await c.get('/api/dashboard/summary');
    const [h, n] = [hostsOf[scope].length, containersOf[scope].length];
    assert.deepEqual([r.hosts, r.hosts_summary], [{ online: h, total: h, offline: 0 }, `${h}/${h}`]);
    assert.deepEqual([r.containers, r.containers_summary], [{ running: n, stopped: 0, paused: 0, total: n }, `${n}/${n}`]);
  },
  'GET /api/events/host/{host}': async (c, scope) => {
    for (const [name, h] of Object.entries(hosts)) {
      if (!hostsOf[scope].includes(name)) {
        await c.get(`/api/events/host/${h.hostId}`, { status: 404 });
        continue;
      }
      const a = await c.get(`/api/events/host/${h.hostId}?limit=1000`);
      assert.deepEqual(a.events, (await c.get(`/api/events?limit=1000&host_id=${h.hostId}`)).events);
      assert.ok(a.total_count > 0);
      const hidden = h.containers.filter((x) => !containersOf[scope].includes(x.Names[0].slice(1)));
      for (const x of hidden) assert.equal((await c.get(`/api/hosts/${h.hostId}/events/container/${x.Id}`)).events.filter((e) => e.container_name === x.Names[0].slice(1)).length, 0);
    }
  },
  'GET /api/events/correlation/{correlation}': async (c) => assert.deepEqual((await c.get('/api/events/correlation/none')).events, []),
  'GET /api/events/{event}': async (c) => {
    const mine = new Set((await c.get('/api/events?limit=1000')).events.map((e) => e.id));
    for (const e of (await admin.get('/api/events?limit=1000')).events) await c.get(`/api/events/${e.id}`, { status: mine.has(e.id) ? 200 : 404 });
  },
  'GET /api/hosts/tags/suggest': async (c, scope) => {
    assert.deepEqual((await c.get('/api/hosts/tags/suggest')).tags, hostsOf[scope].map((name) => `on-${name}`));
    assert.deepEqual((await c.get('/api/hosts/tags/suggest?q=ON-B')).tags, hostsOf[scope].includes('beta') ? ['on-beta'] : []);
  },
  'GET /api/tags/suggest': async (c, scope) => {
    assert.deepEqual((await c.get('/api/tags/suggest?q=on-')).tags, hostsOf[scope].map((name) => `on-${name}`));
    assert.deepEqual((await c.get('/api/tags/suggest?include_derived=true&q=of-')).tags, containersOf[scope].map((name) => `of-${name}`));
    assert.equal((await c.get('/api/tags/suggest?include_derived=true&limit=1')).tags.length, 1);
  },
  'GET /api/updates/summary': async (c, scope) => {
    const r = await c.get('/api/updates/summary');
    const visible = Object.values(hosts).flatMap((h) => h.containers.map((x) => [x.Names[0].slice(1), `${h.hostId}:${x.Id.slice(0, 12)}`]));
    const mine = visible.filter(([name]) => containersOf[scope].includes(name)).map(([, id]) => id);
    assert.deepEqual(r.containers_with_updates.sort(), mine.sort());
    assert.equal(r.total_updates, mine.length);
  },
  'POST /api/updates/check-all': async (c, scope) => {
    const counts = containersOf[scope].length;
    assert.deepEqual(await c.post('/api/updates/check-all'), { total: counts, checked: counts, updates_found: counts, errors: 0 });
  },
  'GET /metrics': async (c, scope) => {
    const text = await (await c.fetch('GET', '/metrics')).text();
    const named = (label) => [...new Set([...text.matchAll(new RegExp(`[{,]${label}="([^"]*)"`, 'g'))].map((m) => m[1]))].sort();
    assert.deepEqual(named('host'), hostsOf[scope]);
    assert.deepEqual(named('container'), containersOf[scope]);
    // Samples of a host tell about all of its containers, so do its counts.
    if (scope === 'alpha') return;
    const families = new Set([...text.matchAll(/^(dockmon_host_\w+)\{/gm)].map((m) => m[1]));
    assert.deepEqual([...families], ['dockmon_host_up', 'dockmon_host_circuit_open', 'dockmon_host_containers', 'dockmon_host_containers_running']);
    for (const name of ['containers', 'containers_running'])
      assert.deepEqual([...text.matchAll(new RegExp(`^dockmon_host_${name}\\{.* (\\d+)$`, 'gm'))].map((m) => m[1]), hostsOf[scope].map(() => '1'));
  },
  'POST /api/batch': async (c, scope) => {
    const ids = Object.values(hosts).flatMap((h) => [`${h.hostId}:${h.web.slice(0, 12)}`, `${h.hostId}:${h.db.slice(0, 12)}`]);
    const run = async (body) => {
      const { job_id: id } = await c.post('/api/batch', body, { status: 201 });
      return eventually(async () => {
        const j = await c.get(`/api/batch/${id}`);
        return j.completed_at && j;
      });
    };
    const names = ['alpha-web', 'alpha-db', 'beta-web', 'beta-db'];
    const visible = (i) => containersOf[scope].includes(names[i]);
    const job = await run({ scope: 'container', action: 'restart', ids });
    job.items.forEach((item, i) => {
      assert.equal(item.status, visible(i) ? 'completed' : 'failed', `${names[i]} ${item.message}`);
      assert.equal(item.container_name, visible(i) ? names[i] : null);
      if (!hostsOf[scope].includes(names[i].split('-')[0])) assert.equal(item.host_name, null);
    });
    // Images belong to the whole host.
    const images = await run({ scope: 'image', action: 'delete-images', ids: Object.values(hosts).map((h) => `${h.hostId}:some:1`) });
    assert.deepEqual(images.items.map((x) => x.status), [scope === 'alpha' ? 'completed' : 'failed', 'failed'], JSON.stringify(images.items));
  },
  'POST /api/bulk': async (c, scope) => {
    const items = Object.values(hosts).flatMap((h) => [h.web, h.db].map((id) => ({ host_id: h.hostId, container_id: id })));
    const names = ['alpha-web', 'alpha-db', 'beta-web', 'beta-db'];
    const before = Object.fromEntries(items.map((i) => [i.container_id, operations(i.container_id)]));
    const { id } = await c.post('/api/bulk', { action: 'restart', containers: items }, { status: 202 });
    const job = await eventually(async () => {
      const j = await c.get(`/api/bulk/${id}`);
      return j.completed_at && j;
    });
    job.items.forEach((item, i) => {
      const isMine = containersOf[scope].includes(names[i]);
      assert.equal(item.status, isMine ? 'success' : 'error', `${names[i]} ${item.error}`);
      assert.equal(item.container_name, isMine ? names[i] : null);
      if (!isMine) assert.match(item.error, hostsOf[scope].includes(names[i].split('-')[0]) ? /No such container/ : /Host not found/);
      assert.equal(operations(item.container_id) - before[item.container_id], isMine ? 1 : 0, names[i]);
    });
    for (const other of [...seen.alpha, ...seen.web].filter((o) => o !== c && o.role !== 'viewer')) await other.get(`/api/bulk/${id}`, { status: 404 });
    assert.equal((await admin.get(`/api/bulk/${id}`)).id, id);
  },
};
const batches = {}; // of one container each, by its name
const operations = (id) => Object.values(hosts).flatMap((h) => h.commands).filter((m) => m.type === 'container_operation' && m.payload.container_id === id).length;

test('every route respects the scope', async (t) => {
  await admin.post('/api/registry-credentials', { registry_url: registry.name, security: 'plain' }, { status: 201 });
  await admin.post('/api/updates/check-all');
  // Events of every container and of both hosts.
  for (const h of Object.values(hosts)) {
    for (const id of [h.web, h.db]) {
      await admin.post(`/api/hosts/${h.hostId}/containers/${id}/start`);
      h.event('update_progress', { container_id: id.slice(0, 12), stage: 'pulling', message: 'Pulling image' });
    }
    await admin.post(`/api/hosts/${h.hostId}/images/prune`);
  }
  await eventually(async () => (await admin.get('/api/events')).total_count >= 6);
  for (const h of Object.values(hosts)) {
    for (const name of h.containers.map((x) => x.Names[0].slice(1))) {
      batches[name] = await admin.post('/api/updates/batches', { containers: [{ host_id: h.hostId, container_id: name }] }, { status: 202 });
    }
  }

  for (const route of routes.filter((r) => r.role !== 'ROLE_NONE')) {
    await t.test(`${route.method} ${route.path}`, async () => {
      const check = route.object === 'OBJECT_LIST' ? (r, c, scope) => lists[`${r.method} ${r.path}`](c, scope) : checks[route.object];
      assert.ok(check, `no check for ${route.object}`);
      if (route.object === 'OBJECT_LIST') assert.ok(lists[`${route.method} ${route.path}`], 'a list needs a check of its elements');
      for (const [scope, clients] of Object.entries(seen)) for (const c of able(route, clients)) await check(route, c, scope);
    });
  }
});

test('the open routes need no scope', async () => {
  for (const c of seen.both) await c.get('/health');
});

test('tags decide on scopes, so a scoped user cannot change them', async () => {
  const path = `/api/hosts/${hosts.alpha.hostId}`;
  const limited = seen.alpha.find((c) => c.role === 'admin');
  const { detail } = await limited.call('PUT', path, { body: { tags: ['prod'] }, status: 403 });
  assert.match(detail, /tags decide on scopes/);
  await limited.call('PUT', path, { body: { description: 'fine' } });

  const prod = await key('viewer', ['tag=prod']);
  assert.deepEqual(await prod.get('/api/hosts'), []);
  await admin.call('PUT', path, { body: { tags: ['prod'] } });
  assert.deepEqual((await prod.get('/api/hosts')).map((h) => h.name), ['alpha']);
  await admin.call('PATCH', `${path}/tags`, { body: { tags_to_remove: ['prod'] } });
  assert.deepEqual(await prod.get('/api/containers'), []);
});

test('invalid rules are refused', async () => {
  const refused = async (scope, pattern) => {
    const { detail } = await admin.post('/api/v2/api-keys', { name: 'bad', role: 'viewer', scope }, { status: 422 });
    assert.match(detail, pattern);
  };
  await refused('host=alpha', /list of rules/);
  await refused([7], /must be a string/);
  await refused([''], /is not a rule/);
  await refused(['host=nowhere'], /no host `nowhere`/);
  await refused(['host=alpha,host=beta'], /one host/);
  await refused(['label=a\0b'], /must be a string/);
  await refused(Array.from({ length: 33 }, (_, i) => `tag=${i}`), /32 rules/);
  await refused(['x'.repeat(300)], /is not a rule/);
  for (const everything of [undefined, null, []]) {
    const made = await key('viewer', everything);
    assert.equal((await made.get('/api/hosts')).length, 2);
  }
});

test('a key is limited by the current scope of the user who created it', async () => {
  const nora = await user('nora', 'operator', ['host=alpha']);
  const child = await key('operator', undefined, nora);
  const wide = await key('operator', ['host=beta', 'label=team=db'], nora);
  const names = async (c) => (await c.get('/api/containers')).map((x) => x.name).sort();
  assert.deepEqual(await names(child), ['alpha-db', 'alpha-web']);
  assert.deepEqual(await names(wide), ['alpha-db'], 'both have to allow it');
  const grandchild = await key('viewer', undefined, wide);
  assert.deepEqual(await names(grandchild), ['alpha-db']);
  const { detail } = await wide.post('/api/v2/api-keys', { name: 'wider', role: 'viewer', scope: ['label=team=web'] }, { status: 403 });
  assert.match(detail, /only create keys with the same scope/);

  await admin.call('PUT', `/api/v2/users/${nora.id}`, { body: { role: 'operator', scope: ['host=beta'] } });
  assert.deepEqual(await names(child), ['beta-db', 'beta-web'], 'at once');
  assert.deepEqual(await names(wide), ['beta-db', 'beta-web']);
  await nora.get('/api/hosts', { status: 401 });
  await admin.call('PUT', `/api/v2/users/${nora.id}`, { body: { role: 'viewer' } });
  assert.deepEqual(await names(child), ['beta-db', 'beta-web'], 'without a scope in the request it stays');
  await admin.call('PUT', `/api/v2/users/${nora.id}`, { body: { role: 'viewer', scope: [] } });
  assert.equal((await names(child)).length, 4);
  const listed = (await admin.get('/api/v2/users')).users.find((u) => u.username === 'nora');
  assert.deepEqual(listed.scope, []);
  assert.deepEqual((await admin.get('/api/v2/api-keys')).find((k) => k.name === wide.name).scope, [`host=${hosts.beta.hostId}`, 'label=team=db']);
});

test('an admin without a scope always remains', async () => {
  const session = await server.adminSession(PASSWORD);
  const { user: me } = await session.get('/api/v2/auth/me');
  const { detail } = await session.call('PUT', `/api/v2/users/${me.id}`, { body: { role: 'admin', scope: ['host=alpha'] }, status: 403 });
  assert.match(detail, /you cannot limit yourself/);
  await admin.call('PUT', `/api/v2/users/${me.id}`, { body: { role: 'admin', scope: ['host=alpha'] }, status: 409 });
});

test('a shell out of scope is refused, and an open shell ends when the scope does', async () => {
  const c = await key('operator', ['host=alpha,label=team=web']);
  const why = async (host, id) => (await (await Shell.open(server, c.key, host.hostId, id)).closed).reason;
  assert.equal(await why(hosts.beta, hosts.beta.web), 'Host not found');
  assert.equal(await why(hosts.alpha, hosts.alpha.db), 'No such container');
  assert.equal(await why(hosts.alpha, 'f'.repeat(64)), 'No such container');
  for (const action of ['stat', 'out', 'in']) {
    const copy = async (host, id, path = '/x') => (await (await Shell.open(server, c.key, host.hostId, id, { copy: { action, path } })).closed).reason;
    assert.equal(await copy(hosts.beta, hosts.beta.web), 'Host not found');
    assert.equal(await copy(hosts.alpha, hosts.alpha.db), 'No such container');
    assert.match(await copy(hosts.alpha, hosts.alpha.web), /^The agent of \S+ is too old for cp$/);
    assert.match(await copy(hosts.alpha, hosts.alpha.web, 'x'), /absolute/);
  }
  assert.ok(!hosts.alpha.commands.some((m) => m.type === 'shell_session'));
  assert.ok(!hosts.beta.commands.some((m) => m.type === 'shell_session'));

  const owner = await user('shelly', 'operator', ['host=alpha']);
  const child = await key('operator', undefined, owner);
  const shell = await Shell.open(server, child.key, hosts.alpha.hostId, hosts.alpha.web);
  const started = await eventually(() => hosts.alpha.commands.find((m) => m.type === 'shell_session' && m.payload.action === 'start'));
  await admin.call('PUT', `/api/v2/users/${owner.id}`, { body: { role: 'operator', scope: ['host=beta'] } });
  assert.deepEqual(await shell.closed, { code: 1008, reason: 'Your rights have changed: connect again' });
  await eventually(() => hosts.alpha.commands.some((m) => m.type === 'shell_session' && m.payload.action === 'close' && m.payload.session_id === started.payload.session_id), { what: 'the agent ends the process' });

  const other = await key('operator');
  const second = await Shell.open(server, other.key, hosts.alpha.hostId, hosts.alpha.web);
  await eventually(() => hosts.alpha.commands.filter((m) => m.type === 'shell_session' && m.payload.action === 'start').length === 2);
  await admin.delete(`/api/v2/api-keys/${other.id}`);
  assert.deepEqual(await second.closed, { code: 1008, reason: 'Invalid or expired session' });
});

test('the feed contains nothing outside of the scope', async () => {
  const watchers = [];
  for (const [scope, rules] of Object.entries(SCOPES)) {
    const c = await key('operator', rules);
    const w = { scope, texts: [] };
    w.ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`, { headers: { authorization: `Bearer ${c.key}` } });
    w.ws.on('message', (data) => w.texts.push(String(data)));
    w.closed = closing(w.ws);
    w.messages = () => w.texts.map((t) => JSON.parse(t));
    w.key = c;
    await eventually(() => w.texts.length > 0);
    watchers.push(w);
  }
  // On every container an event, an operation and an item of a job; alpha-web, which is in every scope, is the last.
  const all = Object.values(hosts).reverse().flatMap((h) => [[h, h.db, 'db'], [h, h.web, 'web']]);
  for (const [h, id, team] of all) {
    h.event('container_event', { container_id: id, container_name: `${h.hostname}-${team}`, image: 'nginx', action: 'start', timestamp: new Date().toISOString(), attributes: {} });
    await admin.post(`/api/hosts/${h.hostId}/containers/${id}/restart`);
  }
  const { id } = await admin.post('/api/bulk', { action: 'start', containers: all.map(([h, id]) => ({ host_id: h.hostId, container_id: id })) }, { status: 202 });
  await eventually(async () => (await admin.get(`/api/bulk/${id}`)).status === 'completed');
  hosts.alpha.event('container_event', { container_id: hosts.alpha.web, container_name: 'alpha-web', image: 'nginx', action: 'die', timestamp: new Date().toISOString(), attributes: { exitCode: '1' } });
  for (const w of watchers) {
    const isLast = (m) => m.type === 'new_event' && m.event.event_type === 'died' && m.event.container_name === 'alpha-web';
    await eventually(() => w.messages().some(isLast), { what: `${w.scope} hears of alpha-web` });
    const state = w.messages().find((m) => m.type === 'initial_state').data;
    assert.deepEqual(state.hosts.map((h) => h.name).sort(), hostsOf[w.scope]);
    assert.deepEqual(state.containers.map((c) => c.name).sort(), containersOf[w.scope]);
    for (const h of Object.values(hosts)) {
      for (const team of ['web', 'db']) {
        const isMine = containersOf[w.scope].includes(`${h.hostname}-${team}`);
        const isNamed = w.texts.some((t) => t.includes(`${h.hostname}-${team}`) || t.includes(h[team].slice(0, 12)));
        assert.equal(isNamed, isMine, `${w.scope}: ${h.hostname}-${team}`);
      }
      assert.equal(w.texts.some((t) => t.includes(h.hostId)), hostsOf[w.scope].includes(h.hostname), `${w.scope}: ${h.hostname}`);
    }
    await admin.delete(`/api/v2/api-keys/${w.key.id}`);
    assert.deepEqual(await w.closed, { code: 1008, reason: 'Invalid or expired session' });
  }
});

test('queued items of a bulk job are not started when the scope ends', async () => {
  const owner = await user('betty', 'operator', ['host=beta']);
  const child = await key('operator', undefined, owner);
  const listed = async (n) => eventually(async () => (await admin.get(`/api/containers?host_id=${hosts.beta.hostId}`)).length === n);
  const usual = hosts.beta.containers;
  hosts.beta.containers = [...usual, ...Array.from({ length: 9 }, (_, i) => containerElement({ name: `beta-many-${i}` }))];
  await listed(11);
  const ids = hosts.beta.containers.slice(2).map((c) => c.Id);
  const kills = () => ids.reduce((n, x) => n + operations(x), 0);
  hosts.beta.isSilent = true; // four run at a time on one host
  const containers = ids.map((x) => ({ host_id: hosts.beta.hostId, container_id: x }));
  const { id } = await child.post('/api/bulk', { action: 'kill', containers }, { status: 202 });
  await eventually(() => kills() === 4);
  await admin.call('PUT', `/api/v2/users/${owner.id}`, { body: { role: 'operator', scope: ['host=alpha'] } });
  const job = await eventually(async () => {
    const j = await admin.get(`/api/bulk/${id}`);
    return j.cancelled === 5 && j;
  });
  assert.deepEqual([job.status, job.running], ['cancelling', 4]);
  assert.match(job.items[8].error, /Your rights have changed/);
  hosts.beta.isSilent = false;
  for (const m of hosts.beta.commands.filter((c) => c.payload?.action === 'kill').slice(-4)) hosts.beta.onOperation(m);
  await eventually(async () => (await admin.get(`/api/bulk/${id}`)).status === 'cancelled');
  assert.equal(kills(), 4);
  hosts.beta.containers = usual;
  await listed(2);
});

test('the CLI and the offline commands set and show scopes', async () => {
  const cli = (...args) => dockmon(server, admin.key, args);
  const works = async (...args) => {
    const r = await cli(...args);
    assert.equal(r.code, 0, r.stderr);
    return r.stdout;
  };
  const row = async (noun, name) => (await works(noun, 'ls', ...(noun === 'apikey' ? ['--wide'] : []))).split('\n').find((line) => line.includes(`${name} `));
  const names = async (k) => (await new Client(server, { key: k.trim() }).get('/api/containers')).map((c) => c.name).sort();

  await works('user', 'create', '--scope', 'host=alpha,label=team=web', '--scope=tag=prod', 'cleo');
  assert.match(await row('user', 'cleo'), /^cleo +viewer .* host=alpha,label=team=web; tag=prod *$/);
  assert.equal(await works('user', 'set', '--role', 'operator', 'cleo'), 'cleo\n');
  assert.match(await row('user', 'cleo'), /^cleo +operator .* host=alpha,label=team=web; tag=prod *$/);
  await works('user', 'set', '--scope', 'host=beta', 'cleo');
  assert.match(await row('user', 'cleo'), /^cleo +operator .* host=beta *$/);
  await works('user', 'set', '--no-scope', 'cleo');
  assert.match(await row('user', 'cleo'), /^cleo +operator .* everything *$/);
  assert.equal((await cli('user', 'set', '--no-scope', '--scope', 'tag=x', 'cleo')).code, 125);
  assert.match((await cli('user', 'set', '--scope', 'host=nowhere', 'cleo')).stderr, /there is no host `nowhere`/);
  assert.match((await cli('user', 'set', '--no-scope', 'nobody')).stderr, /No such user: nobody/);

  assert.deepEqual(await names(await works('apikey', 'create', '--scope', 'host=beta,label=team=db', 'from-cli')), ['beta-db']);
  assert.match(await row('apikey', 'from-cli'), / host=beta,label=team=db *$/);

  const offline = ['apikey', 'create', '--name', 'from-dockmond', '--role', 'viewer'];
  assert.deepEqual(await names(await server.admin(...offline, '--scope', 'host=alpha,label=team=db', '--scope=label=team=web')), ['alpha-db', 'alpha-web', 'beta-web']);
  await assert.rejects(server.admin('apikey', 'create', '--name', 'bad', '--role', 'viewer', '--scope', 'host=nowhere'), /there is no host `nowhere`/);
  await assert.rejects(server.admin('apikey', 'create', '--name', 'bad', '--role', 'viewer', '--scope', 'web'), /is not a rule/);
});

// A container that was created a moment ago: only its engine knows it, and the scope applies to what the engine says.
test('a container that the model does not know yet is resolved by its engine, within the scope', async () => {
  const { alpha } = hosts;
  const [mine, theirs] = ['web', 'db'].map((team) => containerElement({ name: `fresh-${team}`, labels: { team } }));
  const path = (ref, action) => `/api/hosts/${alpha.hostId}/containers/${ref}/${action}`;
  const c = await key('operator', SCOPES.web);
  const sent = (action) => alpha.commands.filter((m) => m.payload?.action === action).map((m) => m.payload.container_id);
  alpha.fresh = [mine, theirs];
  try {
    for (const ref of ['fresh-web', mine.Id.slice(0, 12), mine.Id]) {
      const before = sent('stop').length;
      await c.post(path(ref, 'stop'));
      assert.deepEqual(sent('stop').slice(before), [mine.Id]);
      assert.equal((await c.get(path(ref, 'inspect'))).Id, mine.Id);
    }
    const before = sent('stop').length;
    for (const ref of ['fresh-db', theirs.Id.slice(0, 12), theirs.Id, 'nothing']) {
      for (const [action, method] of [['stop', 'POST'], ['inspect', 'GET'], ['logs', 'GET']]) {
        const r = await c.fetch(method, path(ref, action));
        assert.equal(r.status, 404, `${action} ${ref}`);
        assert.deepEqual(await r.json(), { detail: `No such container on host alpha: ${ref}`, code: 'no_such_container' });
      }
    }
    assert.equal(sent('stop').length, before);
    assert.deepEqual(sent('get_logs').filter((id) => id !== mine.Id && id.startsWith(theirs.Id.slice(0, 12))), []);
  } finally {
    alpha.fresh = [];
  }
});

test('an admin of one host can delete it, but no other host', async () => {
  const limited = seen.alpha.find((c) => c.role === 'admin');
  await limited.delete(`/api/hosts/${hosts.beta.hostId}`, { status: 404 });
  await limited.delete(`/api/hosts/${hosts.alpha.hostId}`);
  assert.deepEqual((await admin.get('/api/hosts')).map((h) => h.name), ['beta']);
  // Its rule stays and matches nothing: a limited admin does not become unlimited.
  assert.deepEqual(await limited.get('/api/hosts'), []);
  await limited.get('/api/v2/users', { status: 403 });
});

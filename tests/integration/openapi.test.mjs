// docs/api/openapi.json is valid, is served by the server, and describes what the server does: every operation is
// called on a real server with a real agent and engine, and its answers, errors among them, fit the schemas.
// That the file and the route table name the same routes, roles and limits: src/server/api/openapi_test.c.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Client, Server } from './lib/dockmon.mjs';
import { IMAGE, OwnEngine } from './lib/engine.mjs';
import { containerElement } from './lib/hand-agent.mjs';
import { JournalAgent, previewOf } from './lib/journal-agent.mjs';
import { OpenApi } from './lib/openapi.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
const PASSWORD = 'correct horse battery';
const ROLES = ['viewer', 'operator', 'admin'];
let api, engine, server, agent, clients, session, host, container;

before(async () => {
  api = await OpenApi.load();
  engine = await OwnEngine.start(); // of our own, because prune removes everything
  later(() => engine.remove());
  await engine.ensureImage();
  server = await Server.start();
  later(() => server.remove());
  session = await server.adminSession(PASSWORD);
  clients = { none: new Client(server) };
  for (const role of ROLES) clients[role] = await server.client(role);
  agent = await Agent.start(server, engine);
  later(() => agent.remove());
  host = (await clients.viewer.onlineHost()).id;
  container = (await engine.run('subject', { args: ['-l', 'dockmon.tag=a,b', '-v', '/somewhere', '-e', 'SECRET=1'] })).id;
  await clients.viewer.container(container);
});

const at = (more = {}) => ({ host, container, ...more });

test('the file is a valid OpenAPI description', async () => {
  const r = await new Validator().validate(structuredClone(api.doc));
  assert.ok(r.valid, JSON.stringify(r.errors, null, 1));
  const ids = api.operations.map((o) => o.operationId);
  assert.equal(new Set(ids).size, ids.length, 'operation ids are unique');
});

test('the server serves the file', async () => {
  const r = await clients.viewer.fetch('GET', '/api/openapi.json');
  assert.ok((await r.text()) === api.text);
  for (const id of ['getOpenApi', 'getOpenApiAtRoot']) assert.deepEqual(await api.call(clients.viewer, id), api.doc);
});

test('the examples of request bodies fit their schemas', () => {
  for (const o of api.operations.filter((x) => x.requestBody)) {
    const media = o.requestBody.content['application/json'];
    const validate = api.ajv.compile({ ...media.schema, components: api.doc.components });
    assert.ok(media.example, `${o.operationId} has an example`);
    assert.ok(validate(media.example), `${o.operationId}: ${api.ajv.errorsText(validate.errors)}`);
  }
});

test('reading operations answer as described', async () => {
  await api.call(clients.none, 'getHealth');
  for (const id of ['getMe', 'listSessions', 'listHosts', 'listContainers', 'listEvents', 'listAgents']) await api.call(clients.viewer, id);
  for (const id of ['listUsers', 'listApiKeys', 'listAudit', 'getLogLevel', 'listContainers', 'listSessions']) await api.call(clients.admin, id);
  await api.call(session, 'getMe');
  for (const id of ['getPreferences', 'getViewMode', 'getEventSortOrder']) await api.call(clients.viewer, id);
  await api.call(session, 'setPreferences', { body: { theme: 'light', dashboard: { hostOrder: ['a'] } } });
  await api.call(session, 'resetPreferences');
  await api.call(session, 'setViewMode', { body: { view_mode: 'compact' } });
  await api.call(session, 'setEventSortOrder', { body: { sort_order: 'asc' } });
  const { agents } = await api.call(clients.viewer, 'listAgents');
  await api.call(clients.admin, 'listRefusals');
  await api.call(clients.viewer, 'getAgent', { values: { agent: agents[0].agent_id } });
  for (const id of ['getHostAgent', 'listImages', 'listNetworks', 'listVolumes']) await api.call(clients.viewer, id, { values: at() });
  for (const role of ['viewer', 'operator']) await api.call(clients[role], 'inspectContainer', { values: at() });
  for (const id of ['topContainer', 'diffContainer']) await api.call(clients.viewer, id, { values: at() });
  await api.call(clients.viewer, 'listContainers', { query: `host_id=${host}` });
  await api.call(clients.viewer, 'resolveContainer', { query: `ref=${container}&host=${host}` });
  const talker = (await engine.run('talker', { command: ['sh', '-c', 'echo one; echo two'] })).id;
  await clients.viewer.container(talker);
  await api.call(clients.viewer, 'getContainerLogs', { values: at({ container: talker }), query: 'tail=10' });
  await api.call(clients.operator, 'listContainers');
  await api.call(clients.viewer, 'listEvents', { query: 'limit=3&hours=24&severity=info&search=nothing' });
  await api.call(clients.admin, 'listAudit', { query: 'limit=3&offset=1&since=2026-01-01T00:00:00Z' });
});

// DockMon's web UI and clients read them, and some end with an error page on any other shape.
test('features that are absent have the response of an installation that does not use them', async () => {
  const absent = api.operations.filter((o) => o['x-absent']);
  assert.ok(absent.length >= 16);
  for (const o of absent) await api.call(clients.admin, o.operationId, { values: at({ token: 'none' }) });
  assert.deepEqual(await clients.viewer.get('/api/updates/summary/'), { total_updates: 0, containers_with_updates: [] });
  assert.deepEqual(await clients.viewer.get('/api/alerts/?state=open&page=1&page_size=20'), { alerts: [], total: 0, page: 1, page_size: 50 });
  assert.deepEqual(await clients.viewer.get('/api/alerts/stats/'), { total: 0, by_state: { open: 0, snoozed: 0, resolved: 0 }, by_severity: { critical: 0, error: 0, warning: 0, info: 0 } });
  const templates = await clients.viewer.get('/api/notifications/template-variables');
  assert.deepEqual(Object.keys(templates.default_templates), ['default', 'metric', 'state_change', 'health', 'update']);
  assert.deepEqual((await clients.viewer.get('/api/upgrade-notice')).show_notice, false);
  assert.deepEqual(await clients.none.get('/api/v2/oidc/status'), { enabled: false, provider_configured: false });
  await clients.viewer.get('/api/v2/oidc/config', { status: 403 });
});

test('the audit log has the pages, filters, lists and exports of DockMon', async () => {
  const formula = '=1+1,"x"';
  await clients.none.fetch('POST', '/api/v2/auth/login', { body: { username: formula, password: 'wrong' } });
  const list = (query = '') => api.call(clients.admin, 'listAuditLog', { query });
  const refused = await eventually(async () => (await list('search=1%2B1')).entries[0], { what: 'the refused login' });
  assert.deepEqual([refused.username, refused.action, refused.entity_type, refused.entity_id, refused.user_id], ['-', 'login', 'session', formula, null]);
  assert.match(refused.details.result, /^401 /);

  await clients.operator.post(`/api/hosts/${host}/containers/${container}/restart?timeout=0`);
  const [restart] = (await eventually(async () => {
    const r = await list('action=container_restart');
    return r.total > 0 && r;
  }, { what: 'the restart' })).entries;
  assert.deepEqual([restart.entity_type, restart.details.result], ['container', 'ok']);
  assert.match(restart.entity_name, /subject$/);
  assert.equal(restart.entity_id, `${restart.host_name}/${restart.entity_name}`);

  const all = await list('page_size=1000');
  assert.ok(all.total > 3 && all.entries.length === all.total && all.total_pages === 1);
  const paged = [await list('page=1&page_size=2'), await list('page=2&page_size=2')];
  assert.deepEqual(paged.flatMap((p) => p.entries.map((e) => e.id)), all.entries.slice(0, 4).map((e) => e.id));
  assert.deepEqual([paged[1].page, paged[1].page_size, paged[1].total, paged[1].total_pages], [2, 2, all.total, Math.ceil(all.total / 2)]);
  assert.deepEqual((await list(`page=${all.total + 1}&page_size=1`)).entries, []);

  const ids = async (query) => (await list(`page_size=1000&${query}`)).entries.map((e) => e.id);
  const where = (test) => all.entries.filter(test).map((e) => e.id);
  assert.deepEqual(await ids('entity_type=session&search='), where((e) => e.entity_type === 'session'));
  assert.deepEqual(await ids('entity_type=system'), where((e) => e.entity_type === 'system'));
  assert.deepEqual(await ids('entity_type=nothing'), []);
  assert.deepEqual(await ids('username=-'), where((e) => e.username === '-'));
  assert.deepEqual(await ids('search=CONTAINER_RESTART'), where((e) => e.action === 'container_restart'));
  const today = refused.created_at.slice(0, 10), tomorrow = new Date(Date.parse(today) + 86400000).toISOString().slice(0, 10);
  assert.ok((await ids(`start_date=${today}&end_date=${tomorrow}`)).includes(refused.id));
  assert.ok((await ids(`end_date=${today}`)).includes(refused.id), 'the whole day');
  assert.ok(!(await ids(`end_date=${refused.created_at}`)).includes(refused.id), 'a time is exact');
  assert.deepEqual(await ids('end_date=2020-01-31'), []);
  assert.deepEqual(await ids('start_date=2100-01-01T00:00:00Z'), []);
  for (const query of ['page=0', 'page_size=1001', 'page=1000001', 'page=100000&page_size=1000', 'start_date=yesterday', 'end_date=2026-13-41']) await api.call(clients.admin, 'listAuditLog', { query, status: 422 });

  const actions = await api.call(clients.admin, 'listAuditActions');
  assert.deepEqual(actions, [...new Set(all.entries.map((e) => e.action))].sort());
  assert.deepEqual((await api.call(clients.admin, 'listAuditEntityTypes')).sort(), [...new Set(all.entries.map((e) => e.entity_type))].sort());
  const users = await api.call(clients.admin, 'listAuditUsers');
  assert.ok(!users.some((u) => u.username === '-') && users.some((u) => u.username === restart.username && u.user_id === null), 'a key is no user');
  const retention = await api.call(clients.admin, 'getAuditRetention');
  assert.ok(retention.total_entries >= all.total && retention.oldest_entry_date <= all.entries.at(-1).created_at);
  assert.deepEqual(retention.valid_options, [retention.retention_days]);

  const same = await api.call(clients.admin, 'exportAuditLog', { query: 'format=json&entity_type=session' });
  assert.deepEqual(same, all.entries.filter((e) => e.entity_type === 'session'));
  assert.deepEqual(await api.call(clients.admin, 'exportAuditLog', { query: 'format=json&action=none' }), []);
  const csv = await clients.admin.fetch('GET', '/api/v2/audit-log/export');
  assert.deepEqual([csv.status, csv.headers.get('content-type'), csv.headers.get('content-disposition')], [200, 'text/csv; charset=utf-8', 'attachment; filename="audit-log.csv"']);
  const lines = (await csv.text()).trim().split('\r\n');
  assert.equal(lines[0], 'id,created_at,user_id,username,action,entity_type,entity_id,entity_name,host_name,ip_address,result');
  assert.ok(lines.length > all.total);
  assert.ok(lines.find((l) => l.startsWith(`${refused.id},`)).includes(`"'=1+1,""x"""`), 'a formula is text');
  await api.call(clients.admin, 'exportAuditLog', { query: 'format=xls', status: 422 });
});

test('events of a host, of a container and of one operation answer as described', async () => {
  const short = container.slice(0, 12);
  await clients.operator.post(`/api/hosts/${host}/containers/${container}/restart?timeout=0`);
  const mine = await eventually(async () => {
    const r = await api.call(clients.viewer, 'listContainerEvents', { values: at(), query: 'limit=50' });
    return r.events.some((e) => (e.event_type === 'container_action')) && r;
  });
  assert.deepEqual([mine.host_id, mine.container_id], [host, short]);
  assert.ok(mine.events.every((e) => e.container_id === short && e.host_id === host));
  const done = mine.events.find((e) => (e.event_type === 'container_action'));
  assert.ok(Number.isInteger(done.duration_ms) && done.duration_ms > 0, JSON.stringify(done));
  assert.deepEqual(await api.call(clients.viewer, 'getEvent', { values: { event: done.id } }), done);
  for (const event of ['0', 'x', '99999999']) await api.call(clients.viewer, 'getEvent', { values: { event }, status: 404 });

  const ofHost = await api.call(clients.viewer, 'listHostEvents', { values: at(), query: 'limit=2' });
  assert.deepEqual([ofHost.host_id, ofHost.events.length], [host, 2]);
  assert.ok(ofHost.total_count > mine.total_count);
  await api.call(clients.viewer, 'listHostEvents', { values: at({ host: 'nobody' }), status: 404 });
  const none = await api.call(clients.viewer, 'listCorrelatedEvents', { values: { correlation: 'none' } });
  assert.deepEqual([none.correlation_id, none.events], ['none', []]);

  const count = async (query) => (await api.call(clients.viewer, 'listEvents', { query: `limit=1000&${query}` })).total_count;
  const [ofContainer, ofOthers] = [await count('category=container'), await count('category=host')];
  assert.ok(ofContainer > 0 && ofOthers > 0);
  assert.equal(await count('category=container&category=host'), ofContainer + ofOthers);
  assert.equal(await count('category=host&category='), ofOthers);
  assert.equal(await count('category=host&category=none&severity=info&severity=warning&severity=error&severity=critical&severity=debug'), ofOthers);
  assert.equal(await count(`host_id=nobody&host_id=${host}&container_id=${container}&container_id=000000000000`), mine.total_count);
  assert.equal(await count(`container_name=${done.container_name}&container_id=${short}`), await count(`container_name=${done.container_name}`));
  assert.equal(await count(`container_name=${done.container_name}x`), 0);
  assert.equal(await count('correlation_id=none'), 0);
  assert.equal(await count('start_date=2100-01-01T00:00:00Z'), 0);
  assert.equal(await count('end_date=2000-01-01T00:00:00Z'), 0);
  assert.equal(await count('unknown=1&end_date=2100-01-01T00:00:00Z&category=host'), ofOthers);
  const many = Array.from({ length: 101 }, (_, i) => `severity=s${i}`).join('&');
  await api.call(clients.viewer, 'listEvents', { query: many, status: 422 });
});

test('suggested tags answer as described', async () => {
  await api.call(clients.admin, 'changeHostTags', { values: at(), body: { tags_to_add: ['Cellar'] } });
  assert.deepEqual(await api.call(clients.viewer, 'suggestHostTags', { query: 'q=CELL&limit=5' }), { tags: ['cellar'] });
  assert.deepEqual(await api.call(clients.viewer, 'suggestTags', { query: 'q=cell' }), { tags: ['cellar'] });
  const { tags } = await api.call(clients.viewer, 'suggestTags', { query: 'include_derived=true' });
  for (const tag of ['a', 'b', 'cellar']) assert.ok(tags.includes(tag), tags.join());
  await api.call(clients.operator, 'changeHostTags', { values: at(), body: { tags_to_remove: ['cellar'] } });
});

test('batch jobs of DockMon answer as described', async () => {
  const done = async (id) => eventually(async () => (await clients.operator.get(`/api/batch/${id}`)).completed_at);
  const { job_id: id } = await api.call(clients.operator, 'createBatch', { body: { scope: 'container', action: 'check-updates', ids: [`${host}:${container.slice(0, 12)}`] }, status: 201 });
  await done(id);
  const job = await api.call(clients.operator, 'getBatch', { values: { job: id } });
  assert.deepEqual([job.id, job.status, job.error_items, job.items[0].message], [id, 'failed', 1, 'Updates of containers are not available on this server']);
  await api.call(clients.operator, 'getBatch', { values: { job: 'none' }, status: 404 });
  await api.call(clients.viewer, 'createBatch', { body: {}, status: 403 });
  for (const body of [{}, { scope: 'image', action: 'start', ids: ['a:b'] }, { scope: 'container', action: 'start', ids: [] }, { scope: 'container', action: 'start', ids: ['x'] }])
    await api.call(clients.operator, 'createBatch', { body, status: 422 });
});

test('settings: every user may send a time zone at login, and the one of an admin is kept', async () => {
  const first = await api.call(clients.viewer, 'getSettings');
  assert.equal(first.timezone_offset, 0);
  assert.deepEqual(await api.call(clients.viewer, 'changeSettings', { body: { timezone_offset: -300 } }), first);
  assert.equal((await api.call(clients.admin, 'changeSettings', { body: { timezone_offset: 60 } })).timezone_offset, 60);
  assert.equal((await clients.operator.get('/api/settings')).timezone_offset, 60);
  await api.call(clients.admin, 'changeSettings', { body: await clients.admin.get('/api/settings') });
  for (const body of [{ timezone_offset: 841 }, { timezone_offset: '60' }, { max_retries: 9 }, { unknown: 1 }])
    await api.call(clients.admin, 'changeSettings', { body, status: 422 });
});

test('the summary for dashboards answers as described', async () => {
  const path = `/api/hosts/${host}/containers/${container}`;
  await clients.operator.post(`${path}/pause`);
  const r = await api.call(clients.viewer, 'getDashboardSummary');
  const list = await clients.viewer.get('/api/containers');
  const count = (state) => list.filter((c) => c.state === state).length;
  assert.deepEqual(r.hosts, { online: 1, total: 1, offline: 0 });
  assert.ok(count('paused') === 1);
  assert.deepEqual(r.containers, { running: count('running'), stopped: list.length - count('running') - 1, paused: 1, total: list.length });
  assert.equal(r.containers_summary, `${count('running')}/${list.length}`);
  await clients.operator.post(`${path}/unpause`);
  assert.deepEqual([r.hosts_summary, r.updates, r.alerts, r.updates_available, r.alerts_active], ['1/1', { available: 0 }, { active: 0 }, 0, 0]);
});

test('hosts without an agent are refused with the way that there is', async () => {
  for (const id of ['addHost', 'testHostConnection']) {
    const r = await api.call(clients.admin, id, { body: { name: 'x', url: 'tcp://10.0.0.1:2376' }, status: 501 });
    assert.match(r.detail, /never connects to an engine: install an agent/);
  }
});

test('users, sessions and keys answer as described', async () => {
  const guest = new Client(server);
  const { password, ...user } = await api.call(clients.admin, 'createUser', { body: { username: 'olga', role: 'viewer' } });
  await api.call(clients.admin, 'getUser', { values: { user: user.id } });
  await api.call(clients.admin, 'getUser', { values: { user: 999 }, status: 404 });
  await api.call(clients.admin, 'countPendingUsers');
  await api.call(clients.viewer, 'listGroups');
  await api.call(clients.admin, 'listCapabilities');
  await api.call(clients.admin, 'listGroupPermissions');
  await api.call(session, 'updateProfile', { body: { display_name: 'The admin' } });
  await api.call(clients.admin, 'createUser', { body: { username: 'olga', role: 'viewer' }, status: 409 });
  await api.call(clients.admin, 'setUserRole', { values: { user: user.id }, body: { role: 'operator' } });
  await api.call(clients.admin, 'resetPassword', { values: { user: user.id }, body: {} });
  await api.call(clients.admin, 'resetPassword', { values: { user: user.id }, body: { new_password: 'something long' } });
  assert.ok(password);
  await api.call(guest, 'login', { body: { username: 'olga', password: 'wrong' }, status: 401 });
  const r = await guest.fetch('POST', '/api/v2/auth/login', { body: { username: 'olga', password: 'something long' } });
  guest.cookie = r.headers.get('set-cookie').split(';')[0];
  await api.call(guest, 'listHosts', { status: 403 }); // the initial password, which must be changed
  await api.call(guest, 'getMe');
  await api.call(guest, 'changePassword', { body: { current_password: 'wrong', new_password: PASSWORD }, status: 400 });
  await api.call(guest, 'changePassword', { body: { current_password: 'something long', new_password: PASSWORD } });
  await api.call(guest, 'login', { body: { username: 'olga', password: PASSWORD } });
  const { sessions } = await api.call(guest, 'listSessions');
  await api.call(guest, 'revokeSession', { values: { session: sessions.find((s) => !s.is_current).id } });
  await api.call(guest, 'revokeSession', { values: { session: '0123456789abcdef' }, status: 404 });
  await api.call(guest, 'logout');
  await api.call(guest, 'getMe', { status: 401 });
  await api.call(clients.admin, 'deleteUser', { values: { user: user.id } });
  await api.call(clients.admin, 'deleteUser', { values: { user: user.id }, status: 404 });
  await api.call(clients.admin, 'deleteUser', { values: { user: 'nobody' }, status: 400 });

  const key = await api.call(clients.admin, 'createApiKey', { body: { name: 'k', role: 'viewer', expires_days: 1, allowed_ips: '10.0.0.0/8' } });
  await api.call(new Client(server, { key: key.key }), 'getMe', { status: 403 }); // not from here
  await api.call(clients.operator, 'createApiKey', { body: { name: 'up', role: 'admin' }, status: 403 });
  await api.call(clients.admin, 'listApiKeys');
  await api.call(clients.admin, 'updateApiKey', { values: { key: key.id }, body: { name: 'k2', description: 'x' } });
  await api.call(clients.admin, 'deleteApiKey', { values: { key: key.id } });
  await api.call(clients.admin, 'deleteApiKey', { values: { key: key.id }, status: 404 });
});

test('downloads answer as described', async () => {
  await api.call(clients.none, 'getAgentProgram', { values: { platform: 'linux-amd64' }, status: 401 });
  const holder = new Client(server, { key: await server.token() });
  await api.call(holder, 'getAgentProgram', { values: { platform: 'linux-amd64' }, status: 404 });
  await api.call(holder, 'getAgentImage', { values: { file: 'amd64.tar' }, status: 404 });
});

test('hosts and agents answer as described', async () => {
  await api.call(clients.admin, 'createToken', { body: { multi_use: true } });
  await api.call(clients.admin, 'createToken');
  await api.call(clients.admin, 'updateHost', { values: at(), body: { name: 'renamed', description: 'x', tags: ['a'] } });
  await api.call(clients.operator, 'changeHostTags', { values: at(), body: { tags_to_add: ['b'], tags_to_remove: ['a'] } });
  await api.call(clients.admin, 'migrateHost', { values: { agent: 'nobody', source: host }, status: 404 });
  await api.call(clients.viewer, 'getAgent', { values: { agent: 'nobody' }, status: 404 });
  const { agents } = await api.call(clients.viewer, 'listAgents');
  await api.call(clients.admin, 'rotateAgentToken', { values: { agent: agents[0].agent_id } });
  await api.call(clients.admin, 'rotateAgentToken', { values: { agent: 'nobody' }, status: 404 });
  await api.call(clients.admin, 'revokeAgentToken', { values: { agent: 'nobody' }, status: 404 });
  const { level } = await api.call(clients.admin, 'getLogLevel');
  await api.call(clients.admin, 'setLogLevel', { body: { level } });
});

test('operations on containers answer as described', async () => {
  for (const id of ['stop', 'start', 'pause', 'unpause', 'restart', 'kill'])
    await api.call(clients.operator, `${id}Container`, { values: at(), query: /stop|restart/.test(id) ? 'timeout=0' : '' });
  await api.call(clients.operator, 'killContainer', { values: at(), status: 409 });
  await api.call(clients.operator, 'changeContainerTags', { values: at(), body: { ordered_tags: ['b', 'a'] } });
  await api.call(clients.operator, 'setAutoRestart', { values: at(), body: { enabled: true } });
  await api.call(clients.operator, 'setDesiredState', { values: at(), body: { desired_state: 'should_run', web_ui_url: 'http://10.0.0.5/' } });
  await api.call(clients.operator, 'changeContainerLimits', { values: at(), body: { restart: 'no' } });
  await api.call(clients.operator, 'renameContainer', { values: at(), body: { name: `${engine.prefix}-renamed` } });
  await api.call(clients.operator, 'startContainer', { values: at({ container: 'not-there' }), status: 404 });
  await api.call(clients.operator, 'startContainer', { values: at({ container: '-bad-' }), status: 400 });
  await api.call(clients.operator, 'startContainer', { values: at({ host: 'not-there' }), status: 404 });
  const containers = [{ host_id: host, container_id: container }, { host_id: 'not-there', container_id: 'x' }];
  const { id: job } = await api.call(clients.operator, 'createBulkJob', { body: { action: 'start', containers }, status: 202 });
  await eventually(async () => (await api.call(clients.operator, 'getBulkJob', { values: { job } })).completed === 2, { what: 'the job ends' });
  await api.call(clients.operator, 'cancelBulkJob', { values: { job } });
  await api.call(clients.operator, 'getBulkJob', { values: { job: 'x' }, status: 404 });
  const other = (await engine.run('other')).id;
  await api.call(clients.operator, 'removeContainer', { values: at({ container: other }), query: 'force=true&removeVolumes=true' });
});

test('images, networks and volumes answer as described', async () => {
  const name = `${engine.prefix}-api`;
  const body = { name, driver: 'bridge', subnet: '10.213.77.0/24', gateway: '10.213.77.1', internal: true };
  await api.call(clients.operator, 'createNetwork', { values: at(), body });
  await api.call(clients.operator, 'createNetwork', { values: at(), body, status: 409 });
  await api.call(clients.viewer, 'listNetworks', { values: at() });
  await api.call(clients.operator, 'deleteNetwork', { values: at({ network: name }) });
  await api.call(clients.operator, 'deleteNetwork', { values: at({ network: 'bridge' }), status: 400 });
  await api.call(clients.operator, 'deleteNetwork', { values: at({ network: 'not-there' }), status: 404 });
  await api.call(clients.operator, 'pruneNetworks', { values: at() });
  await api.call(clients.operator, 'createVolume', { values: at(), body: { name } });
  await api.call(clients.viewer, 'listVolumes', { values: at() });
  await api.call(clients.viewer, 'getDiskUsage', { values: at() });
  await api.call(clients.operator, 'deleteVolume', { values: at({ volume: name }) });
  await api.call(clients.operator, 'deleteVolume', { values: at({ volume: name }), status: 404 });
  await api.call(clients.operator, 'pruneVolumes', { values: at(), query: 'all=false' });
  await api.call(clients.operator, 'pruneVolumes', { values: at() });
  await engine.docker('tag', IMAGE, `some/${name}:1`);
  await api.call(clients.viewer, 'listImages', { values: at() });
  await api.call(clients.operator, 'deleteImage', { values: at({ image: `some/${name}:1` }) });
  await api.call(clients.operator, 'pruneImages', { values: at(), query: 'all=false&dry_run=true' });
  await api.call(clients.operator, 'pruneImages', { values: at() });
  await api.call(clients.operator, 'deleteImage', { values: at({ image: 'not-there' }), status: 404 });
});

test('refusals answer as described', async () => {
  for (const o of api.operations.filter((x) => !x['x-websocket'] && x['x-role'] !== 'none')) {
    const values = Object.fromEntries(api.parameters(o).filter((p) => p.in === 'path').map((p) => [p.name, 'x']));
    await api.call(clients.none, o.operationId, { values, status: 401 });
    const below = ROLES[ROLES.indexOf(o['x-role']) - 1];
    if (below) await api.call(clients[below], o.operationId, { values, status: 403 });
  }
});

// Each violation of a body's schema, one at a time: [why, body].
function* spoilt(schema, example) {
  const resolved = schema.$ref ? api.doc.components.schemas[schema.$ref.split('/').pop()] : schema;
  for (const name of resolved.required ?? []) {
    const { [name]: _, ...rest } = example;
    yield [`without ${name}`, rest];
  }
  for (const [name, p] of Object.entries(resolved.properties ?? {})) {
    const property = p.$ref ? api.doc.components.schemas[p.$ref.split('/').pop()] : p;
    const set = (v) => ({ ...example, [name]: v });
    const type = [property.type].flat()[0];
    if (type === 'object') {
      yield [`${name} of another type`, set('text')];
      if (property.additionalProperties?.type === 'string') yield [`${name} with a number`, set({ x: 5 })];
      if (property.maxProperties) yield [`${name} with too many`, set(Object.fromEntries(Array.from({ length: property.maxProperties + 1 }, (_, i) => [`k${i}`, ''])))];
      for (const [why, v] of spoilt(property, example[name] ?? {})) yield [`${name}: ${why}`, set(v)];
      continue;
    }
    yield [`${name} of another type`, set(type === 'string' ? 5 : 'text')];
    if (property.maxLength) yield [`${name} too long`, set('x'.repeat(property.maxLength + 1))];
    if (property.minLength) yield [`${name} too short`, set('x'.repeat(property.minLength - 1))];
    if (property.pattern) yield [`${name} with bad letters`, set('a b')];
    if (property.enum) yield [`${name} none of the enum`, set('other')];
    if (property.maximum !== undefined) yield [`${name} too large`, set(property.maximum + 1)];
    if (property.minimum !== undefined) yield [`${name} too small`, set(property.minimum - 1)];
    if (property.maxItems) yield [`${name} with too many`, set(Array.from({ length: property.maxItems + 1 }, () => example[name][0]))];
    if (property.minItems) yield [`${name} with too few`, set(Array.from({ length: property.minItems - 1 }, () => example[name][0]))];
  }
}

test('registries and the questions to them answer as described', async () => {
  const row = await api.call(clients.admin, 'createRegistryCredentials', { body: { registry_url: 'registry.invalid', username: 'u', password: 'p' }, status: 201 });
  await api.call(clients.admin, 'listRegistryCredentials');
  await api.call(clients.admin, 'updateRegistryCredentials', { values: { registry: row.id }, body: { username: 'v', password: 'p' } });
  const { webhook_path: path } = await api.call(clients.admin, 'createRegistryWebhook', { values: { registry: row.id } });
  await api.call(clients.none, 'callRegistryWebhook', { values: { secret: path.split('/').at(-1) }, body: { events: [] }, status: 202 });
  await api.call(clients.viewer, 'getUpdatesSummary');
  await api.call(clients.viewer, 'getUpdateStatus', { values: at() });
  await api.call(clients.operator, 'checkAllUpdates');
  const check = await api.call(clients.operator, 'checkUpdate', { values: at() });
  assert.equal(check.status, 'local_image');
  await api.call(clients.admin, 'deleteRegistryCredentials', { values: { registry: row.id } });
});

test('updates answer as described', async () => {
  const hand = new JournalAgent(server);
  hand.containers = [containerElement({ name: 'web' })];
  hand.results.update_preview = previewOf(hand.containers[0]);
  await hand.connect(await server.token());
  await clients.viewer.container(hand.containers[0].Id);
  const web = { host: hand.hostId, container: 'web' };
  const order = () => eventually(() => hand.commands.findLast((m) => m.command === 'update_container'), { what: 'the update' });

  for (const id of ['executeUpdate', 'rollbackUpdate', 'cancelUpdate']) await api.call(clients.viewer, id, { values: web, status: 403 });
  await api.call(clients.viewer, 'previewUpdate', { values: web });
  await api.call(clients.operator, 'executeUpdate', { values: web, query: 'wait=false', status: 202 });
  hand.journal(hand.record(await order()));
  await api.call(clients.operator, 'cancelUpdate', { values: web, status: 202 });
  hand.journal(hand.record(await order(), { state: 'kept' }));
  await eventually(async () => (await api.call(clients.viewer, 'listUpdates')).updates[0]?.state === 'kept', { what: 'the record' });
  await api.call(clients.operator, 'rollbackUpdate', { values: web, query: 'wait=false', status: 202 });
  await api.call(clients.viewer, 'getUpdate', { values: { update: (await order()).payload.update_id } });
  await api.call(clients.viewer, 'listPastUpdates', { query: `host_id=${hand.hostId}&container_name=web&limit=1` });
  const body = { containers: [{ host_id: hand.hostId, container_id: 'web' }], rings: 'canary' };
  await api.call(clients.viewer, 'createUpdateBatch', { body, status: 403 });
  const batch = { batch: (await api.call(clients.operator, 'createUpdateBatch', { body, status: 202 })).id };
  await api.call(clients.viewer, 'listUpdateBatches');
  await api.call(clients.viewer, 'getUpdateBatch', { values: batch });
  await api.call(clients.viewer, 'cancelUpdateBatch', { values: batch, status: 403 });
  await api.call(clients.operator, 'cancelUpdateBatch', { values: batch });
  await hand.close(); // the other tests have one host
  await eventually(async () => (await clients.admin.get('/api/hosts')).find((h) => h.id === hand.hostId).status === 'offline', { what: 'the end of the agent' });
  await clients.admin.delete(`/api/hosts/${hand.hostId}`);
});

test('the limits of bodies agree with the file', async () => {
  const { id: registry } = await api.call(clients.admin, 'createRegistryCredentials', { body: { registry_url: 'other.invalid' }, status: 201 });
  // The secret of a webhook is its only proof, and is checked before the body.
  for (const o of api.operations.filter((x) => x.requestBody && x.operationId !== 'callRegistryWebhook')) {
    const { schema, example } = o.requestBody.content['application/json'];
    const values = at({ user: 1, key: 1, registry, secret: 'none' });
    const who = o.operationId === 'changePassword' ? session : clients.admin;
    for (const [why, body] of spoilt(schema, example)) {
      if (body === undefined || JSON.stringify(body).length > o['x-max-body']) continue;
      await api.call(who, o.operationId, { values, body, status: 422 }).catch((e) => {
        throw new Error(`${o.operationId}, body ${why}: ${e.message}`);
      });
    }
    for (const body of ['{', '[1]', '"text"']) await api.call(who, o.operationId, { values, body, status: 400 });
    await api.call(who, o.operationId, { values, body: JSON.stringify({ x: 'x'.repeat(o['x-max-body']) }), status: 413 });
  }
});

test('the limits of query parameters agree with the file', async () => {
  for (const o of api.operations.filter((x) => !x['x-websocket'])) {
    for (const { name, in: where, schema, description } of api.parameters(o)) {
      if (where !== 'query') continue;
      const values = at({ image: 'x', network: 'x', volume: 'x', correlation: 'x' });
      const bad = [];
      if (schema.type === 'boolean') bad.push('maybe');
      if (schema.type === 'integer') bad.push('x');
      if (schema.type === 'integer' && !/the nearest number/.test(description)) bad.push('-1', schema.maximum + 1);
      if (schema.minimum > 0) bad.push(schema.minimum - 1);
      if (/^(since|until|from|to|start_date|end_date)$/.test(name)) bad.push('yesterday');
      for (const v of bad) await api.call(clients.admin, o.operationId, { values, query: `${name}=${v}${/^with follow/.test(description) ? '&follow=true' : ''}`, status: 422 });
    }
  }
});

test('a time that another parameter replaces is checked, too', async () => {
  for (const query of ['since=1769860800&start_date=yesterday', 'until=1769860800&end_date=yesterday'])
    await api.call(clients.viewer, 'listEvents', { query, status: 422 });
});

test('the WebSockets are at the paths in the file', async () => {
  for (const o of api.operations.filter((x) => x['x-websocket'])) {
    const ws = new WebSocket(server.url.replace('http', 'ws') + api.url(o, at()), { headers: { authorization: `Bearer ${clients.admin.key}` } });
    await new Promise((resolve, reject) => {
      ws.on('open', resolve);
      ws.on('error', reject);
    });
    ws.terminate();
    api.seen.add(`${o.operationId} 101`);
    const foreign = new WebSocket(server.url.replace('http', 'ws') + api.url(o, at()), { headers: { origin: 'https://evil.example' } });
    const status = await new Promise((resolve) => {
      foreign.on('unexpected-response', (_, r) => resolve(r.statusCode));
      foreign.on('error', () => {});
    });
    assert.ok(String(status) in o.responses && status === 403, `${o.path}: ${status}`);
  }
});

test('statistics answer as described', async () => {
  await eventually(() => api.call(clients.viewer, 'getHostMetrics', { values: at() }), { what: 'statistics of the host' });
  for (const of of ['Host', 'Container']) {
    await eventually(async () => (await api.call(clients.viewer, `get${of}LiveStats`, { values: at() })).cpu.length > 1, { timeout: 60000, what: `live figures: ${of}` });
    const past = await eventually(async () => {
      const r = await api.call(clients.viewer, `get${of}History`, { values: at(), query: 'range=1h' });
      return r.memory_used_bytes.some((v) => v !== null) && r;
    }, { timeout: 60000, what: `history: ${of}` });
    assert.equal(past.series === '', of === 'Host');
    await api.call(clients.viewer, `get${of}History`, { values: at(), query: 'from=2026-01-01T00:00:00Z&step=28h&metrics=cpu,net_rx&marks=false' });
    await api.call(clients.viewer, `get${of}History`, { values: at(), status: 400 });
    await api.call(clients.viewer, `get${of}History`, { values: at(), query: 'range=1m', status: 422 });
    await api.call(clients.viewer, `get${of}History`, { values: at({ host: 'none' }), query: 'range=1h', status: 404 });
    await api.call(clients.viewer, `get${of}LiveStats`, { values: at(), query: 'since=never', status: 422 });
  }
  const { tiers } = await api.call(clients.viewer, 'getHistory');
  assert.equal(tiers.length, 4);
});

test('an offline host answers as described and can be deleted', async () => {
  await agent.down();
  await eventually(async () => (await clients.viewer.get('/api/hosts'))[0].status === 'offline', { what: 'the host is offline' });
  await api.call(clients.viewer, 'listHosts');
  await api.call(clients.viewer, 'listContainers');
  await api.call(clients.viewer, 'listImages', { values: at(), status: 503 });
  await api.call(clients.operator, 'startContainer', { values: at(), status: 503 });
  await api.call(clients.admin, 'rotateAgentToken', { values: { agent: (await api.call(clients.viewer, 'listAgents')).agents[0].agent_id }, status: 503 });
  await api.call(clients.admin, 'revokeAgentToken', { values: { agent: (await api.call(clients.viewer, 'listAgents')).agents[0].agent_id } });
  await api.call(clients.admin, 'deleteHost', { values: at() });
  await api.call(clients.admin, 'deleteHost', { values: at(), status: 404 });
});

// Not covered here: a host that was reached over mTLS, and answers that are not JSON (metrics.test.mjs).
const ELSEWHERE = new Set(['migrateHost', 'addHost', 'testHostConnection', 'getMetrics', 'getInstallScript', 'getAgentProgram', 'getAgentImage', 'callRegistryWebhook', 'updateAgent']); // install.test.mjs, registry.test.mjs, self-update.test.mjs

test('every operation that has an action is in the audit log, done and refused: who, from where, what, on what, result', async () => {
  const actions = api.operations.map((o) => o['x-audit-action']).filter(Boolean);
  const rows = async (action) => (await clients.admin.get(`/api/audit?limit=1000&action=${action}`)).entries;
  assert.ok(actions.length > 30);
  for (const o of api.operations.filter((x) => x['x-audit-action'] && !ELSEWHERE.has(x.operationId))) {
    const done = await eventually(async () => (await rows(o['x-audit-action'])).find((e) => e.result === 'ok'), { what: `${o.operationId} in the audit log` });
    assert.equal(done.peer, '127.0.0.1');
    assert.ok(done.who !== '-' && done.timestamp, JSON.stringify(done));
    if (o.path.includes('{')) assert.ok(done.target, JSON.stringify(done));
    if (ROLES.indexOf(o['x-role']) < 1) continue;
    const refused = (await rows(o['x-audit-action'])).find((e) => /^403 .* needs the role/.test(e.result));
    assert.ok(refused && refused.who !== '-', `${o.operationId}: a refusal is in the audit log`);
  }
});

test('every operation has been called', () => {
  const missing = api.operations
    .filter((o) => !ELSEWHERE.has(o.operationId))
    .filter((o) => !Object.keys(o.responses).some((s) => /^[12]/.test(s) && api.seen.has(`${o.operationId} ${s}`)))
    .map((o) => o.operationId);
  assert.deepEqual(missing, []);
});

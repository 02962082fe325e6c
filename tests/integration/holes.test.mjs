// Tests that the published security holes of similar products do not exist here.
// docs/threat-model.md lists them all, with tests in other files for some of them.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { request } from 'node:http';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Client, ROOT, Server } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { run } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const EVIL = '<img src=x onerror=alert(1)>"\';--';
const later = cleanups();
let server, admin, viewer, hand;

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  [admin, viewer] = [await server.client('admin'), await server.client('viewer')];
  hand = new HandAgent(server);
  hand.containers = [containerElement({ name: 'plain', labels: { [EVIL]: EVIL } })];
  assert.equal((await hand.connect(await server.token())).type, 'auth_success');
  later(() => hand.ws.terminate());
  await admin.container('plain');
});

// fetch() would normalize the path.
const statusOf = (method, path) =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${admin.key}` };
    request({ port: server.port, host: '127.0.0.1', method, path, headers }, (r) => (r.resume(), resolve(r.statusCode))).on('error', reject).end();
  });

// Our agent between a scripted server and a scripted engine: the requests of the server, and those that reach the
// engine.
async function agentBetween({ env = {}, containers = [scriptedContainer(1)] } = {}) {
  const [peer, engine] = [await HandServer.start(), await ScriptedEngine.start()];
  engine.containers = containers;
  const agent = await Agent.start(peer, engine, { token: 'registration-token', env });
  later(() => peer.stop(), () => engine.stop(), () => agent.remove());
  await peer.session();
  await peer.message((m) => m.command === 'inventory_snapshot' || m.type === 'event', { timeout: 2000 }).catch(() => {});
  const changes = () => engine.requests.filter((r) => !r.startsWith('GET ') || /\/(exec|archive|export|attach)/.test(r));
  return { peer, engine, agent, changes };
}

test('the API passes no request through to the engine', async () => {
  const paths = ['/plugins', '/plugins/pull?remote=x', '/swarm', '/services/create', '/containers/create', '/build', '/exec/1/start', '/auth',
    '/containers/plain/archive?path=/', '/containers/plain/export', '/events', '/info', '/version', '/_ping', '/session', '/grpc'];
  for (const prefix of ['', '/v1.41', '/docker', '/api/docker', `/api/hosts/${hand.hostId}`, `/api/hosts/${hand.hostId}/docker`, '/api/endpoints/1/docker'])
    for (const path of paths)
      for (const method of ['GET', 'POST']) {
        const r = await admin.fetch(method, prefix + path, method === 'POST' ? { body: '{}' } : {});
        assert.ok([400, 404, 405].includes(r.status), `${method} ${prefix}${path}: ${r.status}`);
      }
  assert.deepEqual(hand.commands.filter((c) => c.command !== 'list_containers'), []);
});

test('the agent passes no request through to the engine', async () => {
  const { peer, changes } = await agentBetween();
  const before = changes().length;
  for (const name of ['plugin_install', 'create_service', 'swarm_init', 'create_container', 'deploy', 'build', 'docker_request', 'exec', 'pull', 'run']) {
    assert.match((await peer.command(name, { path: '/plugins/pull', method: 'POST', binds: ['/:/host'] })).error, /unknown command/);
    assert.match((await peer.operation({ action: name, container_id: scriptedId(1) })).error, /unknown action/);
  }
  assert.deepEqual(changes().slice(before), []);
});

test('names cannot change a path of the engine', async () => {
  const { peer, engine } = await agentBetween();
  const from = engine.requests.length;
  const bad = ['../../info', '..', '.', 'a/b', 'a%2fb', '%2e%2e', 'a?force=1', 'a#b', 'a b', 'a\r\nX: y', 'a\u0000b', '', 'ü', `${'a'.repeat(300)}`, '-x', 'a;b', '$(x)', '`x`', 'a|b', 'a&b', 'a\\b'];
  for (const name of bad) {
    for (const action of ['start', 'inspect', 'remove', 'get_logs'])
      assert.equal((await peer.operation({ action, container_id: name })).success, false, `${action} ${JSON.stringify(name)}`);
    assert.equal((await peer.operation({ action: 'rename', container_id: scriptedId(1), new_name: name })).success, false, `rename to ${JSON.stringify(name)}`);
    for (const [command, field] of [['delete_network', 'network_id'], ['delete_volume', 'volume_name'], ['create_network', 'name']])
      assert.ok((await peer.command(command, { [field]: name })).error, `${command} ${JSON.stringify(name)}`);
    if (name) assert.ok((await peer.command('create_volume', { name })).error, `create_volume ${JSON.stringify(name)}`);
    if (!/^(a\/b|a{300})$/.test(name)) assert.ok((await peer.command('remove_image', { image_id: name })).error, `remove_image ${JSON.stringify(name)}`);
  }
  const asked = engine.requests.slice(from).filter((r) => !/^GET \/(containers\/json|events|info|version|_ping|images|networks|volumes)/.test(r));
  assert.deepEqual(asked.filter((r) => !r.includes(scriptedId(1)) && !/^(DELETE|GET) \/images\/(a\/b|a{300})/.test(r)), []);
});

test('names cannot change a path of our API', async () => {
  const before = hand.commands.length;
  for (const name of ['..%2f..%2finfo', '%2e%2e', 'a%3fforce%3d1', 'a%0d%0aX%3a%20y', 'a%00b', 'a%20b', 'a%3bb', '%24(x)', 'a%5cb'])
    for (const rest of [`containers/${name}/start`, `networks/${name}`, `volumes/${name}`]) {
      const status = await statusOf(rest.startsWith('containers') ? 'POST' : 'DELETE', `/api/hosts/${hand.hostId}/${rest}`);
      assert.ok(status >= 400 && status < 500, `${rest}: ${status}`);
    }
  assert.deepEqual(hand.commands.slice(before).filter((c) => c.command !== 'list_containers'), []);
});

test('a page of another site cannot open a socket', async () => {
  const { cookie } = await server.adminSession('correct horse battery');
  const host = `127.0.0.1:${server.port}`;
  const foreign = ['https://evil.example', 'null', `http://${host}.evil.example`, `http://evil.example#${host}`, `http://evil.example/${host}`, 'http://127.0.0.1:1', `http://x@${host}`, 'file://', ''];
  for (const path of ['/ws', '/ws/', '/ws?subscribe=true', `/ws/shell/${hand.hostId}/${hand.containers[0].Id}`, '/api/agent/ws'])
    for (const origin of foreign) {
      const status = await new Promise((done) => {
        const ws = new WebSocket(server.url.replace('http', 'ws') + path, { headers: { cookie, Origin: origin } });
        ws.on('unexpected-response', (_, r) => done(r.statusCode));
        ws.on('open', () => (done('open'), ws.terminate()));
        ws.on('error', () => {});
      });
      assert.equal(status, 403, `${path} from ${origin}`);
    }
  assert.deepEqual(hand.commands.filter((c) => c.type === 'shell_session'), []);
});

test('the agent refuses shells by policy and label, even if the server asks', async () => {
  const open = async ({ peer, changes }, id) => {
    const before = changes().length;
    peer.send({ type: 'shell_session', payload: { action: 'start', session_id: 'ab', container_id: id } });
    const { error } = await eventually(() => peer.events('shell_data').find((e) => e.session_id === 'ab' && e.action === 'error'));
    assert.match(error, /not allowed|protect/);
    assert.deepEqual(changes().slice(before), []);
  };
  await open(await agentBetween({ env: { AGENT_POLICY: 'operate' } }), scriptedId(1));
  await open(await agentBetween({ containers: [scriptedContainer(1, { Labels: { 'dockmon.protect': 'true' } })] }), scriptedId(1));
});

test('passwords are kept as argon2id, keys and tokens as hashes of random ones', async () => {
  await server.admin('user', 'create', 'someone', '--role', 'viewer').catch(() => {});
  const sql = (text) => run('sqlite3', ['-cmd', '.timeout 5000', join(server.dir, 'dockmon.db'), text]).then((r) => r.stdout.trim().split('\n'));
  const hashes = await sql('SELECT password_hash FROM users');
  assert.ok(hashes.length >= 1);
  for (const h of hashes) assert.match(h, /^\$argon2id\$v=19\$m=\d{4,},t=\d+,p=\d+\$/);
  const all = (await Promise.all((await readdir(server.dir)).filter((f) => f.startsWith('dockmon.db')).map((f) => readFile(join(server.dir, f), 'latin1')))).join('');
  for (const secret of [admin.key, viewer.key, hand.permanentToken]) assert.ok(!all.includes(secret));
});

test('no file is served, and nothing without authentication', async () => {
  const nobody = new Client(server);
  const files = ['.env', 'initial-admin-password', 'dockmon.db', 'dockmon.db-wal', 'tls/key.pem', 'templates', 'api/templates', 'api/templates/fetch?url=http://127.0.0.1/', 'metrics', 'debug/pprof', 'docs',
    'swagger', 'openapi.json', 'api/openapi.json', 'static/../.env', '..%2f..%2fetc%2fpasswd', '%2e%2e/%2e%2e/etc/passwd', 'api/hosts/..%2f..%2f.env'];
  const behindLogin = ['api/openapi.json', 'openapi.json', 'metrics']; // these exist
  for (const file of files) {
    const r = await nobody.fetch('GET', `/${file}`);
    assert.ok([400, 401, 404].includes(r.status), `${file}: ${r.status}`);
    assert.match(r.headers.get('content-type'), /^application\/json/);
    if (behindLogin.includes(file)) assert.equal(r.status, 401);
    else assert.ok([400, 404].includes(await statusOf('GET', `/${file}`)), `${file} for an admin`);
  }
});

test('script in a label or a name is data: no answer is HTML, and everything is quoted', async () => {
  const r = await viewer.fetch('GET', '/api/containers');
  const text = await r.text();
  assert.match(r.headers.get('content-type'), /^application\/json/);
  assert.equal(r.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(JSON.parse(text).find((c) => c.name === 'plain').labels[EVIL], EVIL);
  for (const path of [`/${encodeURIComponent(EVIL)}`, `/api/hosts/${encodeURIComponent(EVIL)}`, `/api/events?limit=${encodeURIComponent(EVIL)}`]) {
    const odd = await admin.fetch('GET', path);
    assert.match(odd.headers.get('content-type'), /^application\/json/);
    assert.equal(typeof (await odd.json()).detail, 'string');
  }
});

async function sources(folder) {
  const names = await readdir(join(ROOT, folder), { recursive: true });
  const wanted = names.filter((n) => /\.[ch]$/.test(n) && !/_test\.c$|fixture|fake_/.test(n));
  return Promise.all(wanted.map(async (n) => [join(folder, n), await readFile(join(ROOT, folder, n), 'utf8')]));
}

test('the server opens no connections, except `dockmond health` to itself', async () => {
  const all = await sources('src/server');
  assert.ok(all.length > 50);
  const dials = all.filter(([, text]) => /net\/(http_client|dial|hijack|stream)\.h|\bws_connect\(|\bconnect\(/.test(text)).map(([name]) => name);
  assert.deepEqual(dials, ['src/server/offline/health_command.c']);
});

test('no program runs another program but the launcher, and only the CLI evaluates a regular expression: of its own user', async () => {
  const all = await sources('src');
  assert.deepEqual(all.filter(([, text]) => /\b(system|popen|exec[lv]p?e?|posix_spawnp?|wordexp|dlopen)\(/.test(text)).map(([name]) => name), ['src/launch/main.c']);
  assert.deepEqual(all.filter(([, text]) => /\breg(comp|exec)\(/.test(text)).map(([name]) => name), ['src/cli/common/filter.c']);
});

// The server behind a reverse proxy: the client's address, its scheme and host, a path of its own, and the line that
// joins hosts.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Client, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let server, proxy, url, agents;

// Like nginx with `proxy_pass` and `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for`.
const forwarded = (req) => ({
  ...req.headers,
  'x-forwarded-for': [req.headers['x-forwarded-for'], req.headers['x-client'] ?? '203.0.113.9'].filter(Boolean).join(', '),
  'x-forwarded-proto': 'https',
});

before(async () => {
  agents = await temporaryDirectory();
  await writeFile(join(agents, 'agent-linux-amd64'), 'program');
  server = await Server.start({
    args: ['--agent-dir', agents, '--trusted-proxies', '127.0.0.1/32', '--base-path', '/dockmon', '--trusted-origins', 'https://ui.example', '--public-url', 'https://dockmon.example/dockmon'],
  });
  proxy = createServer((req, res) => {
    const to = request({ port: Number(server.port), host: '127.0.0.1', method: req.method, path: req.url, headers: forwarded(req) }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
    });
    to.on('error', () => res.destroy());
    req.pipe(to);
  });
  proxy.on('upgrade', (req, socket, head) => {
    const to = connect(Number(server.port), '127.0.0.1', () => {
      const lines = Object.entries(forwarded(req)).map(([name, value]) => `${name}: ${value}\r\n`);
      to.write(`GET ${req.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
      to.write(head);
      to.pipe(socket).pipe(to);
    });
    to.on('error', () => socket.destroy());
    socket.on('error', () => to.destroy());
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${proxy.address().port}/dockmon`;
});

after(async () => {
  proxy?.closeAllConnections();
  proxy?.close();
  await server?.remove();
  await rm(agents, { recursive: true, force: true });
});

// A request to a server itself, with headers that fetch() does not let through.
const direct = (to, method, path, headers = {}, body) =>
  new Promise((resolve, reject) => {
    const req = request({ port: Number(to.port), host: '127.0.0.1', method, path, headers }, (res) => {
      let text = '';
      res.on('data', (part) => (text += part));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text }));
    });
    req.on('error', reject);
    req.end(body);
  });

const login = (username, password, headers = {}) =>
  fetch(`${url}/api/v2/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ username, password }),
  });

test('one guesser does not stop the logins of others, whatever he claims', async () => {
  let last;
  for (let i = 0; i < 15 && last !== 429; i++) {
    last = (await login('nobody', 'wrong wrong', { 'x-client': '203.0.113.66', 'x-forwarded-for': `198.51.100.${i}` })).status;
  }
  assert.equal(last, 429);
  // Another name and another network: both have limits of their own.
  assert.equal((await login('somebody', 'wrong wrong', { 'x-client': '192.0.2.5' })).status, 401);
  const admin = await server.client('admin');
  const { entries } = await admin.get('/api/audit?limit=500');
  assert.ok(entries.some((e) => JSON.stringify(e).includes('203.0.113.66')));
  assert.ok(!entries.some((e) => JSON.stringify(e).includes('198.51.100.')));
});

test('the cookie is Secure and has the path of the server', async () => {
  const r = await login('admin', await server.adminPassword(), { origin: 'https://127.0.0.1', 'x-forwarded-host': '127.0.0.1' });
  assert.equal(r.status, 200);
  assert.match(r.headers.get('set-cookie'), /; Path=\/dockmon; .*; Secure$/);
  assert.equal((await login('admin', 'wrong wrong', { origin: 'https://ui.example' })).status, 401);
  assert.equal((await login('admin', 'wrong wrong', { origin: 'http://ui.example' })).status, 403);
  assert.equal((await login('admin', 'wrong wrong', { origin: 'https://evil.example' })).status, 403);
});

test('every line that joins a host has the public URL', async () => {
  const admin = await server.client('admin');
  const line = (token) => `curl -sS -H 'Authorization: Bearer ${token}' https://dockmon.example/dockmon/install.sh | sh`;
  const made = await new Client({ url }, { key: admin.key }).post('/api/agent/generate-token', {});
  assert.equal(made.install_command, line(made.token));
  const offline = await run(bin('dockmond'), ['--data-dir', server.dir, 'token', 'create']);
  assert.ok(offline.stderr.includes(line(offline.stdout.trim())), offline.stderr);
  const cli = await dockmon({ url }, admin.key, ['token', 'create']);
  assert.match(cli.stdout + cli.stderr, /https:\/\/dockmon\.example\/dockmon\/install\.sh/);

  const fetched = (path) => fetch(`${url}${path}`, { headers: { authorization: `Bearer ${made.token}` } });
  const script = await (await fetched('/install.sh')).text();
  assert.match(script, /https:\/\/dockmon\.example\/dockmon/);
  assert.ok(!script.includes(server.port), 'not the address behind the proxy');
  assert.equal(await (await fetched('/download/agent/linux-amd64')).text(), 'program');
});

test('a proxy that only passes the host on: the public URL gives scheme, path and origin', async () => {
  const named = await Server.start({ args: ['--public-url', 'https://dockmon.example/x'] });
  try {
    const ask = async (host, origin) => {
      const body = JSON.stringify({ username: 'admin', password: await named.adminPassword() });
      return direct(named, 'POST', '/x/api/v2/auth/login', { host, origin, 'content-type': 'application/json' }, body);
    };
    const there = await ask('dockmon.example', 'https://dockmon.example');
    assert.equal(there.status, 200, there.text);
    assert.match(there.headers['set-cookie'][0], /; Path=\/x; .*; Secure$/);
    assert.equal((await ask('dockmon.example', 'http://dockmon.example')).status, 403);
    const here = await ask(`127.0.0.1:${named.port}`, `http://127.0.0.1:${named.port}`);
    assert.equal(here.status, 200, here.text);
    assert.doesNotMatch(here.headers['set-cookie'][0], /Secure/);
  } finally {
    await named.remove();
  }
});

test('DNS rebinding: a host name that is not ours is refused once ours are known', async () => {
  const tls = await Server.start({ args: ['--tls', '--tls-san', 'alias.example', '--trusted-origins', 'https://ui.example'] });
  const status = (host, path = '/api/hosts', more = []) =>
    run('curl', ['-sk', '-o', '/dev/null', '-w', '%{http_code}', '-H', `Host: ${host}`, ...more, `${tls.url}${path}`]).then((r) => Number(r.stdout));
  const upgrade = ['--http1.1', '-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', '-H', 'Sec-WebSocket-Version: 13', '-H', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==', '-m', '2'];
  try {
    for (const known of ['ui.example', 'alias.example:8443', '127.0.0.1', 'localhost:1', '[::1]', '10.1.2.3']) assert.equal(await status(known), 401, known);
    for (const [path, more] of [['/'], ['/api/hosts'], ['/api/v2/auth/login', ['-d', '{}']], ['/metrics'], ['/nonsense'], ['/ws', upgrade], ['/ws/logs', upgrade]])
      assert.equal(await status('evil.example', path, more), 421, path);
    assert.equal(await status('evil.example', '/health'), 200);
    assert.equal(await status('evil.example', '/install.sh'), 401);
    assert.equal(await status('evil.example', '/api/agent/ws', upgrade), 101);
    const { key } = await tls.client('viewer');
    assert.equal(await status('metrics.example', '/metrics', ['-H', `Authorization: Bearer ${key}`]), 200, 'an API key is no browser');
    const { stdout } = await run('curl', ['-sk', '-H', 'Host: evil.example', `${tls.url}/`]);
    assert.match(stdout, /"unknown_site"/);
    assert.match(stdout, /--trusted-origins/);
  } finally {
    await tls.remove();
  }
  const plain = await Server.start();
  try {
    assert.equal((await direct(plain, 'GET', '/api/hosts', { host: 'any.example' })).status, 401);
  } finally {
    await plain.remove();
  }
});

test('a path means the same to a proxy and to the server', async () => {
  const admin = await server.client('admin');
  const ask = (method, path) => direct(server, method, path, { authorization: `Bearer ${admin.key}` });
  for (const path of ['/api%2fhosts', '/api%2Fhosts', '/dockmon%2Fapi/hosts', '/api/hosts%2f', '/api/hosts/a%2fb/images', '/api/hosts/a%5cb/images', '/api%5chosts', '/api\\hosts', '/api/hosts%00', '/%2fhealth', '/nonsense%2f'])
    assert.equal((await ask('GET', path)).status, 400, path);
  assert.equal((await ask('GET', '/api/hosts')).status, 200);
  // Names of images have slashes, and other clients encode them.
  assert.equal((await ask('DELETE', '/api/hosts/none/images/library%2Fbusybox')).status, 404);
  assert.equal((await ask('DELETE', '/api/hosts%2Fnone/images/library%2Fbusybox')).status, 400);
  for (const [target, status] of [[`http://evil.example/health`, 400], [`https://evil.example/health`, 400], [`http://127.0.0.1:${server.port}/health`, 200]])
    assert.equal((await ask('GET', target)).status, status, target);
});

test('strangers get the status of the server, not what it is', async () => {
  const full = ['components', 'service', 'status', 'uptime_seconds', 'version'];
  const members = async (r) => Object.keys(JSON.parse(typeof r.text === 'string' ? r.text : await r.text())).sort();
  const { key } = await server.client('viewer');
  const bearer = (value) => ({ authorization: `Bearer ${value}` });
  assert.deepEqual(await members(await fetch(`${url}/health`)), ['service', 'status']);
  assert.deepEqual(await members(await fetch(`${url}/health`, { headers: bearer('wrong') })), ['service', 'status']);
  assert.deepEqual(await members(await fetch(`${url}/health`, { headers: { cookie: 'session_id=x; __Host-session_id=y' } })), ['service', 'status']);
  assert.deepEqual(await members(await fetch(`${url}/health`, { headers: bearer(key) })), full);
  assert.deepEqual(await members(await direct(server, 'GET', '/health')), full, 'this machine');
  // A proxy that is not trusted, with headers and without.
  assert.deepEqual(await members(await direct(server, 'GET', '/health', { 'x-real-ip': '127.0.0.1' })), ['service', 'status']);
  assert.deepEqual(await members(await direct(server, 'GET', '/health', { host: 'dockmon.example' })), ['service', 'status']);
  const version = await dockmon({ url }, null, ['version']);
  assert.match(version.stdout, /Server: {2}\(log in to see its version\)/);
  assert.match((await dockmon({ url }, key, ['version'])).stdout, /Server: {2}\d/);
});

test('over TLS the session cookie cannot be planted, and clients of plain HTTP find the old name', async () => {
  const tls = await Server.start({ args: ['--tls'] });
  const curl = async (path, ...more) => (await run('curl', ['-ski', ...more, `${tls.url}${path}`])).stdout;
  try {
    const password = await tls.adminPassword();
    const post = ['-H', 'content-type: application/json', '-d', JSON.stringify({ username: 'admin', password })];
    const first = /^set-cookie: (.*)$/im.exec(await curl('/api/v2/auth/login', ...post))[1];
    assert.match(first, /^__Host-session_id=[0-9a-f]{64}; Path=\/; HttpOnly; .*; Secure\s*$/);
    const id = /=([0-9a-f]{64})/.exec(first)[1];
    const planted = /=([0-9a-f]{64})/.exec(/^set-cookie: (.*)$/im.exec(await curl('/api/v2/auth/login', ...post))[1])[1];
    const status = async (cookie) => Number(/^HTTP\S+ (\d+)/.exec(await curl('/api/v2/auth/me', '-H', `cookie: ${cookie}`))[1]);
    assert.equal(await status(`session_id=${id}`), 200, 'the plain name counts');
    const others = Array(5).fill(`session_id=${'0'.repeat(64)}`).join('; ');
    assert.equal(await status(`${others}; __Host-session_id=${id}`), 200);
    // The session that ends is the one of the safe cookie.
    const out = await curl('/api/v2/auth/logout', '-X', 'POST', '-H', `cookie: session_id=${planted}; __Host-session_id=${id}`);
    assert.match(out, /^set-cookie: session_id=; Path=\/; .*Max-Age=0/im);
    assert.match(out, /^set-cookie: __Host-session_id=; Path=\/; .*Max-Age=0; Secure/im);
    assert.equal(await status(`session_id=${id}`), 401);
    assert.equal(await status(`session_id=${planted}`), 200);
    const cli = await dockmon(tls, null, ['login', '-u', 'admin', '--password-stdin', '--insecure', tls.url], { input: `${password}\n`, env: { XDG_CONFIG_HOME: agents, HOME: agents } });
    assert.doesNotMatch(cli.stderr, /opened no session/);
    assert.match(cli.stdout + cli.stderr, /new password|must be changed|logged in/i);
  } finally {
    await tls.remove();
  }
});

test('an API key is limited to the addresses of clients', async () => {
  const admin = await server.client('admin');
  const { key } = await admin.post('/api/v2/api-keys', { name: 'near', role: 'viewer', allowed_ips: '203.0.113.9' });
  const ask = async (client) => (await fetch(`${url}/api/hosts`, { headers: { authorization: `Bearer ${key}`, 'x-client': client } })).status;
  assert.equal(await ask('203.0.113.9'), 200);
  assert.equal(await ask('203.0.113.10'), 403);
});

test('agent and CLI work below a path', async () => {
  const engine = await ScriptedEngine.start();
  const agent = await Agent.start(server, engine, { env: { DOCKMON_URL: url } });
  try {
    const there = new Client({ url }, { key: (await server.client('admin')).key });
    await eventually(async () => (await there.get('/api/hosts'))[0]?.status === 'online', { what: 'the host is online' });
    const r = await dockmon({ url }, there.key, ['hosts']);
    assert.equal(r.code, 0, r.stderr);
    assert.match(r.stdout, /online/);
  } finally {
    await agent.remove();
    await engine.stop();
  }
});

test('without trusted proxies, forwarded headers count for nothing', async () => {
  const plain = await Server.start();
  try {
    const headers = { 'content-type': 'application/json', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.9' };
    const r = await fetch(`${plain.url}/api/v2/auth/login`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ username: 'admin', password: await plain.adminPassword() }),
    });
    assert.equal(r.status, 200);
    assert.doesNotMatch(r.headers.get('set-cookie'), /Secure/);
    assert.equal((await fetch(`${plain.url}/dockmon/health`)).status, 404);
  } finally {
    await plain.remove();
  }
});

// The HTTP server against invalid, slow, large and hostile clients: clear refusals, and no effect on others.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { closing, eventually, opening, sleep } from './lib/wait.mjs';

let server, client;

before(async () => {
  server = await Server.start();
  client = await server.client('admin');
});

after(() => server?.remove());

// Sends raw bytes and resolves with everything that comes back until the server closes or `until` matches.
function raw(bytes, { until = null, timeout = 20000, pieces = false } = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1');
    const timer = setTimeout(() => socket.destroy(new Error(`no end within ${timeout} ms; got: ${text}`)), timeout);
    let text = '';
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    socket.on('connect', async () => {
      if (!pieces) return socket.write(bytes);
      for (const byte of Buffer.from(bytes)) {
        if (socket.destroyed) return;
        socket.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
    });
    socket.on('data', (d) => {
      text += d.toString('latin1');
      if (until?.test(text)) end();
    });
    socket.on('error', (e) => (e.code === 'ECONNRESET' || e.code === 'EPIPE' ? end() : reject(e)));
    socket.on('close', end);
  });
}

const status = (text) => Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
const isAlive = async () => assert.equal((await client.get('/health')).status, 'healthy');

test('a request may arrive byte by byte', async () => {
  const text = await raw('GET /health HTTP/1.1\r\nHost: x\r\n\r\n', { pieces: true, until: /healthy/ });
  assert.equal(status(text), 200);
});

test('malformed requests are refused', async () => {
  const cases = {
    'GET\r\n\r\n': [400],
    'GET /health\r\n\r\n': [400, 505],
    '\x00\x01\x02\x03\r\n\r\n': [400],
    'GET /health HTTP/9.9\r\nHost: x\r\n\r\n': [400, 505],
    'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n': [400],
    'GET /a%00b HTTP/1.1\r\nHost: x\r\n\r\n': [400],
    'GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n': [400],
    'GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n': [400],
    'GET /health HTTP/1.1\r\nHost x\r\n\r\n': [400],
    'POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n': [400],
    'POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab': [400],
    'POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n': [400, 411],
    'BREW /health HTTP/1.1\r\nHost: x\r\n\r\n': [405, 501, 400],
  };
  for (const [bytes, allowed] of Object.entries(cases)) {
    const text = await raw(bytes, { until: /\r\n\r\n.*\}/s });
    assert.ok(allowed.includes(status(text)), `${JSON.stringify(bytes)}: ${text}`);
    assert.match(text, /"detail":/, JSON.stringify(bytes));
  }
  await isAlive();
});

test('a large head is refused with 431, a large body with 413 before it is sent', async () => {
  assert.equal(status(await raw(`GET /health HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(70000)}\r\n\r\n`, { until: /\r\n\r\n/ })), 431);
  assert.equal(
    status(await raw('POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n', { until: /\r\n\r\n/ })),
    413,
  );
  const r = await client.fetch('POST', '/api/v2/auth/login', { body: `{"username": "${'x'.repeat(10000)}"}` });
  assert.equal(r.status, 413);
  await isAlive();
});

test('invalid bodies are refused', async () => {
  const login = (body, expected) => client.post('/api/v2/auth/login', body, { status: expected });

  await login('{', 400);
  await login('[]', 400);
  await login('"x"', 400);
  await login('{"username": "a", "username": "b", "password": "c"}', 400);
  await login('['.repeat(2000), 400);
  await login({ username: 'a' }, 422);
  await login({ username: 7, password: 'x' }, 422);
  await login({ username: 'a\u0000b', password: 'x' }, 422);
  await login({ username: 'x'.repeat(100), password: 'x' }, 422);
});

test('members that are ignored may hold anything, those that are read may not', async () => {
  const login = (members, status) => client.post('/api/v2/auth/login', `{"username":"nobody","password":"wrong wrong",${members}}`, { status });

  await login('"a":123456789012345678901234567890', 401);
  await login('"a":-123456789012345678901234567890,"b":[1e999]', 401);
  await login('"a\\u0000b":1', 401);
  await login('"a":"\\ud800"', 401);
  await login('"a":123456789012345678901234567890,"username":"other"', 400);
  await login('"a\\u0000":1,"a\\u0000":2', 400);
  await client.post('/api/v2/auth/login', '{"username":123456789012345678901234567890,"password":"x"}', { status: 422 });
  await client.post('/api/v2/auth/login', '{"username":"a","password":"x","b":}', { status: 400 });
});

test('numbers out of range, fractions and huge integers in members that may be null are refused with their name', async () => {
  const admin = await server.client('admin');
  const bodies = {
    expires_days: ['POST', '/api/v2/api-keys', (v) => `{"name":"numbers","role":"viewer","expires_days":${v}}`],
    description: ['POST', '/api/v2/api-keys', (v) => `{"name":"numbers","role":"viewer","description":${v}}`],
    group_id: ['POST', '/api/v2/api-keys', (v) => `{"name":"numbers","group_id":${v}}`],
    role: ['POST', '/api/v2/api-keys', (v) => `{"name":"numbers","group_id":3,"role":${v}}`],
    email: ['POST', '/api/v2/users', (v) => `{"username":"numbers","password":"a long password","role":"viewer","email":${v}}`],
    timezone_offset: ['PUT', '/api/settings', (v) => `{"timezone_offset":${v}}`],
    timeout: ['POST', '/api/bulk', (v) => `{"action":"stop","containers":[{"host_id":"h","container_id":"c"}],"options":{"timeout":${v}}}`],
    options: ['POST', '/api/bulk', (v) => `{"action":"stop","containers":[{"host_id":"h","container_id":"c"}],"options":${v}}`],
    replace: ['POST', '/api/agent/generate-token', (v) => `{"replace":${v}}`],
    multi_use: ['POST', '/api/agent/generate-token', (v) => `{"multi_use":${v}}`],
    sidebar_collapsed: ['PATCH', '/api/v2/user/preferences', (v) => `{"sidebar_collapsed":${v}}`],
  };

  for (const [member, [method, path, body]] of Object.entries(bodies)) {
    for (const value of ['1e999', '-1e999', '1.5', '12345678901234567890123', '-12345678901234567890123', '1e3']) {
      const r = await admin.fetch(method, path, { body: body(value) });

      assert.ok(r.status === 422 || r.status === 400, `${member} ${value}: ${r.status}`);
      assert.match(await r.text(), new RegExp(`\`${member}\``), `${member} ${value}`);
    }
  }
  assert.ok(!(await admin.get('/api/v2/api-keys')).some((k) => k.name === 'numbers'));
  assert.equal((await admin.fetch('PUT', '/api/settings', { body: '{"timezone_offset":-0}' })).status, 200);
});

test('fields that are lists may come in several lines', async () => {
  const { cookie } = await server.adminSession('a password for lists');
  const text = await raw(
    `GET /api/v2/auth/me HTTP/1.1\r\nHost: x\r\nCookie: theme=dark\r\nCookie: ${cookie}\r\nConnection: foo\r\nConnection: close\r\n\r\n`,
  );
  assert.equal(status(text), 200, text);
  const upgrade =
    `GET /ws HTTP/1.1\r\nHost: x\r\nCookie: theme=dark\r\nCookie: ${cookie}\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n` +
    'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
  assert.equal(status(await raw(upgrade, { until: /\r\n\r\n/ })), 101);
});

test('chunked bodies count as others do, and hide no second request', async () => {
  const chunked = (body, { path = '/api/v2/auth/login', more = '' } = {}) =>
    raw(`POST ${path} HTTP/1.1\r\nHost: x\r\n${more}Transfer-Encoding: chunked\r\n\r\n${body}`, { until: /\r\n\r\n.*\}/s });
  const login = '{"username":"nobody","password":"wrong wrong"}';

  assert.equal(status(await chunked(`5\r\n${login.slice(0, 5)}\r\n${(login.length - 5).toString(16)};x=y\r\n${login.slice(5)}\r\n0\r\nX: y\r\n\r\n`)), 401);
  assert.equal(status(await chunked('99999\r\n')), 413);
  assert.equal(status(await chunked(`0\r\nX: ${'y'.repeat(9000)}\r\n\r\n`)), 400);
  const hidden = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const text of [
    await chunked(`0\r\n\r\n${hidden}`, { more: 'Content-Length: 4\r\n' }),
    await chunked(`3 \r\nabc\r\n0\r\n\r\n${hidden}`),
    await chunked(`0\r\n${hidden}`),
    await chunked(`0\n\n${hidden}`),
  ]) {
    assert.equal(status(text), 400, text);
    assert.doesNotMatch(text, /healthy/);
  }
});

test('a refusal names the way to authenticate, or the methods', async () => {
  const anonymous = (method, path, headers = {}) => fetch(`${server.url}${path}`, { method, headers });

  assert.match((await anonymous('GET', '/api/hosts')).headers.get('www-authenticate'), /^Bearer /);
  assert.match((await anonymous('GET', '/api/hosts', { authorization: 'Bearer wrong' })).headers.get('www-authenticate'), /^Bearer /);
  assert.equal((await anonymous('DELETE', '/api/hosts')).headers.get('allow'), 'GET, HEAD, POST');
  assert.equal((await anonymous('OPTIONS', '/api/v2/auth/login')).headers.get('allow'), 'POST');
  assert.match(await raw('TRACE / HTTP/1.1\r\nHost: x\r\n\r\n', { until: /\r\n\r\n/ }), /^HTTP\/1.1 405 .*\r\nAllow: GET,/s);
});

test('unknown paths and methods are refused', async () => {
  await client.get('/nowhere', { status: 404 });
  await client.call('PUT', '/health', { body: {}, status: 405 });
  await client.call('DELETE', '/api/hosts', { status: 405 });
  const head = await client.fetch('HEAD', '/health');
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
});

test('a WebSocket endpoint without the upgrade: 426, and the peers name the proxy that dropped it', async () => {
  // The path of the statistics channel tells an agent whether its token is valid, too.
  assert.equal((await client.fetch('GET', '/api/stats/ws/ingest')).status, 401);
  for (const path of ['/ws', '/ws/', '/ws/logs', '/ws/shell/h/c', '/api/agent/ws']) {
    const r = await client.fetch('GET', path, { headers: { accept: 'text/html' } });
    assert.equal(r.status, 426, path);
    assert.equal(r.headers.get('upgrade'), 'websocket');
    assert.match((await r.json()).detail, /is for WebSocket connections/);
  }
  // Without a listener for upgrades, node treats them as plain requests, as a proxy without the setting does.
  const proxy = createServer((req, res) => {
    const { upgrade, connection, ...headers } = req.headers;
    fetch(server.url + req.url, { method: req.method, headers }).then(async (r) => res.writeHead(r.status).end(await r.text()), () => res.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const behind = { url: `http://127.0.0.1:${proxy.address().port}`, token: () => 'x' };
  const engine = await ScriptedEngine.start();
  const agent = await Agent.start(behind, engine);
  await agent.process.line(/cannot connect: .*HTTP status 426; a proxy in front of the server drops the upgrade/);
  await agent.remove();
  const r = await dockmon(behind, client.key, ['stats']);
  assert.match(r.stderr, /HTTP status 426; a proxy in front of the server drops the upgrade/);
  await engine.stop();
  proxy.closeAllConnections();
  proxy.close();
});

test('connections are kept and pipelined requests are answered in order', async () => {
  const one = 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n';
  const text = await raw(one + 'GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n' + one, { until: /healthy.*not found.*healthy/s });
  assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]), ['200', '404', '200']);
});

test('a slow head and a slow body are disconnected, others do not wait', async () => {
  const slow = [
    raw('GET /health HTTP/1.1\r\nHost: x\r\nX-A: ', { timeout: 30000 }),
    raw('POST /api/v2/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{', { timeout: 30000 }),
  ];
  const begin = Date.now();
  await isAlive();
  assert.ok(Date.now() - begin < 2000);
  for (const text of await Promise.all(slow)) assert.ok([408, undefined, NaN].includes(status(text) || NaN) || Number.isNaN(status(text)), text);
});

test('500 idle connections do not keep others out', async () => {
  const idle = Array.from({ length: 500 }, () => connect(server.port, '127.0.0.1'));
  idle.forEach((s) => s.on('error', () => {}));
  await sleep(200);
  await isAlive();
  idle.forEach((s) => s.destroy());
});

test('answers carry the headers that browsers need to be safe', async () => {
  const r = await client.fetch('GET', '/api/hosts');
  assert.equal(r.headers.get('x-content-type-options'), 'nosniff');
  assert.equal(r.headers.get('cache-control'), 'no-store');
  assert.match(r.headers.get('content-type'), /^application\/json/);
  assert.equal(r.headers.get('server'), null);
});

test('WebSocket upgrades: only at their paths, and never for a page of another site', async () => {
  const refused = (path, options) =>
    new Promise((resolve) => {
      const ws = new WebSocket(server.url.replace('http', 'ws') + path, options);
      ws.on('unexpected-response', (_, response) => resolve(response.statusCode));
      ws.on('error', () => {});
      ws.on('open', () => resolve('open'));
    });
  assert.equal(await refused('/nowhere'), 404);
  assert.equal(await refused('/api/agent/ws', { origin: 'https://evil.example' }), 403);
});

test('an agent socket that never authenticates is closed after 30 s', { timeout: 60000 }, async () => {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/agent/ws`);
  const messages = [];
  ws.on('message', (d) => messages.push(JSON.parse(d)));
  const begin = Date.now();
  const { code, reason } = await closing(ws);
  assert.equal(code, 1008);
  assert.equal(reason, 'Authentication timeout');
  assert.deepEqual(messages, [{ type: 'auth_error', error: 'Authentication timeout' }]);
  assert.ok(Date.now() - begin >= 29000 && Date.now() - begin < 40000);
});

test('a message that is too large ends the session with 1009', async () => {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/api/agent/ws`);
  await opening(ws);
  ws.send('x'.repeat(100 * 1024));
  assert.equal((await closing(ws)).code, 1009);
  await eventually(async () => (await client.get('/health')).status === 'healthy');
});

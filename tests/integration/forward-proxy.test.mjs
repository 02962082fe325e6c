// Agents and the CLI behind a proxy: tinyproxy, and proxies of Node for TLS and for faults. The server is dialled as
// 0.0.0.0, which leads to this machine, but whose text is no address of loopback: those are never dialled through proxies.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { selfSigned } from './lib/authority.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { ForwardProxy } from './lib/forward-proxy.mjs';
import { Process, run } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const N_CONTAINERS = 400; // their list is many TLS records
const later = cleanups();
let nEngines = 0;
let dir, engine, server, plain, key, plainKey, pin, target, plainTarget;

before(async () => {
  dir = await temporaryDirectory();
  engine = await ownEngine();
  server = await Server.start({ args: ['--tls'] });
  later(() => server.remove());
  plain = await Server.start();
  later(() => plain.remove());
  pin = await server.admin('fingerprint');
  key = await server.admin('apikey', 'create', '--name', 'proxied', '--role', 'admin');
  plainKey = await plain.admin('apikey', 'create', '--name', 'proxied', '--role', 'admin');
  target = `0.0.0.0:${server.port}`;
  plainTarget = `0.0.0.0:${plain.port}`;
});

// One for each agent: an engine belongs to one host.
async function ownEngine(n = 1) {
  const e = await ScriptedEngine.start();
  later(() => e.stop());
  e.remembers = true;
  e.info.ID = `PROXY:${nEngines++}`;
  e.info.Name = `proxied-${nEngines}`;
  e.containers = Array.from({ length: n }, (_, i) => scriptedContainer(i + 1));
  return e;
}

async function proxy(options) {
  const p = await ForwardProxy.start(options);
  later(() => p.stop());
  return p;
}

// A proxy with a certificate of its own, which the file of the second value verifies.
async function tlsProxy() {
  const [cert, key] = [join(dir, 'proxy.pem'), join(dir, 'proxy-key.pem')];
  await selfSigned(cert, key);
  return [await proxy({ tls: { cert: await readFile(cert), key: await readFile(key) } }), cert];
}

async function tinyproxy() {
  const file = join(dir, 'tinyproxy.conf');
  const probe = await proxy();
  const port = probe.address.split(':')[1]; // free when its owner has ended
  probe.stop();
  await writeFile(file, `Port ${port}\nListen 127.0.0.1\nTimeout 600\nBasicAuth me s3cret-x\nLogLevel Connect\nMaxClients 20\n`);
  const p = new Process('tinyproxy', ['-d', '-c', file]);
  later(() => p.stop());
  await p.line(/Accepting connections|listening|Initializing/i);
  return { process: p, address: `127.0.0.1:${port}` };
}

async function startAgent(env, { to = server, containers } = {}) {
  const isTls = to === server;
  const agent = await Agent.start({ url: isTls ? `https://${target}` : `http://${plainTarget}`, token: () => to.token() }, await ownEngine(containers), {
    env: { ...(isTls ? { DOCKMON_PIN: pin } : { INSECURE_HTTP: 'true' }), ...env },
  });
  return agent;
}

const joined = (agent) => agent.process.line(/connected and accepted/);

async function check(env) {
  const r = await run(bin('dockmon-agent'), ['--check'], {
    env: { ...server.env, DOCKMON_URL: `https://${target}`, DOCKMON_PIN: pin, REGISTRATION_TOKEN: await server.token(), DATA_PATH: await temporaryDirectory(), DOCKER_HOST: engine.host, ...env },
  });
  return { code: r.code, text: r.stdout + r.stderr };
}

test('an agent, its check and the CLI reach a TLS server through tinyproxy, with user and password', async () => {
  const tiny = await tinyproxy();
  const env = { https_proxy: `http://me:s3cr%65t-x@${tiny.address}`, HTTP_PROXY: 'http://127.0.0.1:1' };
  const agent = await startAgent(env);
  await joined(agent);
  await tiny.process.line(new RegExp(`CONNECT ${target}`));

  const ok = await check(env);
  assert.equal(ok.code, 0, ok.text);
  assert.match(ok.text, new RegExp(`^ok +the server is reached through the proxy ${tiny.address} of HTTPS_PROXY, with a user$`, 'm'));
  assert.match(ok.text, /^ok +agent endpoint \S+: accepts connections$/m);
  assert.match(ok.text, /^(ok|note) +registration token: /m);
  assert.doesNotMatch(ok.text, /s3cret/);

  const cli = await dockmon({ url: `https://${target}` }, key, ['hosts', '--json'], { env: { ...env, DOCKMON_PIN: pin } });
  assert.equal(cli.code, 0, cli.stderr);
  assert.equal(JSON.parse(cli.stdout).filter((h) => h.status === 'online').length, 1);
  await agent.remove();
});

test('a server without TLS is reached with CONNECT, too, by agents and the CLI', async () => {
  const p = await proxy();
  const env = { http_proxy: p.address };
  const agent = await startAgent(env, { to: plain });
  await joined(agent);
  const cli = await dockmon({ url: `http://${plainTarget}` }, plainKey, ['ps', '--json'], { env: { ...env, DOCKMON_INSECURE_HTTP: 'true' } });
  assert.equal(cli.code, 0, cli.stderr);
  assert.ok(p.requests.length >= 2);
  for (const r of p.requests) assert.deepEqual(r, { target: plainTarget, authorization: undefined });
  await agent.remove();
});

test('TLS runs inside TLS with an https:// proxy, whose certificate must be good, whatever is said of the server', async () => {
  const [p, ca] = await tlsProxy();
  const HTTPS_PROXY = `https://me:x@${p.address}`;
  const refused = await check({ HTTPS_PROXY, INSECURE_SKIP_VERIFY: 'true', DOCKMON_PIN: '' });
  assert.match(refused.text, /^WRONG +server \S+: TLS with proxy 127\.0\.0\.1:\d+: self-signed certificate.*SSL_CERT_FILE/m);
  assert.equal(p.requests.length, 0, 'nothing was sent, and no password');

  const env = { HTTPS_PROXY, SSL_CERT_FILE: ca };
  const agent = await startAgent(env, { containers: N_CONTAINERS });
  await joined(agent);
  const direct = async () => JSON.parse((await dockmon(server, key, ['ps', '-a', '--json'], { env: { DOCKMON_PIN: pin } })).stdout);
  await eventually(async () => (await direct()).length >= N_CONTAINERS, { what: 'all containers are listed' });
  const cli = await dockmon({ url: `https://${target}` }, key, ['ps', '-a', '--json'], { env: { ...env, DOCKMON_PIN: pin } });
  assert.equal(cli.code, 0, cli.stderr);
  assert.deepEqual(JSON.parse(cli.stdout).map((c) => c.id), (await direct()).map((c) => c.id));
  for (const r of p.requests) assert.deepEqual(r, { target, authorization: 'Basic bWU6eA==' });

  const before = p.requests.length;
  p.cut();
  await eventually(() => p.requests.length > before, { what: 'the agent dials again' });
  await agent.remove();
});

test('NO_PROXY and this host lead past the proxy', async () => {
  const p = await proxy();
  const agent = await startAgent({ HTTPS_PROXY: p.address, NO_PROXY: 'example.com, 0.0.0.0/8' });
  await joined(agent);
  await agent.remove();
  const near = await check({ HTTPS_PROXY: p.address, DOCKMON_URL: server.url });
  assert.equal(near.code, 0, near.text);
  assert.doesNotMatch(near.text, /proxy/);
  assert.deepEqual(p.requests, []);
});

const FAULTS = {
  'asks for a password': ['HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n', /answered CONNECT 0\.0\.0\.0:\d+ with HTTP status 407, which asks for a user and password in HTTPS_PROXY/, /; write them into its URL/],
  'forbids': ['HTTP/1.1 403 Filtered\r\nContent-Length: 3\r\n\r\nno!', /answered CONNECT 0\.0\.0\.0:\d+ with HTTP status 403/, /; the proxy must allow CONNECT/],
  'speaks no HTTP': ['SSH-2.0-OpenSSH_9.2\r\n\r\n', /it does not speak HTTP/, /; the proxy must allow/],
  'closes': ['drop', /it closed the connection before its answer/, /; the proxy must allow/],
  'is silent': ['silent', /(in time|timed out)/, /; the proxy must allow/],
};
for (const [what, [mode, reason, advice]] of Object.entries(FAULTS)) {
  test(`a proxy that ${what} is named with its answer, and the agent joins when it works again`, async () => {
    const p = await proxy();
    p.mode = mode;
    const env = { HTTPS_PROXY: `http://${p.address}` };
    const [agent, wrong] = await Promise.all([startAgent(env), check(env)]);
    const line = await agent.process.line(/cannot connect: /, { timeout: 30000 });
    for (const text of [line, wrong.text]) {
      assert.match(text, new RegExp(`connect through proxy ${p.address}`));
      assert.match(text, reason);
    }
    assert.equal(wrong.code, 1, wrong.text);
    assert.match(wrong.text, advice);
    p.mode = 'pass';
    await joined(agent);
    await agent.remove();
  });
}

test('a proxy that nobody serves, and a value that is no proxy', async () => {
  const env = { HTTPS_PROXY: 'http://127.0.0.1:1' };
  assert.match((await check(env)).text, /^WRONG +server \S+: connect proxy 127\.0\.0\.1:1: Connection refused; check HTTPS_PROXY/m);
  const cli = await dockmon({ url: `https://${target}` }, key, ['ps'], { env });
  assert.equal(cli.code, 1);
  assert.match(cli.stderr, /connect proxy 127\.0\.0\.1:1: Connection refused; check HTTPS_PROXY and HTTP_PROXY, or name the server in NO_PROXY/);

  const bad = { HTTPS_PROXY: 'socks5://me:s3cret@127.0.0.1:1' };
  const start = await check(bad);
  assert.equal(start.code, 2);
  assert.match(start.text, /HTTPS_PROXY: expected http:\/\/HOST:PORT or https:\/\/HOST:PORT/);
  assert.doesNotMatch(start.text, /s3cret/);
  const other = await dockmon({ url: `https://${target}` }, key, ['ps'], { env: bad });
  assert.match(other.stderr, /HTTPS_PROXY: expected/);
  assert.doesNotMatch(other.stderr, /s3cret/);
});

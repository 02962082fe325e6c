// TLS between server, agent and CLI, with Node's TLS, npm `ws`, curl and openssl as independent peers.
import assert from 'node:assert/strict';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import WebSocket from 'ws';
import { Authority, certificate, fingerprint, selfSigned } from './lib/authority.mjs';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { closing, eventually, opening } from './lib/wait.mjs';

const engine = new Engine();
const OTHER_PIN = `sha256:${'0'.repeat(64)}`;
let server, key, ca, pin, home;

// Every request verifies the server unless the test says otherwise.
function request(path, { method = 'GET', port = server.port, headers = {}, body, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const r = https.request({ host: 'localhost', port, path, method, headers, ca, ...options }, (res) => {
      const chunks = [];
      res.on('data', (d) => chunks.push(d));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, text: Buffer.concat(chunks).toString() }));
    });
    r.on('error', reject);
    r.end(body);
  });
}

const api = async (path, options = {}) => {
  const r = await request(path, { ...options, headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' } });
  assert.equal(r.status, 200, r.text);
  return JSON.parse(r.text);
};
const onlineHosts = async () => (await api('/api/hosts')).filter((h) => h.status === 'online').length;

before(async () => {
  await engine.ensureImage();
  home = await temporaryDirectory();
  server = await Server.start({ args: ['--tls', '--tls-san', 'dockmon.example, 192.0.2.9'] });
  ca = await readFile(join(server.dir, 'tls/cert.pem'));
  pin = await server.admin('fingerprint');
  key = await server.admin('apikey', 'create', '--name', 'tls', '--role', 'admin');
});

after(async () => {
  await server?.remove();
  await engine.cleanup();
  await rm(home, { recursive: true });
});

// Starts an agent with `env`, resolves with a line of its log, and ends it.
async function agentSays(pattern, env, { url = server.url } = {}) {
  const a = await Agent.start({ url, token: () => server.token() }, engine, { env });
  const line = await a.process.line(pattern);
  await a.remove();
  return line;
}

test('the certificate of the first start is correct', async () => {
  const x = certificate(join(server.dir, 'tls/cert.pem'));
  const days = (new Date(x.validTo) - new Date(x.validFrom)) / 86400000;
  assert.ok(days <= 825 && days > 800, `${days} days`);
  assert.equal(x.publicKey.asymmetricKeyDetails.namedCurve, 'prime256v1');
  for (const name of ['localhost', 'dockmon.example']) assert.equal(x.checkHost(name), name);
  for (const ip of ['127.0.0.1', '192.0.2.9']) assert.equal(x.checkIP(ip), ip);
  assert.equal((await stat(join(server.dir, 'tls/key.pem'))).mode & 0o777, 0o600);
  assert.equal((await stat(join(server.dir, 'tls'))).mode & 0o777, 0o700);
  assert.equal(pin, fingerprint(join(server.dir, 'tls/cert.pem')));
});

test('curl, Node and openssl verify the certificate; old versions and plain HTTP are refused', async () => {
  const cert = join(server.dir, 'tls/cert.pem');
  const health = JSON.parse((await run('curl', ['-sS', '--cacert', cert, `https://localhost:${server.port}/health`])).stdout);
  assert.equal(health.status, 'healthy');
  assert.equal((await request('/health')).status, 200);
  await assert.rejects(request('/health', { ca: undefined }), /self-signed/);
  assert.notEqual((await run('curl', ['-sS', `https://localhost:${server.port}/health`])).code, 0);

  const old = await run('openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0'], { input: '' });
  assert.match(old.stdout + old.stderr, /alert protocol version/);
  const plain = await fetch(`http://127.0.0.1:${server.port}/health`);
  assert.equal(plain.status, 400);
  assert.match((await plain.json()).detail, /use https/);
});

test('sessions are resumed by ticket, with TLS 1.2 and 1.3', async () => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const file = join(home, 'session');
    const at = ['s_client', '-connect', `127.0.0.1:${server.port}`, version];
    const talk = (args) => run('sh', ['-c', `(printf 'GET /health HTTP/1.1\\r\\nHost: 127.0.0.1:${server.port}\\r\\nConnection: close\\r\\n\\r\\n') | openssl ${[...at, '-ign_eof', ...args].join(' ')}`]);
    assert.match((await talk(['-sess_out', file])).stdout, /^New, TLS/m);
    assert.match((await talk(['-sess_in', file])).stdout, /^Reused, TLS/m);
  }
});

test('a peer that updates its TLS keys is still served', async () => {
  // The next command must come after the last one was read, or both are read as one.
  const log = join(home, 'key-updates');
  const seen = (pattern, n) => `for t in $(seq 200); do [ $(grep -c ${pattern} ${log}) -ge ${n} ] && break; sleep 0.1; done`;
  const input = [1, 2, 3].map((n) => `echo K; ${seen('^KEYUPDATE', n)};`).join(' ');
  const r = await run('sh', ['-c', `: >${log}; (${input} printf 'GET /health HTTP/1.1\\r\\nHost: 127.0.0.1:${server.port}\\r\\nConnection: close\\r\\n\\r\\n'; ${seen('HTTP/1.1', 1)}) | openssl s_client -connect 127.0.0.1:${server.port} -tls1_3 >>${log} 2>&1; cat ${log}`]);
  assert.equal((r.stdout.match(/^KEYUPDATE/gm) ?? []).length, 3, r.stdout);
  assert.match(r.stdout, /HTTP\/1\.1 200/);
});

test('the session cookie is Secure under TLS', async () => {
  const password = await server.adminPassword();
  const r = await request('/api/v2/auth/login', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'admin', password }),
  });
  assert.equal(r.status, 200, r.text);
  assert.match(String(r.headers['set-cookie']), /; Secure/);
});

test('an agent with the pin, one with the CA file, and one that verifies nothing connect', async () => {
  const cases = [
    { DOCKMON_PIN: pin },
    { DOCKMON_PIN: `${OTHER_PIN}, ${pin}` },
    { CA_FILE: join(server.dir, 'tls/cert.pem') },
    { INSECURE_SKIP_VERIFY: 'true' },
  ];
  for (const [i, env] of cases.entries())
    await agentSays(/connected and accepted/, { ...env, FORCE_UNIQUE_REGISTRATION: 'true', AGENT_NAME: `tls-${i}` });
  assert.match(await agentSays(/INSECURE_SKIP_VERIFY is on/, { INSECURE_SKIP_VERIFY: 'true', FORCE_UNIQUE_REGISTRATION: 'true', AGENT_NAME: 'tls-warned' }), / warning .*anybody on the network can impersonate the server/);
});

test('with a wrong pin, no pin or a foreign authority the agent refuses to connect, and logs advice', async () => {
  const other = join(home, 'other.pem');
  await selfSigned(other, join(home, 'other-key.pem'));
  const wrong = await agentSays(/cannot connect/, { DOCKMON_PIN: OTHER_PIN });
  assert.match(wrong, new RegExp(`its key is ${pin}, which is not the pinned one; .*dockmond fingerprint.*DOCKMON_PIN`));
  assert.match(await agentSays(/cannot connect/, { DOCKMON_PIN: OTHER_PIN, INSECURE_SKIP_VERIFY: 'true' }), /not the pinned one/);
  assert.match(await agentSays(/cannot connect/, {}), new RegExp(`self-signed certificate, its key is ${pin}; if .*DOCKMON_PIN`));
  assert.match(await agentSays(/cannot connect/, { CA_FILE: other }), /self-signed/);
  const plain = await agentSays(/cannot connect/, {}, { url: server.url.replace('https', 'http') });
  assert.match(plain, /use https:\/\/ instead of http:\/\//);
});

test('agent --check explains a certificate that is not trusted', async () => {
  const check = async (env, url = server.url) => {
    const r = await run(bin('dockmon-agent'), ['--check'], {
      env: { DOCKMON_URL: url, REGISTRATION_TOKEN: await server.token(), DATA_PATH: home, DOCKER_HOST: engine.host, CA_FILE: '', DOCKMON_PIN: '', INSECURE_SKIP_VERIFY: '', ...env },
    });
    return { code: r.code, text: r.stdout + r.stderr };
  };
  const good = await check({ DOCKMON_PIN: pin });
  assert.equal(good.code, 0, good.text);
  assert.match(good.text, /identified by its key alone/);
  for (const [env, url, pattern] of [
    [{ DOCKMON_PIN: OTHER_PIN }, server.url, /WRONG .*not the pinned one; the server may be impersonated/],
    [{}, server.url, /WRONG .*self-signed certificate.*set DOCKMON_PIN/],
    [{}, server.url.replace('https', 'http'), /HTTP status 400|use https/],
  ]) {
    const r = await check(env, url);
    assert.match(r.text, pattern);
    assert.equal(r.code, 1);
  }
  const bad = await check({ DOCKMON_PIN: 'sha256:12' });
  assert.equal(bad.code, 2);
  assert.match(bad.text, /DOCKMON_PIN=sha256:12: expected/);
});

test('npm ws speaks as an agent over verified TLS', async () => {
  const hand = new HandAgent(server);
  const ws = new WebSocket(`wss://localhost:${server.port}/api/agent/ws`, { ca, perMessageDeflate: false });
  const reply = await new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('open', async () => ws.send(JSON.stringify(hand.registration(await server.token()))));
    ws.once('message', (d) => resolve(JSON.parse(d)));
  });
  assert.equal(reply.type, 'auth_success');
  ws.close();
});

test('token answers carry the fingerprint, the join command the pin', async () => {
  const answer = await api('/api/agent/generate-token', { method: 'POST', body: '{}' });
  assert.equal(answer.fingerprint, pin);
  const r = await dockmon(server, key, ['token', 'create'], { env: { DOCKMON_PIN: pin, HOME: home } });
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stderr, new RegExp(`DOCKMON_URL=${server.url} DOCKMON_PIN=${pin} REGISTRATION_TOKEN=\\S+ DATA_PATH=/var/lib/dockmon-agent dockmon-agent`));
});

test('the CLI refuses an unknown certificate, and login asks once', async () => {
  const env = { HOME: join(home, 'cli'), XDG_CONFIG_HOME: '', SHELL: '/bin/sh' };
  await mkdir(env.HOME);
  const refused = await dockmon(server, key, ['hosts'], { env });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, new RegExp(`self-signed certificate, its key is ${pin}; if .dockmond fingerprint.`));
  const wrong = await dockmon(server, key, ['hosts'], { env: { ...env, DOCKMON_PIN: OTHER_PIN } });
  assert.match(wrong.stderr, new RegExp(`not the pinned one; .*\`dockmon login --pin ${pin}\`; if not`));
  assert.doesNotMatch(refused.stderr, /login --pin/);

  const blind = await dockmon(null, null, ['login', '--api-key', key, server.url], { env });
  assert.notEqual(blind.code, 0, 'there is nobody to confirm');
  const inTerminal = (answer) =>
    run('script', ['-qec', `${bin('dockmon')} login --api-key ${key} ${server.url}`, '/dev/null'], { env: { ...env, DOCKMON_URL: '' }, input: `${answer}\n` });
  const no = await inTerminal('n');
  assert.match(no.stdout, /not logged in/);
  const yes = await inTerminal('y');
  assert.match(yes.stdout, new RegExp(`fingerprint of its key is[^]*${pin}[^]*Logged in`));
  const again = await dockmon(null, null, ['hosts'], { env });
  assert.equal(again.code, 0, again.stderr);
  assert.match(await readFile(join(env.HOME, '.config/dockmon/config'), 'utf8'), new RegExp(`DOCKMON_PIN=${pin}`));

  // The remembered key is not asked about again, and another one is refused before anything is typed or sent.
  const file = join(env.HOME, '.config/dockmon/config');
  const silent = await dockmon(null, null, ['login', '--api-key', key, server.url], { env });
  assert.equal(silent.code, 0, silent.stderr);
  const saved = await readFile(file, 'utf8');
  await writeFile(file, saved.replace(pin, OTHER_PIN), { mode: 0o600 });
  const changed = await run('script', ['-qec', `${bin('dockmon')} login ${server.url}`, '/dev/null'], { env: { ...env, DOCKMON_URL: '' }, input: 'admin\nsecret\n' });
  assert.match(changed.stdout, new RegExp(`is not the pinned one, so nothing was sent: expected ${OTHER_PIN}, found ${pin}`));
  assert.doesNotMatch(changed.stdout, /User|Password|\[y\/N\]/);
  await writeFile(file, saved, { mode: 0o600 });

  const given = await dockmon(null, null, ['login', '--pin', pin, '--api-key', key, server.url], { env });
  assert.equal(given.code, 0, given.stderr);
  const plain = await dockmon(null, null, ['login', '--pin', pin, '--api-key', key, server.url.replace('https', 'http')], { env });
  assert.match(plain.stderr, /not encrypted/);
  const bad = await dockmon(null, null, ['login', '--pin', OTHER_PIN, '--api-key', key, server.url], { env });
  assert.match(bad.stderr, /not the pinned one/);
});

test('stalled handshakes delay no other client and are closed', async () => {
  const stalled = Array.from({ length: 200 }, (_, i) => {
    const s = net.connect(server.port, '127.0.0.1');
    const words = [Buffer.alloc(0), Buffer.from([0x16]), Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]), Buffer.from('SSH-2.0-x\r\n')][i % 4];
    s.on('connect', () => s.write(words));
    s.on('error', () => {});
    s.ended = closing(s);
    s.resume();
    return s;
  });
  const begin = Date.now();
  for (let i = 0; i < 10; i++) assert.equal((await request('/health', { agent: false })).status, 200);
  assert.ok(Date.now() - begin < 3000, `${Date.now() - begin} ms`);
  await Promise.all(stalled.map((s) => s.ended)); // the head timeout is 10 s
  assert.ok(Date.now() - begin < 15000);
});

test('a reload uses another certificate and keeps existing connections', async () => {
  const dir = await temporaryDirectory();
  const paths = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  await selfSigned(...paths);
  const own = await Server.start({ args: ['--tls-cert', paths[0], '--tls-key', paths[1]] });
  const first = fingerprint(paths[0]);
  const token = () => own.token();
  const a = await Agent.start({ url: own.url, token }, engine, { env: { DOCKMON_PIN: first } });
  const ws = new WebSocket(`wss://localhost:${own.port}/api/agent/ws`, { ca: await readFile(paths[0]) });
  let isClosed = false;
  ws.on('close', () => (isClosed = true));
  await opening(ws);
  const ownKey = await own.admin('apikey', 'create', '--name', 'x', '--role', 'viewer');
  const online = async () =>
    JSON.parse((await request('/api/hosts', { port: own.port, ca: await readFile(paths[0]), headers: { authorization: `Bearer ${ownKey}` } })).text)
      .filter((h) => h.status === 'online').length;
  await eventually(async () => (await online()) === 1);
  const shown = () =>
    new Promise((resolve, reject) => {
      const s = tls.connect({ port: own.port, rejectUnauthorized: false }, () => {
        resolve(s.getPeerX509Certificate().fingerprint256);
        s.end();
      });
      s.on('error', reject);
    });

  // An incomplete change first: it must not take effect.
  await writeFile(paths[0], 'rubbish');
  const from = own.process.lines.length;
  own.process.child.kill('SIGHUP');
  await own.process.line(/certificate stays as it was/, { from });
  await shown();

  await selfSigned(...paths);
  own.process.child.kill('SIGHUP');
  await own.process.line(/certificate is read again/, { from });
  assert.equal(await shown(), certificate(paths[0]).fingerprint256);
  assert.notEqual(fingerprint(paths[0]), first);
  assert.equal(await online(), 1);
  assert.equal(isClosed, false);
  assert.ok(!a.process.lines.some((l) => /the connection ended/.test(l)), 'the agent stayed connected');
  assert.ok(!a.process.exit);
  ws.close();
  await a.remove();
  await own.remove();
  await rm(dir, { recursive: true });
});

test('an expiring certificate of our own is renewed with its key', async () => {
  const dir = await temporaryDirectory();
  await mkdir(join(dir, 'tls'), { mode: 0o700 });
  const cert = join(dir, 'tls/cert.pem');
  await selfSigned(cert, join(dir, 'tls/key.pem'), { days: 20, names: ['DNS:localhost', 'DNS:kept.example'] });
  const before = { pin: fingerprint(cert), serial: certificate(cert).serialNumber };
  const own = await Server.start({ dir, args: ['--tls'] });
  const renewed = certificate(cert);
  assert.equal(fingerprint(cert), before.pin);
  assert.notEqual(renewed.serialNumber, before.serial);
  assert.ok((new Date(renewed.validTo) - Date.now()) / 86400000 > 800);
  assert.equal(renewed.checkHost('kept.example'), 'kept.example');

  // While it runs, a reload checks again.
  await selfSigned(cert, null, { days: 5, oldKey: join(dir, 'tls/key.pem') });
  own.process.child.kill('SIGHUP');
  await own.process.line(/certificate is read again/);
  assert.ok((new Date(certificate(cert).validTo) - Date.now()) / 86400000 > 800);
  await own.down();
  await own.up(0);
  assert.equal(fingerprint(cert), before.pin);
  await own.remove();
});

test('TLS is the default on addresses other than loopback', async () => {
  const dir = await temporaryDirectory();
  const start = async (pattern, ...args) => {
    const p = new Process(bin('dockmond'), ['--listen', '0.0.0.0:0', '--data-dir', dir, ...args], { name: 'dockmond' });
    await p.line(pattern);
    await p.stop();
    assertClean(p);
  };
  await start(/listening on https:\/\//);
  await start(/listening on http:\/\//, '--insecure-http');
  const r = await run(bin('dockmond'), ['--listen', '0.0.0.0:0', '--data-dir', dir, '--insecure-http', '--tls']);
  assert.equal(r.code, 2);
  await rm(dir, { recursive: true });
});

test('a certificate of an authority is verified by name', async () => {
  const dir = await temporaryDirectory();
  const authority = await Authority.make(dir);
  await authority.sign(join(dir, 'cert.pem'), join(dir, 'key.pem'), { usage: 'serverAuth', names: ['DNS:localhost'] });
  const own = await Server.start({ args: ['--tls-cert', join(dir, 'cert.pem'), '--tls-key', join(dir, 'key.pem')] });
  const says = async (pattern, url) => {
    const a = await Agent.start({ url, token: () => own.token() }, engine, { env: { CA_FILE: authority.cert, FORCE_UNIQUE_REGISTRATION: 'true', AGENT_NAME: 'a' } });
    const line = await a.process.line(pattern);
    await a.remove();
    return line;
  };
  await says(/connected and accepted/, `https://localhost:${own.port}`);
  assert.match(await says(/cannot connect/, own.url), /mismatch; .*another name/);
  await own.remove();
  await rm(dir, { recursive: true });
});

test('no connection is left', async () => {
  await eventually(async () => (await onlineHosts()) === 0);
});

// The CLI and its server: which address it talks to, what it sends there, and which settings belong to whom.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Client, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let wire, url;

// A listener that counts connections. On Linux 0.0.0.0 reaches this machine, and its text is no address of loopback.
before(async () => {
  wire = { connections: 0, server: net.createServer((s) => { wire.connections++; s.destroy(); }) };
  wire.server.listen(0, '0.0.0.0');
  await once(wire.server, 'listening');
  later(() => wire.server.close());
  url = `http://0.0.0.0:${wire.server.address().port}`;
});

async function home(text, mode = 0o600) {
  const dir = await temporaryDirectory();
  const file = join(dir, 'dockmon/config');
  await mkdir(join(dir, 'dockmon'));
  if (text) {
    await writeFile(file, text);
    await chmod(file, mode);
  }
  const cli = (args, options = {}) => dockmon(null, null, args, { ...options, env: { HOME: dir, XDG_CONFIG_HOME: dir, ...options.env } });
  return { file, cli };
}

const REFUSED = /0\.0\.0\.0:\d+ is not encrypted, so nothing was sent.*--insecure-http.*DOCKMON_INSECURE_HTTP/;

test('plain HTTP beyond loopback is refused before a byte is sent', async () => {
  const { cli } = await home();
  const stored = await home(`DOCKMON_URL=${url}\nDOCKMON_API_KEY=secret\n`);
  const before = wire.connections;
  for (const args of [['ps'], ['stats', '--no-stream'], ['logs', '-f', 'web'], ['exec', 'web', 'id'], ['hosts', '--json'], ['token', 'create'], ['user', 'passwd', 'x']]) {
    for (const [of, env] of [[cli, { DOCKMON_URL: url, DOCKMON_API_KEY: 'secret' }], [stored.cli, {}]]) {
      const r = await of(args, { env, input: 'a\nb\n' });
      assert.match(r.stderr, REFUSED, args.join(' '));
      assert.notEqual(r.code, 0);
    }
  }
  for (const args of [['-u', 'admin', '--password-stdin', url], ['--api-key', 'k', url], ['--api-key-stdin', url.toUpperCase()]]) {
    const r = await cli(['login', ...args], { input: 'password\n' });
    assert.match(r.stderr, REFUSED, args.join(' '));
    assert.equal(r.code, 1);
  }
  await cli(['__complete', 'stop', ''], { env: { DOCKMON_URL: url, DOCKMON_API_KEY: 'secret' } });
  assert.equal(wire.connections, before);

  const typed = await run('script', ['-qec', `${bin('dockmon')} login ${url}`, '/dev/null'], { env: { HOME: '/nonexistent', SHELL: '/bin/sh' }, input: 'admin\nsecret\n' });
  assert.match(typed.stdout, /not encrypted/);
  assert.doesNotMatch(typed.stdout, /User|Password/, 'nothing is asked for');
});

test('plain HTTP beyond loopback works when it is asked for', async () => {
  const { cli } = await home();
  const sent = async (args, env = {}) => {
    const before = wire.connections;
    const r = await cli(args, { env });
    assert.match(r.stderr, /cannot talk to the DockMon server/);
    return wire.connections > before;
  };
  assert.ok(await sent(['login', '--insecure-http', '--api-key', 'k', url]));
  assert.ok(await sent(['login', '--api-key', 'k', url], { DOCKMON_INSECURE_HTTP: 'true' }));
  assert.ok(await sent(['ps'], { DOCKMON_URL: url, DOCKMON_INSECURE_HTTP: '1' }));
  const stored = await home(`DOCKMON_URL=${url}\nDOCKMON_INSECURE_HTTP=true\n`);
  assert.match((await stored.cli(['ps'])).stderr, /cannot talk/);
  const other = await stored.cli(['ps'], { env: { DOCKMON_URL: url.replace('http://0.0.0.0', 'http://0.0.0.1') } });
  assert.match(other.stderr, /not encrypted/, 'the permission is for the server that it was given for');
});

test('an address without a scheme is HTTPS, except on loopback', async () => {
  const { cli } = await home();
  const r = await cli(['login', '-u', 'admin', '--password-stdin', url.replace('http://', '')], { input: 'password\n' });
  assert.match(r.stderr, /cannot talk to the DockMon server at https:\/\/0\.0\.0\.0/);
  const local = await cli(['ps'], { env: { DOCKMON_URL: '127.0.0.1:9' } });
  assert.match(local.stderr, /at http:\/\/127\.0\.0\.1:9: /);
});

test('a configuration file that others can write is refused, and one that they can read is noted', async () => {
  const text = 'DOCKMON_URL=http://127.0.0.1:9\nDOCKMON_API_KEY=secret\n';
  for (const mode of [0o666, 0o620, 0o602]) {
    const { cli, file } = await home(text, mode);
    const r = await cli(['ps']);
    assert.equal(r.code, 1);
    assert.ok(r.stderr.includes(`${file} can be written by other users`), r.stderr);
    assert.doesNotMatch(r.stderr, /cannot talk/);
  }
  const { cli, file } = await home(text, 0o644);
  const r = await cli(['ps']);
  assert.ok(r.stderr.includes(`other users can read ${file}`), r.stderr);
  assert.match(r.stderr, /cannot talk/);
  assert.equal(await readFile(file, 'utf8'), text);
});

const PASSWORD = 'correct horse';

async function sessionOf(server, username, password) {
  const c = new Client(server);
  const r = await c.fetch('POST', '/api/v2/auth/login', { body: { username, password } });
  assert.equal(r.status, 200);
  c.cookie = r.headers.get('set-cookie').split(';')[0];
  return c;
}

// A server with the user vera, a viewer, whose password needs no change.
async function serverWithUsers() {
  const server = await Server.start();
  later(() => server.remove());
  const admin = await server.client('admin');
  const { password } = await admin.post('/api/v2/users', { username: 'vera', role: 'viewer' });
  const session = await sessionOf(server, 'vera', password);
  await session.post('/api/v2/auth/change-password', { current_password: password, new_password: PASSWORD });
  return { server, admin };
}

test('a login replaces the key of the one before; logout ends it', async () => {
  const { server, admin } = await serverWithUsers();
  const { file, cli } = await home();
  const env = { DOCKMON_URL: server.url };
  const log_in = async () => {
    const r = await cli(['login', '-u', 'vera', '--password-stdin'], { env, input: `${PASSWORD}\n` });
    assert.equal(r.code, 0, r.stderr);
    assert.doesNotMatch(r.stderr, /no API key could be created/);
    return /DOCKMON_API_KEY=(\S+)/.exec(await readFile(file, 'utf8'))[1];
  };
  const keys = async () => (await admin.get('/api/v2/api-keys')).filter((k) => k.name.startsWith('dockmon CLI'));
  const first = await log_in();
  assert.equal((await keys()).length, 1);
  const second = await log_in();
  assert.notEqual(second, first);
  assert.equal((await keys()).length, 1, 'the first key was replaced');
  assert.match((await cli(['ps'], { env: { ...env, DOCKMON_API_KEY: first } })).stderr, /This API key is not valid; log in with/);

  // A key with which another was created is kept, because that one would end with it.
  assert.equal((await cli(['apikey', 'create', 'child'])).code, 0);
  await log_in();
  assert.ok((await admin.get('/api/v2/api-keys')).some((k) => k.name === 'child'));

  const out = await cli(['logout']);
  assert.equal(out.code, 0, out.stderr);
  assert.match(out.stdout, new RegExp(`Logged out of ${server.url}`));
  assert.equal((await keys()).length, 1, 'only the kept one is left');
  const text = await readFile(file, 'utf8');
  assert.match(text, new RegExp(`DOCKMON_URL=${server.url}`));
  assert.doesNotMatch(text, /API_KEY|SESSION/);
  assert.match((await cli(['ps'])).stderr, /log in/);
  assert.match((await cli(['logout'])).stdout, /Not logged in/);
});

test('a refusal names the operation, the role and the user', async () => {
  const { server } = await serverWithUsers();
  const session = await sessionOf(server, 'vera', PASSWORD);
  const refused = await session.fetch('POST', '/api/hosts/x/containers/y/restart', { body: {} });
  assert.equal(refused.status, 403);
  assert.deepEqual(await refused.json(), { detail: 'restart needs the role operator; vera is a viewer', code: 'role_required' });
});

test('a short or mistyped new password is asked for again', async () => {
  const server = await Server.start();
  later(() => server.remove());
  const { cli } = await home();
  const initial = await server.adminPassword();
  const child = spawn('script', ['-qec', `${bin('dockmon')} login -u admin ${server.url}`, '/dev/null'], {
    env: { ...process.env, SHELL: '/bin/sh', XDG_CONFIG_HOME: await temporaryDirectory(), DOCKMON_URL: '', DOCKMON_API_KEY: '' },
  });
  later(() => child.kill());
  let text = '';
  child.stdout.on('data', (data) => (text += data));
  const says = async (pattern) => {
    await eventually(() => pattern.test(text), { timeout: 60000, what: `${pattern} in ${JSON.stringify(text)}` });
    text = '';
  };
  for (const [question, word] of [
    [/Password: /, initial], [/New password: /, 'short'], [/8 to 128 characters[^]*New password: /, PASSWORD], [/Repeat/, 'other'],
    [/differ[^]*New password: /, PASSWORD], [/Repeat/, PASSWORD],
  ]) {
    await says(question);
    child.stdin.write(`${word}\r`);
  }
  await says(/Logged in/);
  assert.equal((await cli(['version'], { env: { DOCKMON_URL: server.url } })).code, 0);
});

// The CLI and its server: which address it talks to, what it sends there, and which settings belong to whom.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

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

// Start-up of the two daemons: --help, --version, --check, and invalid configurations.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, dir;

before(async () => {
  dir = await temporaryDirectory();
  server = await Server.start();
});

after(async () => {
  await server?.remove();
  await rm(dir, { recursive: true, force: true });
});

// The environment has only the given variables: the caller's settings must not influence a test.
async function start(name, args, env = {}) {
  const child = await run('env', ['-i', ...Object.entries(env).map(([k, v]) => `${k}=${v}`), bin(name), ...args]);
  assertClean({ name, lines: (child.stdout + child.stderr).split('\n') });
  return child;
}

const agentEnv = (more = {}) => ({
  DOCKMON_URL: server.url,
  REGISTRATION_TOKEN: 'registration-token',
  DATA_PATH: join(dir, 'agent'),
  DOCKER_HOST: engine.host,
  ...more,
});

// `expected` is a list of patterns, each of which must match a different line.
function names(stderr, expected) {
  const lines = stderr.trimEnd().split('\n');
  for (const pattern of expected) assert.ok(lines.some((l) => pattern.test(l)), `${pattern} in:\n${stderr}`);
  const blamed = lines.filter((l) => !/^dockmon|^Try/.test(l));
  assert.equal(blamed.length, expected.length, stderr);
}

test('--help and --version work with any other mistake', async () => {
  for (const [name, env] of [['dockmon-agent', { DOCKMON_URL: 'x' }], ['dockmond', { DOCKMOND_LISTEN: 'x' }], ['dockmon', { DOCKMON_URL: 'x' }]]) {
    const version = await start(name, ['--version'], env);
    assert.equal(version.code, 0, `${name}: ${version.stderr}`);
    assert.match(version.stdout, /^dockmon[a-z-]*,? (version )?\d+\.\d+\.\d+/);
    const help = await start(name, ['--help'], env);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /^Usage: +dockmon/);
    assert.equal(help.stderr, '');
  }
});

test('the agent reports all mistakes at once and exits with 2', async () => {
  const r = await start('dockmon-agent', ['--reconnect-max=never', '--insecure-skip-verify=maybe', '--no-such-flag'], {
    DOCKMON_URL: 'ftp://server',
    REGISTRATION_TOKEN: 'not a token',
    FORCE_UNIQUE_REGISTRATION: 'true',
    RECONNECT_INITIAL: 'soon',
    DATA_PATH: 'relative',
    DOCKER_HOST: 'ssh://engine',
    LOG_LEVEL: 'loud',
  });

  assert.equal(r.code, 2, r.stderr);
  names(r.stderr, [
    /no-such-flag/,
    /DOCKMON_URL=ftp:\/\/server: expected http:\/\//,
    /REGISTRATION_TOKEN=\(secret\): expected 1 to 255 characters/,
    /--insecure-skip-verify=maybe .*: expected true or false/,
    /FORCE_UNIQUE_REGISTRATION=true: expected AGENT_NAME/,
    /RECONNECT_INITIAL=soon: expected a duration/,
    /--reconnect-max=never.*: expected a duration/,
    /DATA_PATH=relative: expected an absolute path/,
    /DOCKER_HOST=ssh:\/\/engine: expected unix:\/\/\/PATH or tcp:\/\/HOST:PORT/,
    /LOG_LEVEL=loud: expected debug, info, warn or error/,
  ]);
  assert.doesNotMatch(r.stderr, /not a token/);
  assert.equal(r.stdout, '');
});

test('an agent without URL and token reports what is required', async () => {
  const r = await start('dockmon-agent', [], { DATA_PATH: join(dir, 'nothing'), DOCKER_HOST: engine.host });

  assert.equal(r.code, 2);
  names(r.stderr, [/DOCKMON_URL.* required/, /REGISTRATION_TOKEN or PERMANENT_TOKEN is required/]);
});

test('AGENT_NAME: 255 bytes are accepted, 256 are not', async () => {
  const good = await start('dockmon-agent', ['--check'], agentEnv({ AGENT_NAME: ` ${'n'.repeat(255)} `, REGISTRATION_TOKEN: await server.token() }));
  assert.equal(good.code, 0, good.stdout + good.stderr);
  const bad = await start('dockmon-agent', ['--check'], agentEnv({ AGENT_NAME: 'n'.repeat(256) }));
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /AGENT_NAME=n+\.\.\.: expected at most 255 bytes, not 256/);
});

test('the server reports all mistakes at once and exits with 2', async () => {
  const r = await start('dockmond', ['--listen', 'nowhere', '--max-connections=3'], {
    DOCKMOND_POLL_INTERVAL: 'x',
    DOCKMOND_SESSION_LIFETIME: '1s',
    DOCKMOND_LOG_LEVEL: 'loud',
    DOCKMOND_LOG_FORMAT: 'xml',
  });

  assert.equal(r.code, 2, r.stderr);
  names(r.stderr, [
    /DOCKMOND_LISTEN.*nowhere.* is not ADDR:PORT/,
    /--max-connections=3.*: expected a whole number from 16/,
    /DOCKMOND_POLL_INTERVAL=x: expected a duration/,
    /DOCKMOND_SESSION_LIFETIME=1s: expected a duration/,
    /DOCKMOND_LOG_LEVEL.*loud.* is not one of/,
    /DOCKMOND_LOG_FORMAT.*xml.* is not one of/,
  ]);
});

test('a file of KEY=value lines configures both; flags and environment override it', async () => {
  const file = join(dir, 'agent.conf');
  await writeFile(file, `# the agent\nDOCKMON_URL=${server.url}\nREGISTRATION_TOKEN=${await server.token()}\nDATA_PATH="${join(dir, 'agent')}"\nDOCKER_HOST=${engine.host}\n`);
  const good = await start('dockmon-agent', ['--config', file, '--check']);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  const overridden = await start('dockmon-agent', ['--config', file, '--check', '--url', 'http://127.0.0.1:1']);
  assert.equal(overridden.code, 1);
  assert.match(overridden.stdout, /127\.0\.0\.1:1/);

  await writeFile(file, 'DOCKMON_URL=x\nNO_SUCH_KEY=1\nnonsense\n');
  const bad = await start('dockmon-agent', ['--config', file], { REGISTRATION_TOKEN: 'a' });
  assert.equal(bad.code, 2);
  for (const pattern of [/NO_SUCH_KEY/, /DOCKMON_URL=x/, /agent\.conf line 3/]) assert.match(bad.stderr, pattern);
  await writeFile(file, 'DOCKMOND_LISTEN=here\n');
  const server2 = await start('dockmond', ['--config', file]);
  assert.equal(server2.code, 2);
  assert.match(server2.stderr, /`here` is not ADDR:PORT/);
});

test('plain HTTP on addresses other than loopback must be enabled', async () => {
  const args = ['--listen', '0.0.0.0:0', '--data-dir', join(dir, 'open'), '--check'];
  const encrypted = await start('dockmond', args);
  assert.equal(encrypted.code, 0);
  assert.match(encrypted.stdout, /^ok +certificate: created at the first start/m);
  const plain = await start('dockmond', [...args, '--insecure-http']);
  assert.equal(plain.code, 0);
  assert.doesNotMatch(plain.stdout, /certificate/);
});

test('an agent registers over plain HTTP with another machine only if that is enabled', async () => {
  const url = 'http://0.0.0.0:9'; // on Linux this machine, though not an address of loopback
  const data = join(dir, 'exposed');
  await mkdir(data, { recursive: true });
  for (const args of [[], ['--check']]) {
    const r = await start('dockmon-agent', args, agentEnv({ DOCKMON_URL: url, DATA_PATH: data }));
    assert.equal(r.code, 2);
    names(r.stderr, [/DOCKMON_URL=http:\/\/0\.0\.0\.0:9: the registration is refused.*INSECURE_HTTP=true/]);
  }
  const enabled = await start('dockmon-agent', ['--check'], agentEnv({ DOCKMON_URL: url, DATA_PATH: data, INSECURE_HTTP: 'true' }));
  assert.match(enabled.stdout, /^WRONG +server .*refused/m);

  await writeFile(join(data, 'permanent_token'), 'permanent-token\n', { mode: 0o600 });
  const check = await start('dockmon-agent', ['--check'], agentEnv({ DOCKMON_URL: url, DATA_PATH: data }));
  assert.match(check.stdout, /^note +the connection to the server is not encrypted .*a registration would be refused/m);
  const agent = new Process(bin('dockmon-agent'), [], { env: agentEnv({ DOCKMON_URL: url, DATA_PATH: data, LOG_JSON: 'false', RECONNECT_MAX: '1s' }), name: 'dockmon-agent' });
  await agent.line(/cannot connect/);
  await agent.line(/next attempt/);
  assert.equal(agent.lines.filter((l) => /not encrypted/.test(l)).length, 1);
  await agent.stop();
});

test('agent --check succeeds for a valid configuration, and leaves the token usable', async () => {
  const token = await server.token();
  await start('dockmon-agent', ['--check'], agentEnv({ REGISTRATION_TOKEN: token }));
  const r = await start('dockmon-agent', ['--check'], agentEnv({ REGISTRATION_TOKEN: token }));

  assert.equal(r.code, 0, r.stdout + r.stderr);
  assert.match(r.stdout, /^ok +engine .*version \d+/m);
  assert.match(r.stdout, /^ok +server .*healthy/m);
  assert.match(r.stdout, /^ok +agent endpoint .*accepts connections/m);
  assert.match(r.stdout, /All checks passed/);
  assert.doesNotMatch(r.stdout, /WRONG/);
  assert.match(r.stdout, /^(ok|note) +registration token: /m);
  assert.ok(!`${r.stdout}${r.stderr}`.includes(token), 'the token is a secret');
});

test('agent --check fails when the server refuses the registration token', async () => {
  const r = await start('dockmon-agent', ['--check'], agentEnv());

  assert.equal(r.code, 1, r.stdout + r.stderr);
  assert.match(r.stdout, /^WRONG +registration token: the server refuses it.*`dockmon token create`/m);
  assert.doesNotMatch(r.stdout, /All checks passed/);
  assert.doesNotMatch(r.stdout + r.stderr, /registration-token/, 'the token is a secret');
});

test('agent --check tries the permanent token, which an agent that runs goes on using', async () => {
  const running = await Agent.start(server, engine, { token: await server.token() });
  try {
    const admin = await server.client('admin');
    const host = await admin.onlineHost();
    const check = () => start('dockmon-agent', ['--check'], agentEnv({ DATA_PATH: running.dir }));
    const good = await check();
    assert.equal(good.code, 0, good.stdout + good.stderr);
    assert.match(good.stdout, /^ok +permanent token: the server accepts it/m);
    assert.equal((await admin.get('/api/hosts')).find((h) => h.id === host.id).status, 'online');
    const { agents } = await admin.get('/api/agent/list');
    await admin.post(`/api/agent/${agents.find((a) => a.host_id === host.id).agent_id}/revoke`, {});
    const bad = await check();
    assert.equal(bad.code, 1, bad.stdout);
    assert.match(bad.stdout, /^WRONG +permanent token: the server refuses it/m);
    assert.doesNotMatch(bad.stdout, /All checks passed/);
  } finally {
    await running.remove();
  }
  const other = await start('dockmon-agent', ['--check'], agentEnv({ PERMANENT_TOKEN: 'nobodys-token' }));
  assert.match(other.stdout, /^WRONG +permanent token: the server refuses it/m);
  assert.doesNotMatch(other.stdout + other.stderr, /nobodys-token/, 'the token is a secret');
});

test('agent --check: errors of engine, server and endpoint are distinct, with exit code 1', async () => {
  const away = await start('dockmon-agent', ['--check'], agentEnv({ DOCKER_HOST: 'unix:///nowhere.sock', DOCKMON_URL: 'http://127.0.0.1:1' }));
  assert.equal(away.code, 1);
  assert.match(away.stdout, /^WRONG +engine unix:\/\/\/nowhere\.sock: .*check that Docker or Podman is running/m);
  assert.match(away.stdout, /^WRONG +server http:\/\/127\.0\.0\.1:1: .*refused; check that the server is running/m);

  const plain = await start('dockmon-agent', ['--check'], agentEnv({ DOCKMON_URL: server.url.replace('http:', 'https:') }));
  assert.equal(plain.code, 1);
  assert.match(plain.stdout, /^WRONG +server .*http:\/\/ instead of https:\/\//m);

  const other = await HandServer.start(); // speaks HTTP, but has no agent endpoint at this path
  try {
    const r = await start('dockmon-agent', ['--check'], agentEnv({ DOCKMON_URL: `${other.url}/elsewhere` }));
    assert.equal(r.code, 1);
    assert.match(r.stdout, /^WRONG +agent endpoint .*proxy/m);
  } finally {
    await other.stop();
  }
});

// An engine that was upgraded has a new socket, and a container may still have the old file.
test('a socket on which nothing listens is named, with the remedy', async () => {
  const socket = join(dir, 'listening.sock');
  const dead = join(dir, 'dead.sock');
  const listener = createServer().listen(socket);
  await once(listener, 'listening');
  await rename(socket, dead);
  await new Promise((done) => listener.close(done));

  const r = await start('dockmon-agent', ['--check'], agentEnv({ DOCKER_HOST: `unix://${dead}` }));
  assert.match(r.stdout, /^WRONG +engine .*refused; nothing listens on this socket: .*restart the container, or mount the directory/m);

  const agent = await Agent.start(server, { host: `unix://${dead}` }, { token: await server.token() });
  try {
    await eventually(() => agent.process.lines.some((l) => /no event stream from the engine: .*nothing listens on this socket: /.test(l)));
  } finally {
    await agent.remove();
  }
});

test('agent --check does not wait forever for an engine or a server that does not answer', { timeout: 60000 }, async () => {
  const path = join(dir, 'silent.sock');
  const silent = [createServer(() => {}).listen(path), createServer(() => {}).listen(0, '127.0.0.1')];
  await Promise.all(silent.map((s) => s.listening || new Promise((r) => s.once('listening', r))));
  const begin = Date.now();
  const r = await start('dockmon-agent', ['--check'], agentEnv({ DOCKER_HOST: `unix://${path}`, DOCKMON_URL: `http://127.0.0.1:${silent[1].address().port}` }));
  silent.forEach((s) => s.close());

  assert.equal(r.code, 1);
  assert.match(r.stdout, /^WRONG +engine /m);
  assert.match(r.stdout, /^WRONG +server /m);
  assert.ok(Date.now() - begin < 50000, `${Date.now() - begin} ms`);
});

test('agent --check: a data directory that cannot be written', async () => {
  const file = join(dir, 'file');
  await writeFile(file, '');
  const r = await start('dockmon-agent', ['--check'], agentEnv({ DATA_PATH: join(file, 'sub') }));

  assert.notEqual(r.code, 0);
  assert.match(r.stdout + r.stderr, /file\/sub.*(not a directory|cannot)/i);
});

test('server --check: a valid directory, also while a server uses it, and an invalid one', async () => {
  const good = await start('dockmond', ['--check', '--data-dir', server.dir]);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /^ok +data directory/m);

  const fresh = join(dir, 'token'); // named like a command, but a directory
  assert.match((await start('dockmond', ['--check', '--data-dir', fresh])).stdout, /^ok +data directory .*first start/m);
  await assert.rejects(stat(fresh), 'a check leaves no files behind');

  const bad = await start('dockmond', ['--check', '--data-dir', '/proc/nowhere']);
  assert.equal(bad.code, 1);
  assert.match(bad.stdout, /^FAIL +data directory: .*\/proc\/nowhere/m);
  const broken = join(dir, 'broken');
  await mkdir(broken);
  await writeFile(join(broken, 'dockmon.db'), 'this is no database, whatever its name says'.repeat(200));
  const r = await start('dockmond', ['--check', '--data-dir', broken]);
  assert.equal(r.code, 1);
  assert.match(r.stdout, /^FAIL +data directory: .*dockmon\.db/m);
});

test('a port in use is reported with its address', async () => {
  const r = await start('dockmond', ['--listen', `127.0.0.1:${server.port}`, '--data-dir', join(dir, 'second')]);
  assert.equal(r.code, 1);
  assert.match(r.stderr, new RegExp(`127\\.0\\.0\\.1:${server.port}.*in use`));
});

test('the first start writes the password of admin to a private file, later starts do not', async () => {
  const own = await Server.start();
  const file = join(own.dir, 'initial-admin-password');
  const password = await readFile(file, 'utf8');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(own.dir)).mode & 0o077, 0, 'the data directory is private');
  assert.ok(password.trim().length >= 16);
  await own.down();
  await own.up();
  assert.equal(await readFile(file, 'utf8'), password);
  await own.remove();
});

test('offline administration: only the secret on stdout; errors on stderr', async () => {
  const admin = (...args) => start('dockmond', ['--data-dir', server.dir, ...args]);
  const made = await admin('token', 'create');
  assert.match(made.stdout, /^[0-9a-f-]{36}\n$/);
  const startLine = `DOCKMON_URL=${server.url} REGISTRATION_TOKEN=${made.stdout.trim()} DATA_PATH=/var/lib/dockmon-agent dockmon-agent`;
  assert.ok(made.stderr.includes(startLine), `a server without agent files prints how to start an agent: ${made.stderr}`);
  assert.match((await admin('token', 'create', '--multi-use')).stdout, /^[0-9a-f-]{36}\n$/);
  assert.match((await admin('apikey', 'create', '--name', 'offline', '--role', 'viewer')).stdout, /^\S{32,}\n$/);
  assert.match((await admin('user', 'reset-password', 'admin')).stdout, /^\S{12,}\n$/);

  for (const [args, code, pattern] of [
    [['token'], 2, /token create/],
    [['apikey', 'create', '--name', 'x', '--role', 'king'], 2, /viewer, operator or admin/],
    [['apikey', 'create', '--role', 'viewer'], 2, /--name/],
    [['apikey', 'create', '--name', 'offline', '--role', 'viewer'], 1, /offline/],
    [['user', 'reset-password', 'nobody'], 1, /nobody/],
    [['dance'], 2, /dance/],
    [['--data-dir', dir, 'fingerprint'], 1, /no database in \S+ .*is --data-dir right\?/],
    [['fingerprint'], 1, /created when the server first starts with TLS/],
  ]) {
    const r = await admin(...args);
    assert.equal(r.code, code, `${args.join(' ')}: ${r.stderr}`);
    assert.equal(r.stdout, '');
    assert.match(r.stderr, pattern);
  }
});

test('SIGHUP ends neither daemon, SIGINT ends both cleanly', async (t) => {
  const own = await Server.start();
  const agent = await Agent.start(own, engine);
  t.after(() => [own, agent].forEach((p) => p.process.child.kill('SIGKILL')));
  const client = await own.client('viewer');
  await client.onlineHost();
  for (const p of [own.process, agent.process]) p.child.kill('SIGHUP');
  assert.equal((await client.get('/health')).status, 'healthy');
  await client.onlineHost();
  assert.equal(agent.process.exit, undefined);
  assert.deepEqual(await agent.process.stop('SIGINT'), { code: 0, signal: null });
  assert.deepEqual(await own.process.stop('SIGINT'), { code: 0, signal: null });
  assertClean(own.process);
  assertClean(agent.process);
  await rm(own.dir, { recursive: true, force: true });
  await rm(agent.dir, { recursive: true, force: true });
});

test('secrets are not in the process list, whatever their source', async (t) => {
  const environment = agentEnv({ DOCKMON_URL: 'http://127.0.0.1:1', REGISTRATION_TOKEN: '' });
  const flags = ['--registration-token=registration-token', '--permanent-token', 'permanent-token', '--data-path', environment.DATA_PATH];
  const agent = new Process('env', ['-i', ...Object.entries(environment).map(([k, v]) => `${k}=${v}`), bin('dockmon-agent'), ...flags], {
    name: 'dockmon-agent',
  });
  t.after(() => agent.stop());
  await agent.line(/starts/);
  const words = (await readFile(`/proc/${agent.child.pid}/cmdline`, 'utf8')).split('\0').slice(1, -1);
  assert.deepEqual(words, [`--registration-token=${'x'.repeat(18)}`, '--permanent-token', 'x'.repeat(15), '--data-path', environment.DATA_PATH]);
  agent.child.kill('SIGHUP'); // which reads the flags again
  await agent.line(/reloaded/);
  const help = (await start('dockmon-agent', ['--help'])).stdout;
  for (const flag of ['--registration-token ', '--permanent-token '])
    assert.match(help.slice(help.indexOf(flag)).split(/\n {2}--/)[0], /history of the shell/, flag);
});

// The agent's permanent token, sealed with a key outside of the data directory.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const MAGIC = '{dockmon-sealed-token-1}\n';
const engine = new Engine();
let server, admin, agent, dir, key, sealed;

before(async () => {
  await engine.ensureImage();
  dir = await temporaryDirectory();
  key = join(dir, 'key');
  await writeFile(key, `${randomBytes(32).toString('hex')}\n`);
  server = await Server.start();
  admin = await server.client('admin');
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
  await rm(dir, { recursive: true, force: true });
});

const tokenFile = () => join(agent.dir, 'permanent_token');
const online = () => admin.onlineHost();
const offline = () => eventually(async () => (await admin.get('/api/hosts')).every((h) => h.status !== 'online'));

// Starts the agent, which must fail; returns its standard error.
async function startAndFail(env = {}) {
  const r = await run('env', ['-i', ...Object.entries({
    DOCKMON_URL: server.url, DATA_PATH: agent.dir, DOCKER_HOST: engine.host, LOG_JSON: 'false', REGISTRATION_TOKEN: await server.token(), ...env,
  }).map(([k, v]) => `${k}=${v}`), 'timeout', '60', bin('dockmon-agent')]);
  assert.equal(r.code, 2, r.stderr);
  return r.stderr;
}

test('a token stored as text is sealed at the next start with a key', async () => {
  agent = await Agent.start(server, engine);
  const host = await online();
  const token = await readFile(tokenFile(), 'utf8');
  assert.match(token, /^[0-9a-f]{64}$/);
  await agent.down();
  await offline();

  agent.token = '';
  agent.env.TOKEN_KEY_FILE = key;
  await agent.up();
  await agent.process.line(/the permanent token is sealed now/);
  assert.equal((await online()).id, host.id);
  sealed = await readFile(tokenFile(), 'latin1');
  assert.ok(sealed.startsWith(MAGIC));
  assert.equal(sealed.length, MAGIC.length + 24 + 16 + 64);
  assert.equal((await stat(tokenFile())).mode & 0o777, 0o600);
  for (const name of await readdir(agent.dir, { recursive: true })) {
    const path = join(agent.dir, name);
    if ((await stat(path)).isFile()) assert.ok(!(await readFile(path, 'latin1')).includes(token), name);
  }
  await agent.down();
  await offline();
});

test('it stays sealed across restarts, also after a kill', async () => {
  for (const signal of ['SIGKILL', 'SIGTERM']) {
    await agent.up();
    await online();
    await agent.down(signal);
    await offline();
    assert.equal(await readFile(tokenFile(), 'latin1'), sealed);
  }
});

test('without the key, or with another, it neither starts nor registers again', async () => {
  const agents = (await admin.get('/api/agent/list')).total;
  const without = await startAndFail();
  assert.match(without, /permanent_token is sealed, and there is no key/);
  assert.match(without, /TOKEN_KEY_FILE/);
  const other = join(dir, 'other');
  await writeFile(other, randomBytes(32));
  const wrong = await startAndFail({ TOKEN_KEY_FILE: other });
  assert.ok(wrong.includes(tokenFile()) && wrong.includes(other), wrong);
  assert.match(wrong, /sealed with another key, or has been changed/);
  await writeFile(other, 'too short');
  assert.match(await startAndFail({ TOKEN_KEY_FILE: other }), /at least 32 bytes/);
  assert.match(await startAndFail({ TOKEN_KEY_FILE: join(dir, 'none') }), /No such file/);
  assert.equal(await readFile(tokenFile(), 'latin1'), sealed);
  assert.equal((await admin.get('/api/agent/list')).total, agents);
});

test('a changed or cut file does not start either', async () => {
  for (const bad of [sealed.slice(0, -1), `${sealed.slice(0, 40)}\x00${sealed.slice(41)}`, sealed.slice(0, 10), `${sealed}x`]) {
    await writeFile(tokenFile(), bad, 'latin1');
    assert.match(await startAndFail({ TOKEN_KEY_FILE: key }), /cannot be opened with the key of/);
  }
  await writeFile(tokenFile(), sealed, 'latin1');
});

test('the key as a systemd credential, and two sources at once', async () => {
  const credentials = join(dir, 'credentials');
  await mkdir(credentials);
  await writeFile(join(credentials, 'dockmon_token_key'), await readFile(key));
  assert.match(await startAndFail({ TOKEN_KEY_FILE: key, CREDENTIALS_DIRECTORY: credentials }), /has two sources, TOKEN_KEY_FILE .* and the systemd credential/);
  agent.env = { CREDENTIALS_DIRECTORY: credentials };
  await agent.up();
  await online();
  await agent.down();
  await offline();
});

test('--check reports how the token is stored', async () => {
  const check = async (env) =>
    (await run(bin('dockmon-agent'), ['--check'], {
      env: { DOCKMON_URL: server.url, DATA_PATH: agent.dir, DOCKER_HOST: engine.host, REGISTRATION_TOKEN: '', PERMANENT_TOKEN: '', ...env },
    })).stdout;
  assert.match(await check({ TOKEN_KEY_FILE: key }), new RegExp(`^ok .*sealed with the key of ${key}$`, 'm'));
  const empty = join(dir, 'empty');
  await mkdir(empty);
  assert.match(await check({ TOKEN_KEY_FILE: key, DATA_PATH: empty, REGISTRATION_TOKEN: 'a-token' }), /will be sealed with the key of/);
  await writeFile(join(empty, 'permanent_token'), 'as-text');
  assert.match(await check({ TOKEN_KEY_FILE: key, DATA_PATH: empty }), /^note .*will be sealed .* at the next start$/m);
  assert.equal(await readFile(join(empty, 'permanent_token'), 'utf8'), 'as-text');
});

test('a registration with a key and a token as files', async () => {
  const fresh = await temporaryDirectory();
  const tokenPath = join(dir, 'registration');
  await admin.delete(`/api/hosts/${(await admin.get('/api/hosts'))[0].id}`);
  await writeFile(tokenPath, `${await server.token()}\n`);
  await rm(agent.dir, { recursive: true, force: true });
  agent.dir = fresh;
  agent.env = { TOKEN_KEY_FILE: key, REGISTRATION_TOKEN_FILE: tokenPath };
  await agent.up();
  await online();
  await agent.process.line(/connected and accepted/); // logged after the token was stored
  assert.ok((await readFile(tokenFile(), 'latin1')).startsWith(MAGIC));
});

// No secret is logged at any level by any program, whatever is done with it, nor
// repeated in answers, nor shown in the process list: tokens, keys, passwords, cookies, environments of containers.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Client, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const secrets = {}; // description -> the text that must not appear
const outputs = []; // processes, also those that were restarted
const answers = []; // of the server, except those of calls that return a secret
let server, agent, admin, keys;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
  admin = await server.client('admin');
  secrets['API key'] = admin.key;
  secrets['initial password'] = await server.adminPassword();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
  if (keys) await rm(keys, { recursive: true, force: true });
});

const permanentToken = () => eventually(async () => (await readFile(join(agent.dir, 'permanent_token'), 'utf8').catch(() => '')).trim());

// The command lines of all processes that we have started, and of their children.
async function commandLines() {
  const all = await Promise.all((await readdir('/proc')).filter((p) => /^\d+$/.test(p)).map(async (pid) => {
    const text = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ');
    return /^\S*dockmon/.test(text) ? text : '';
  }));
  return all.filter(Boolean);
}

async function login(password) {
  return new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password } });
}

test('operations with secrets', async () => {
  secrets['registration token'] = await server.token();
  agent = await Agent.start(server, engine, { token: secrets['registration token'] });
  const host = await admin.onlineHost();
  secrets['permanent token'] = await permanentToken();
  const { agent_id: id } = (await admin.get('/api/agent/list')).agents[0];
  answers.push(await admin.post(`/api/agent/${id}/rotate-token`, {}));
  secrets['rotated token'] = await permanentToken();
  assert.notEqual(secrets['rotated token'], secrets['permanent token']);

  secrets['refused token'] = '0badf00d-1111-4222-8333-444455556666';
  assert.equal((await new HandAgent(server).connect(secrets['refused token'])).type, 'auth_error');
  secrets['token of a malformed registration'] = 'ma1f0rmed-token-of-nobody';
  await new HandAgent(server).dial(`{"type":"register","token":"${secrets['token of a malformed registration']}","engine_id":7`);
  secrets['token of an invalid registration'] = 'inva1id-token-of-nobody';
  await new HandAgent(server).dial({ type: 'register', token: secrets['token of an invalid registration'], engine_id: 7 });

  secrets['token by API'] = (await admin.post('/api/agent/generate-token', { multi_use: true })).token;
  secrets['key by API'] = (await admin.post('/api/v2/api-keys', { name: 'made', role: 'viewer' })).key;
  secrets['wrong password'] = 'wr0ng-passw0rd-0f-n0b0dy';
  assert.equal((await login(secrets['wrong password'])).status, 401);
  const answer = await login(secrets['initial password']);
  secrets.cookie = /session_id=([^;]+)/.exec(answer.headers.get('set-cookie'))[1];
  const session = new Client(server, { cookie: `session_id=${secrets.cookie}` });
  secrets['new password'] = 'a-new-passw0rd-f0r-admin';
  await session.post('/api/v2/auth/change-password', { current_password: secrets['initial password'], new_password: secrets['new password'] });
  secrets['reset password'] = await server.admin('user', 'reset-password', 'admin');
  secrets['wrong key'] = `dm_${'5ec2e7'.repeat(10)}abcd`;
  await new Client(server, { key: secrets['wrong key'] }).get('/api/hosts', { status: 401 });
  secrets['password of a malformed login'] = 'malf0rmed-l0gin-passw0rd';
  await admin.post('/api/v2/auth/login', `{"username": "admin", "password": "${secrets['password of a malformed login']}"`, { status: 400 });
  secrets['key in a query'] = 'key-in-a-query-0f-n0b0dy';
  await admin.fetch('GET', `/api/hosts?token=${secrets['key in a query']}`);

  secrets['environment of a container'] = 'hunter2-in-the-envir0nment';
  const c = await engine.run('secretive', { args: ['-e', `PASSWORD=${secrets['environment of a container']}`], command: ['sh', '-c', 'echo 0utput-0f-the-c0ntainer; sleep 600'] });
  secrets['output of a container'] = '0utput-0f-the-c0ntainer';
  await admin.container(c.name);
  await admin.get(`/api/hosts/${host.id}/containers/${c.id}/inspect`);
  await eventually(async () => (await admin.get(`/api/hosts/${host.id}/containers/${c.id}/logs`)).logs.length > 0);
  await admin.post(`/api/hosts/${host.id}/containers/${c.id}/stop?timeout=0`);

  outputs.push(agent.process, server.process);
  await agent.down();
  secrets['secret of the token key'] = randomBytes(24).toString('hex');
  keys = await mkdtemp(join(tmpdir(), 'dockmon-secrets-'));
  await writeFile(join(keys, 'key'), secrets['secret of the token key']);
  agent.env.TOKEN_KEY_FILE = join(keys, 'key');
  await agent.up();
  await admin.onlineHost();
  answers.push(await admin.post(`/api/agent/${id}/rotate-token`, {})); // sealed, so its value is unknown here
  await server.down();
  await server.up();
  await admin.onlineHost();
  outputs.push(agent.process, server.process);

  // Revoked and refused with its token; then back with a token from a file.
  answers.push(await admin.post(`/api/agent/${id}/revoke`, {}));
  await agent.process.line(/the server refused this agent/);
  await agent.down();
  secrets['registration token in a file'] = await server.token();
  await writeFile(join(keys, 'token'), secrets['registration token in a file']);
  agent.token = '';
  agent.env.REGISTRATION_TOKEN_FILE = join(keys, 'token');
  await agent.up();
  await eventually(async () => (await admin.get('/api/agent/list')).agents[0].connected);
  outputs.push(agent.process);
  for (const path of ['/api/agent/list', '/api/hosts', `/api/agent/${id}/status`, `/api/hosts/${host.id}/agent`, '/health', '/api/v2/api-keys', '/api/v2/users', '/api/v2/auth/me'])
    answers.push(await admin.get(path));
});

test('no secret is in the process list, even if it was given as a flag', async () => {
  secrets['token as a flag'] = 'registrati0n-t0ken-as-a-flag';
  secrets['other token as a flag'] = 'permanent-t0ken-as-a-flag';
  const flags = new Process(bin('dockmon-agent'), ['--registration-token', secrets['token as a flag'], `--permanent-token=${secrets['other token as a flag']}`], {
    name: 'dockmon-agent',
    env: { DOCKMON_URL: server.url, DATA_PATH: keys, DOCKER_HOST: engine.host, LOG_LEVEL: 'debug', LOG_JSON: 'false' },
  });
  try {
    await flags.line(/the server refused this agent/);
    const lines = await commandLines();
    assert.ok(lines.some((l) => l.includes('--registration-token')) && lines.some((l) => l.includes('--data-dir')), lines.join('\n'));
    for (const line of lines) for (const [what, secret] of Object.entries(secrets)) assert.ok(!line.includes(secret), `${what} in: ${line}`);
  } finally {
    await flags.stop();
  }
  outputs.push(flags);
});

test('an API key that is given to the CLI as a flag is not in the process list', async () => {
  const mute = createServer(() => {}); // makes it wait
  await new Promise((done) => mute.listen(0, '127.0.0.1', done));
  const met = once(mute, 'connection');
  const login = new Process(bin('dockmon'), ['login', '--api-key', secrets['wrong key'], `http://127.0.0.1:${mute.address().port}`], {
    name: 'dockmon',
    env: { HOME: keys, XDG_CONFIG_HOME: '' },
  });
  const [socket] = await met;
  try {
    const line = await readFile(`/proc/${login.child.pid}/cmdline`, 'utf8');
    assert.ok(line.includes(`--api-key\0${'x'.repeat(secrets['wrong key'].length)}\0http`), line);
  } finally {
    socket.destroy();
    mute.close();
    await login.stop();
  }
});

test('no secret is on disk where it need not be', async () => {
  const seek = async (dir) => {
    for (const name of await readdir(dir, { recursive: true })) {
      const path = join(dir, name);
      if (!(await stat(path)).isFile() || name === 'initial-admin-password') continue;
      const data = await readFile(path, 'latin1');
      for (const [what, secret] of Object.entries(secrets))
        if (!/container/.test(what)) assert.ok(!data.includes(secret), `${what} in ${name}`);
    }
  };
  await seek(agent.dir);
  await seek(server.dir);
});

test('no secret is in the output of server and agent', async () => {
  assert.ok(Object.keys(secrets).length >= 17);
  for (const p of outputs) {
    const text = p.lines.join('\n');
    assert.match(text, /debug/i, `${p.name} logs at the most talkative level`);
    for (const [what, secret] of Object.entries(secrets)) {
      assert.ok(secret.length >= 12, what);
      assert.ok(!text.includes(secret), `${p.name} logs the ${what}: ${p.lines.find((l) => l.includes(secret))}`);
    }
  }
});

test('no secret is in answers, the event log or the audit log', async () => {
  const text = JSON.stringify([answers, await admin.get('/api/events?limit=1000'), await admin.get('/api/audit?limit=500')]);
  for (const [what, secret] of Object.entries(secrets)) assert.ok(!text.includes(secret), what);
});

test('a token that the agent refuses is not repeated', async () => {
  const r = await run(bin('dockmon-agent'), ['--permanent-token', 'se cret'], {
    env: { DOCKMON_URL: server.url, REGISTRATION_TOKEN: 'an0ther se cret', DATA_PATH: '/nowhere', PERMANENT_TOKEN: '' },
  });
  assert.equal(r.code, 2);
  assert.doesNotMatch(r.stderr, /se cret/);
});

test('the CLI repeats neither key nor password', async () => {
  const wrong = await dockmon(server, secrets['wrong key'], ['ps']);
  assert.equal(wrong.code, 1);
  assert.ok(!(wrong.stdout + wrong.stderr).includes(secrets['wrong key']));
  const login = await dockmon(server, null, ['login', '-u', 'admin', '--password-stdin'], {
    env: { HOME: '/nonexistent', XDG_CONFIG_HOME: '' },
    input: `${secrets['wrong password']}\n`,
  });
  assert.equal(login.code, 1);
  assert.ok(!(login.stdout + login.stderr).includes(secrets['wrong password']));
});

// Nothing secret is logged, at the most talkative level, by any of the programs, whatever is done with it:
// tokens, keys, passwords, cookies, environments of containers.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Client, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const secrets = {}; // what it is -> the text that must not appear
const outputs = []; // processes, those that were restarted, too
let server, agent, admin;

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
});

async function login(password) {
  return new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password } });
}

test('much is done with secrets', async () => {
  secrets['registration token'] = await server.token();
  agent = await Agent.start(server, engine, { token: secrets['registration token'] });
  const host = await admin.onlineHost();
  secrets['permanent token'] = (await readFile(join(agent.dir, 'permanent_token'), 'utf8')).trim();

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
  await agent.up();
  await admin.onlineHost();
  await server.down();
  await server.up();
  await admin.onlineHost();
  outputs.push(agent.process, server.process);
});

test('none of it is in the output of server and agent', async () => {
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

test('none of it is in the event log or the audit log', async () => {
  const text = JSON.stringify([await admin.get('/api/events?limit=1000'), await admin.get('/api/audit?limit=500')]);
  for (const [what, secret] of Object.entries(secrets)) assert.ok(!text.includes(secret), what);
});

test('a token that the agent refuses to take is not repeated', async () => {
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

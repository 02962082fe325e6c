// Moving in: a database of DockMon is taken over; its agents, users and keys work on our server untouched.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

// Of "correct horse", as DockMon stores it.
const ARGON2 =
  '$argon2id$v=19$m=65536,t=2,p=1$OXgmHFWR6KO2LgMi5eKmCA$84V+P0DCxoDASzWuMar5IsZaw5RdMPgyH2+VE/Mia0M';
// Of the same, as DockMon 1 stores it.
const BCRYPT = '$2b$12$Ro0CUfOqk6cXEKf3dyaM7ObW9URLVDjB4hhdRYtG8g/354f2PmVSa';
const KEY = `dockmon_${'k'.repeat(43)}`;
// A token of Fernet with its key, of the specification.
const SEALED = 'gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==';
const ENCRYPTION_KEY = 'cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=';
// Tables of DockMon that are named in the report, whether the file has them or not.
const TABLES = [
  'agents', 'alembic_version', 'api_keys', 'audit_log', 'auto_restart_configs', 'container_desired_states',
  'container_http_health_checks', 'container_stats_history', 'container_updates', 'custom_groups', 'deployment_metadata',
  'deployments', 'docker_hosts', 'event_logs', 'global_settings', 'host_stats_history', 'notification_channels',
  'oidc_config', 'registration_tokens', 'registry_credentials', 'tag_assignments', 'tags', 'user_prefs', 'users',
];
const NOW = "'2025-11-02 09:13:07.123456'";

// The tables of both eras, with the columns that an import reads and some that it does not.
const schema = (era, agent) => `
CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL,
  is_first_login BOOLEAN, must_change_password BOOLEAN, created_at DATETIME, prefs TEXT);
INSERT INTO users VALUES (1, 'admin', '${ARGON2}', 0, 0, ${NOW}, '{}'), (2, 'carol', '${BCRYPT}', 0, 0, ${NOW}, NULL);
CREATE TABLE docker_hosts (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, url TEXT NOT NULL, tls_cert TEXT,
  is_active BOOLEAN DEFAULT 1, engine_id TEXT, connection_type TEXT, created_at DATETIME);
INSERT INTO docker_hosts VALUES ('${agent.host}', 'alpha', 'agent://', NULL, 1, '${agent.engine}', 'agent', ${NOW});
CREATE TABLE agents (id TEXT PRIMARY KEY, host_id TEXT NOT NULL UNIQUE, engine_id TEXT NOT NULL, version TEXT,
  proto_version TEXT, capabilities JSON, status TEXT, last_seen_at DATETIME, registered_at DATETIME
  ${era === 'head' ? ', agent_os TEXT, agent_arch TEXT, force_unique BOOLEAN NOT NULL DEFAULT 0' : ''});
INSERT INTO agents (id, host_id, engine_id, version, proto_version, capabilities, status, last_seen_at, registered_at)
  VALUES ('${agent.id}', '${agent.host}', '${agent.engine}', '1.1.2', '1.1', '"{}"', 'online', ${NOW}, ${NOW});
${era === 'head' ? HEAD : ''}`;

const HEAD = `
CREATE TABLE custom_groups (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE user_group_memberships (user_id INTEGER, group_id INTEGER);
INSERT INTO custom_groups VALUES (1, 'Administrators'), (2, 'Operators'), (3, 'Read Only');
INSERT INTO user_group_memberships VALUES (1, 1), (2, 3);
CREATE TABLE api_keys (id INTEGER PRIMARY KEY, name TEXT, key_hash TEXT, key_prefix TEXT, group_id INTEGER,
  allowed_ips TEXT, expires_at DATETIME, revoked_at DATETIME, created_at DATETIME);
INSERT INTO api_keys VALUES (1, 'ci', '${createHash('sha256').update(KEY).digest('hex')}', 'dockmon_kkkkk', 2, NULL,
  NULL, NULL, ${NOW});
CREATE TABLE registry_credentials (id INTEGER PRIMARY KEY, registry_url TEXT, username TEXT, password_encrypted TEXT);
INSERT INTO registry_credentials VALUES (1, 'https://Registry.Example:5000/v2/', 'robot', '${SEALED}');
CREATE TABLE host_stats_history (host_id TEXT, resolution TEXT, timestamp INTEGER);
INSERT INTO host_stats_history VALUES ('h', '1h', 1762074787), ('h', '1h', 1762074794);
CREATE TABLE audit_log (id INTEGER PRIMARY KEY, username TEXT, action TEXT, entity_type TEXT, entity_name TEXT,
  host_name TEXT, details TEXT, ip_address TEXT, created_at DATETIME);
INSERT INTO audit_log VALUES (1, 'dave', 'stop', 'container', 'web', 'alpha', NULL, '192.0.2.7', ${NOW});
CREATE TABLE zebra (id INTEGER);`;

const later = cleanups();
let dir;

before(async () => {
  dir = await temporaryDirectory();
});
after(() => rm(dir, { recursive: true, force: true }));

const offline = (data, ...words) => run(bin('dockmond'), ['--data-dir', data, ...words]);

async function create(name, era, agent) {
  const file = join(dir, `${name}.db`);
  const made = await run('sqlite3', [file, schema(era, agent)]);
  assert.equal(made.code, 0, made.stderr);
  return file;
}

const newAgent = () => ({ id: randomUUID(), host: randomUUID(), engine: randomUUID() });

async function login(server, username, password = 'correct horse') {
  const body = { username, password };
  return (await new Client(server).fetch('POST', '/api/v2/auth/login', { body })).status;
}

for (const era of ['seed', 'head']) {
  test(`agents, users and keys of a ${era} database work on our server`, async () => {
    const agent = newAgent();
    const file = await create(era, era, agent);
    const data = join(dir, era);

    const dry = await offline(data, 'import-dockmon', '--dry-run', file);
    assert.equal(dry.code, 0, dry.stderr);
    assert.match(dry.stdout, /hosts +1 +0 +0\n/);
    assert.match(dry.stdout, /Nothing was changed/);
    await assert.rejects(access(data), { code: 'ENOENT' });
    const first = await offline(data, 'import-dockmon', file);
    assert.match(first.stdout, /users +2 +0 +0\n[^]*Done: \d+ rows/, first.stderr);
    const again = await offline(data, 'import-dockmon', file);
    assert.match(again.stdout, /users +0 +2 +0\n[^]*Done: 0 rows/, again.stderr);
    // A file without groups does not say who is an administrator.
    if (era === 'seed') {
      assert.match(first.stdout, /carol: becomes a viewer/);
      assert.match(first.stdout, /^WARNING: ALL USERS OF THE FILE BECOME VIEWERS/m);
      assert.match(first.stdout, /user_group_memberships, group_memberships, user_groups were searched/);
      assert.match(first.stdout, /user set-role --role admin NAME/);
      const raised = await offline(data, 'user', 'set-role', '--role', 'admin', 'admin');
      assert.equal(raised.code, 0, raised.stderr);
    }

    if (era === 'head') assert.match(first.stdout, /^Members of groups: read from table user_group_memberships\.$/m);

    const server = await Server.start({ dir: data });
    try {
      const busy = await offline(data, 'import-dockmon', file);
      assert.match(busy.stderr, /another dockmond is running/);
      assert.equal(await login(server, 'admin'), 200);

      // The hash of bcrypt is replaced at the first login with the right password.
      const hash = () => run('sqlite3', [join(data, 'dockmon.db'), "SELECT password_hash FROM users WHERE name = 'carol'"]);
      assert.equal(await login(server, 'carol', 'wrong horse'), 401);
      assert.equal((await hash()).stdout.trim(), BCRYPT);
      assert.equal(await login(server, 'carol'), 200);
      assert.match((await hash()).stdout, /^\$argon2id\$v=19\$m=65536,t=2,p=1\$/);
      assert.equal(await login(server, 'carol'), 200);

      // The agent has only its id, and is given a token of its own.
      const peer = new HandAgent(server, { era, engineId: agent.engine, hostname: 'alpha' });
      assert.equal((await peer.connect(agent.id)).type, 'auth_success');
      assert.equal(peer.hostId, agent.host);
      assert.notEqual(peer.permanentToken, agent.id);
      await peer.close();
      assert.equal((await peer.connect(peer.permanentToken)).type, 'auth_success');

      const client = era === 'head' ? new Client(server, { key: KEY }) : await server.client();
      const host = await client.onlineHost();
      assert.equal(host.id, agent.host);
      assert.equal(host.name, 'alpha');
      if (era === 'head') {
        const { entries } = await (await server.client()).get('/api/v2/audit-log?username=dave');
        assert.deepEqual(
          entries.map((e) => [e.action, e.entity_type, e.entity_name, e.host_name, e.ip_address, e.details.result]),
          [['container.stop', 'container', 'web', 'alpha', '192.0.2.7', 'imported from DockMon']],
        );
      }
      await peer.close();
    } finally {
      await server.down();
    }
  });
}

test('the report names each table, and what the key opens', async () => {
  const file = await create('report', 'head', newAgent());
  const data = join(dir, 'report');
  const key = join(dir, 'encryption.key');
  const dry = async (text) => {
    await writeFile(key, text);
    return offline(data, 'import-dockmon', '--dry-run', '--encryption-key', key, file);
  };

  const right = await dry(`${ENCRYPTION_KEY}\n`);
  assert.equal(right.code, 0, right.stderr);
  for (const name of TABLES) assert.match(right.stdout, new RegExp(`^table ${name}: (read, \\d|not taken, \\d+ rows|not in the file)`, 'm'));
  const lines = right.stdout.split('\n');
  assert.ok(lines.includes('table audit_log: read, 1 rows'));
  assert.ok(lines.includes('table user_group_memberships: read'));
  assert.equal(lines.find((l) => l.startsWith('table registry_credentials')), 'table registry_credentials: read, 1 rows, 1 of 1 sealed values opened by the key');
  assert.match(right.stdout, /^registries +1 +0 +0$/m);
  assert.match(right.stdout, /^table host_stats_history: not taken, 2 rows: statistics begin again/m);
  assert.match(right.stdout, /^table zebra: not taken: not known/m);
  assert.doesNotMatch(right.stdout, /hello/);
  const without = await offline(data, 'import-dockmon', '--dry-run', file);
  assert.match(without.stdout, /registry_credentials: read, 1 rows, 1 sealed values not read without --encryption-key/);
  assert.match(without.stdout, /^ +registry.example:5000: the password is sealed: give --encryption-key$/m);

  const wrong = await dry(ENCRYPTION_KEY.replace('4e4=', '4e8='));
  assert.equal(wrong.code, 1);
  assert.equal(wrong.stdout, '');
  assert.match(wrong.stderr, /opens none of the 1 sealed values of this database: it is the key of another installation/);
  const malformed = await dry('secret');
  assert.equal(malformed.code, 1);
  assert.match(malformed.stderr, /is not a key of DockMon/);
  assert.doesNotMatch(malformed.stderr, /secret/);
  await assert.rejects(access(data), { code: 'ENOENT' });
});

const digest = async (file) => createHash('sha256').update(await readFile(file)).digest('hex');

// A second import of the file stands for DockMon's own server: in both, the id of the agent is its token.
test('the commands of the guide move there and back', async () => {
  const guide = await readFile(new URL('../../docs/moving-from-dockmon.md', import.meta.url), 'utf8');
  const commands = [...guide.matchAll(/^ {4,}dockmond (.+)$/gm)].map((m) => m[1]);
  const agent = newAgent();
  const file = await create('guide', 'seed', agent);
  const before = await digest(file);
  const move = async (data) => {
    for (const command of commands) {
      const words = command.replace('/var/lib/dockmon', data).replace('dockmon-old.db', file).split(' ');
      const r = await run(bin('dockmond'), words);
      assert.equal(r.code, 0, `${command}: ${r.stderr}`);
    }
    const server = await Server.start({ dir: data });
    later(() => server.down());
    return server;
  };
  const isOnline = async (server) => {
    const host = await (await server.client()).onlineHost();
    assert.deepEqual([host.id, host.name], [agent.host, 'alpha']);
  };

  // Swap the server: the administrator of the guide can log in.
  assert.equal(commands.length, 3);
  const server = await move(join(dir, 'there'));
  const admin = new Client(server);
  const r = await admin.fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password: 'correct horse' } });
  assert.equal((await r.json()).user.role, 'admin');

  // Swap the agent: ours has the folder of the old one.
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info = { Name: 'alpha', ID: agent.engine };
  const folder = join(dir, 'folder');
  const token = () => readFile(join(folder, 'permanent_token'), 'utf8');
  await mkdir(folder);
  await writeFile(join(folder, 'permanent_token'), agent.id);
  const ours = await Agent.start(server, engine, { dir: folder, token: '' });
  await isOnline(server);
  await eventually(async () => (await token()) !== agent.id, { what: 'the agent has a token of its own' });
  const list = await (await server.client()).get('/api/agent/list');
  assert.deepEqual(list.agents.map((a) => a.agent_id), [agent.id]);
  await ours.down();

  // The folder is lost.
  const [, replace] = /`dockmond (token create --replace HOST)`/.exec(guide);
  const lost = await Agent.start(server, engine, { token: await server.admin(...replace.replace('HOST', 'alpha').split(' ')) });
  await isOnline(server);
  await lost.remove();
  await server.down();

  // Go back: the database was only read, and the agent has a token that its server does not know.
  assert.equal(await digest(file), before);
  assert.match(guide, /`PERMANENT_TOKEN` set to its id/);
  const back = await move(join(dir, 'back'));
  ours.server = back;
  ours.env.PERMANENT_TOKEN = agent.id;
  await ours.up();
  later(() => ours.down());
  await isOnline(back);
});

// Moving in: a database of DockMon is taken over; its agents, users and keys work on our server untouched.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';

// Of "correct horse", as DockMon stores it.
const ARGON2 =
  '$argon2id$v=19$m=65536,t=2,p=1$OXgmHFWR6KO2LgMi5eKmCA$84V+P0DCxoDASzWuMar5IsZaw5RdMPgyH2+VE/Mia0M';
// Of the same, as DockMon 1 stores it.
const BCRYPT = '$2b$12$Ro0CUfOqk6cXEKf3dyaM7ObW9URLVDjB4hhdRYtG8g/354f2PmVSa';
const KEY = `dockmon_${'k'.repeat(43)}`;
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
CREATE TABLE registry_credentials (id INTEGER PRIMARY KEY, password_encrypted TEXT);`;

let dir;

before(async () => {
  dir = await temporaryDirectory();
});
after(() => rm(dir, { recursive: true, force: true }));

const offline = (data, ...words) => run(bin('dockmond'), ['--data-dir', data, ...words]);

async function login(server, username, password = 'correct horse') {
  const body = { username, password };
  return (await new Client(server).fetch('POST', '/api/v2/auth/login', { body })).status;
}

for (const era of ['seed', 'head']) {
  test(`agents, users and keys of a ${era} database work on our server`, async () => {
    const agent = { id: randomUUID(), host: randomUUID(), engine: randomUUID() };
    const file = join(dir, `${era}.db`);
    const data = join(dir, era);
    const made = await run('sqlite3', [file, schema(era, agent)]);
    assert.equal(made.code, 0, made.stderr);

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
      assert.match(first.stdout, /user set-role --role admin NAME/);
      const raised = await offline(data, 'user', 'set-role', '--role', 'admin', 'admin');
      assert.equal(raised.code, 0, raised.stderr);
    }

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
      await peer.close();
    } finally {
      await server.down();
    }
  });
}

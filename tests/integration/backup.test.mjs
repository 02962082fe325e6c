// Backup while the server works, and restore: hosts, users and keys come back.
import assert from 'node:assert/strict';
import { stat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

let server, dir, file;

before(async () => {
  server = await Server.start();
  dir = await temporaryDirectory();
  file = join(dir, 'dockmon.backup');
});
after(async () => {
  await server?.remove();
  if (dir) await rm(dir, { recursive: true, force: true });
});

const offline = (data, ...words) => run(bin('dockmond'), ['--data-dir', data, ...words]);

test('a backup under load is complete and restores everything', { timeout: 120000 }, async () => {
  const client = await server.client('admin');
  const viewer = await server.client('viewer');
  const password = await server.adminPassword();
  const agent = new HandAgent(server);
  assert.equal((await agent.connect(await server.token())).type, 'auth_success');
  const host = await client.onlineHost();

  let isOver = false;
  let n = 0;
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!isOver) {
        await client.post('/api/agent/generate-token');
        n++;
      }
    }),
  );
  await eventually(() => n > 20);
  for (let i = 0; i < 3; i++) {
    const r = await offline(server.dir, 'backup', file);
    assert.equal(r.code, 0, r.stderr);
    assert.match(r.stderr, /dockmon\.backup written and verified/);
  }
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const before = n;
  await eventually(() => n > before + 20, { what: 'the server serves on' });
  isOver = true;
  await load;

  const late = await server.client('admin'); // not in the backup
  const busy = await offline(server.dir, 'restore', file);
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /another dockmond is running/);
  await late.get('/api/hosts');

  await agent.close();
  await server.down();
  const restored = await offline(server.dir, 'restore', file);
  assert.equal(restored.code, 0, restored.stderr);
  await server.up();
  assert.deepEqual((await client.get('/api/hosts')).map((h) => h.id), [host.id]);
  await viewer.get('/api/containers');
  await viewer.get('/api/audit', { status: 403 });
  await late.get('/api/hosts', { status: 401 });
  const login = await new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password } });
  assert.equal(login.status, 200, await login.text());
  assert.equal((await agent.connect(agent.permanentToken)).type, 'auth_success');
  await agent.close();
  const audit = await client.get('/api/audit?action=backup.restore');
  assert.match(JSON.stringify(audit), /dockmon\.backup/);
});

test('the initial password file is removed with its database', async () => {
  const other = await Server.start();
  try {
    await other.adminPassword();
    await other.down();
    const restored = await offline(other.dir, 'restore', file);
    assert.equal(restored.code, 0, restored.stderr);
    await assert.rejects(other.adminPassword(), { code: 'ENOENT' });
    await other.up();
    assert.equal((await (await other.client('admin')).get('/api/hosts')).length, 1);
  } finally {
    await other.remove();
  }
});

test('a file that is not a backup is refused, and the database is kept', async () => {
  await server.down();
  const r = await offline(server.dir, 'restore', new URL(import.meta.url).pathname);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /is damaged \(file is not a database\)/);
  await server.up();
});

// Backup while the server works, and restore: hosts, users and keys come back.
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
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

test('a restore elsewhere: agents and the CLI go on with the same key, and the history is there', { timeout: 120000 }, async () => {
  const first = await Server.start({ args: ['--tls'] });
  const elsewhere = join(dir, 'elsewhere');
  const copy = join(dir, 'whole.backup');
  const pin = await first.admin('fingerprint');
  const key = await first.admin('apikey', 'create', '--name', 'cli', '--role', 'admin');
  await eventually(() => stat(join(first.dir, 'history/head.db')));
  const saved = await offline(first.dir, 'backup', copy);
  assert.match(saved.stderr, /written and verified: the database, the server's key, [1-9]\d* files of the history/);
  const port = first.port;
  await first.remove(); // the machine is lost

  const restored = await offline(elsewhere, 'restore', copy);
  assert.equal(restored.code, 0, restored.stderr);
  assert.doesNotMatch(restored.stderr, /previous database/, 'there was none');
  await stat(join(elsewhere, 'history/head.db'));
  const second = await Server.start({ dir: elsewhere, args: ['--tls'], port });
  try {
    assert.equal(await second.admin('fingerprint'), pin);
    const r = await dockmon(second, key, ['hosts'], { env: { DOCKMON_PIN: pin } });
    assert.equal(r.code, 0, r.stderr);
  } finally {
    await second.remove();
  }
});

test('scheduled backups are written, limited in number, and survive a full disk', { timeout: 120000 }, async () => {
  const disk = join(dir, 'disk');
  await mkdir(disk);
  assert.equal((await run('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])).code, 0, 'needs root');
  const old = Array.from({ length: 9 }, (_, n) => `dockmon-2020010${n + 1}-030000.backup`);
  for (const name of [...old, 'dockmon-20200101-030000.backup.unfinished', 'mine.backup']) await writeFile(join(disk, name), '');
  const data = await temporaryDirectory();
  const large = join(data, 'history', 'large');
  await mkdir(join(data, 'history'), { mode: 0o700 });
  await writeFile(large, '');
  await truncate(large, 40 << 20);
  const s = await Server.start({ dir: data, args: ['--backup-schedule', 'daily@03:00', '--backup-dir', disk] });
  try {
    await s.process.line(/no backup was written: .* has [01] MiB left; 4[1-5] MiB are needed, and 64 MiB stay free; tried again in 10 s/, { timeout: 30000 });
    await rm(large);
    assert.equal((await readdir(disk)).filter((n) => /^dockmon-2020.*backup$/.test(n)).length, 9, 'a failure removes nothing');
    await (await s.client()).post('/api/agent/generate-token');
    assert.equal((await run('mount', ['-o', 'remount,size=200m', disk])).code, 0);
    const line = await s.process.line(/backup written and verified/, { timeout: 40000 });
    const [, name] = /file=(\S+)/.exec(line);
    const kept = (await readdir(disk)).sort();
    assert.deepEqual(kept, [...old.slice(3), name, 'mine.backup'].sort());
    assert.equal((await stat(join(disk, name))).mode & 0o777, 0o600);
    assert.equal((await offline(join(dir, 'from-schedule'), 'restore', join(disk, name))).code, 0);
  } finally {
    await s.remove();
    await run('umount', [disk]);
  }
});

test('an impossible schedule is refused at start', async () => {
  const r = await run(bin('dockmond'), ['--data-dir', join(dir, 'x'), '--backup-schedule', 'daily@25:00', '--check']);
  assert.equal(r.code, 2);
  assert.match(r.stderr, /--backup-schedule .*`daily@25:00` is neither daily@HH:MM nor hourly@MM/);
});

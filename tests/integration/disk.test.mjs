// With a full disk, a data directory that cannot be written, or a locked database the error is clear, nothing is
// damaged, and everything works again once the cause is removed. Needs root, to mount a file system.
import assert from 'node:assert/strict';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Client, Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const PAGE = Buffer.alloc(4096);
let dir;

before(async () => {
  dir = await temporaryDirectory();
});
after(() => rm(dir, { recursive: true, force: true }));

// A server whose data directory is a small file system in a mount namespace of its own.
class SmallServer {
  static async start(options) {
    const s = new SmallServer();
    s.process = new Process(
      'unshare',
      ['-m', 'sh', '-c', `mount -t tmpfs -o ${options},mode=700 tmpfs ${dir} && exec "$0" "$@"`, bin('dockmond'), '--listen', '127.0.0.1:0', '--data-dir', dir],
      { name: 'dockmond' },
    );
    const line = await s.process.line(/listening on /);
    s.url = `http://127.0.0.1:${/127\.0\.0\.1:(\d+)/.exec(line)[1]}`;
    const key = await s.inside(bin('dockmond'), '--data-dir', dir, 'apikey', 'create', '--name', 'test', '--role', 'admin');
    s.client = new Client(s, { key: key.trim() });
    return s;
  }

  // The server's data directory, as a path in the namespace of the test.
  get data() {
    return join('/proc', String(this.process.child.pid), 'root', dir);
  }

  async inside(...command) {
    const r = await run('nsenter', ['-t', String(this.process.child.pid), '-m', ...command]);
    assert.equal(r.code, 0, `${command.join(' ')}: ${r.stdout}${r.stderr}`);
    return r.stdout;
  }

  async health() {
    const r = await fetch(`${this.url}/health`);
    const body = await r.json();
    return { http: r.status, status: body.status, database: body.components.database.status };
  }

  token() {
    return this.client.fetch('POST', '/api/agent/generate-token');
  }

  async recovered() {
    await eventually(async () => (await this.health()).status === 'healthy', { what: 'the server is healthy again' });
    assert.deepEqual(await this.health(), { http: 200, status: 'healthy', database: 'ok' });
    assert.equal((await this.token()).status, 200);
    await this.process.line(/the database works again/);
    assert.match(await this.inside(bin('dockmond'), '--check', '--data-dir', dir), /^ok +data directory/m);
    assert.equal(this.process.lines.filter((l) => /the database does not work/.test(l)).length, 1, 'logged once');
  }

  static async with(options, body) {
    const s = await SmallServer.start(options);
    try {
      await body(s);
    } finally {
      await s.stop();
    }
  }

  async stop() {
    assert.deepEqual(await this.process.stop(), { code: 0, signal: null });
    assertClean(this.process);
  }
}

test('a full disk is reported, and the server recovers', { timeout: 60000 }, () => SmallServer.with('size=1m', async (s) => {
  assert.deepEqual(await s.health(), { http: 200, status: 'healthy', database: 'ok' });
  const filler = join(s.data, 'filler');
  await assert.rejects(async () => {
    for (;;) await appendFile(filler, PAGE);
  }, /ENOSPC/);

  const failed = await eventually(async () => {
    const r = await s.token(); // the write-ahead log has some room left
    return r.status !== 200 && r;
  });
  assert.equal(failed.status, 503);
  assert.match((await failed.json()).detail, /dockmon\.db: the disk is full/);
  assert.deepEqual(await s.health(), { http: 503, status: 'degraded', database: 'disk_full' });
  await s.process.line(/the database does not work: .*disk is full.* database=disk_full/);
  assert.ok(Array.isArray(await s.client.get('/api/hosts')), 'requests that need no disk work');
  const backup = await run('nsenter', ['-t', String(s.process.child.pid), '-m', bin('dockmond'), '--data-dir', dir, 'backup', join(dir, 'b')]);
  assert.equal(backup.code, 1);
  assert.match(backup.stderr, /b\.unfinished: the disk is full/);

  await rm(filler);
  await s.recovered();
}));

test('a locked database is reported, and the server recovers', { timeout: 60000 }, () => SmallServer.with('size=8m', async (s) => {
  // Acts like another process in a long write transaction: byte 120 of the index is the writers' lock.
  const lock = new Process('perl', [
    '-e',
    'use Fcntl; $| = 1; open(my $f, "+<", $ARGV[0]) or die "$!"; my $l = pack("s s x4 q q l x4", F_WRLCK, 0, 120, 1, 0); fcntl($f, F_SETLKW, $l) or die "$!"; print "locked\\n"; sleep 600',
    join(s.data, 'dockmon.db-shm'),
  ]);
  await lock.line(/^locked$/);
  const r = await s.token();
  assert.equal(r.status, 503);
  assert.match((await r.json()).detail, /dockmon\.db is locked by another process/);
  assert.deepEqual(await s.health(), { http: 503, status: 'degraded', database: 'locked' });
  assert.ok(Array.isArray(await s.client.get('/api/hosts')));
  await s.process.line(/the database does not work: .* database=locked/);
  await lock.stop('SIGKILL');
  await s.recovered();
}));

test('a damaged database is reported and restored from a backup', { timeout: 60000 }, async (t) => {
  const server = await Server.start();
  t.after(() => server.remove());
  const file = join(server.dir, 'dockmon.db');
  const backup = join(dir, 'good');
  const offline = (...words) => run(bin('dockmond'), ['--data-dir', server.dir, ...words]);
  const saved = await offline('backup', backup);
  assert.equal(saved.code, 0, saved.stderr);
  const good = await readFile(backup);
  let client = await server.client('admin');
  await client.get('/api/audit'); // from here on the key is cached
  await server.down();

  // Overwrites one page, the root of the table of registration tokens.
  const root = await run('sqlite3', [file, "select rootpage from sqlite_schema where name = 'registration_tokens'"]);
  const bytes = await readFile(file);
  const size = bytes.readUInt16BE(16);
  bytes.fill(0xa5, (Number(root.stdout) - 1) * size, Number(root.stdout) * size);
  await writeFile(file, bytes);
  const check = await offline('--check');
  assert.equal(check.code, 1);
  assert.match(check.stdout + check.stderr, /dockmon\.db is damaged/);
  const again = await offline('backup', backup);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /dockmon\.db is damaged/);
  assert.ok(good.equals(await readFile(backup)), 'the good backup is still there');

  await server.up();
  const r = await client.fetch('POST', '/api/agent/generate-token');
  assert.ok(r.status >= 500, String(r.status));
  assert.match((await r.json()).detail, /dockmon\.db is damaged .*restore it from a backup/);
  const health = await fetch(`${server.url}/health`);
  assert.equal(health.status, 503);
  assert.equal((await health.json()).components.database.status, 'damaged');
  await server.process.line(/the database does not work: .* database=damaged/);
  assert.ok(Array.isArray(await client.get('/api/hosts')), 'requests that do not need that page work');
  await server.down();

  // Now the whole database is unreadable.
  await writeFile(file, Buffer.alloc(bytes.length, 'rubbish '));
  const start = await run(bin('dockmond'), ['--listen', '127.0.0.1:0', '--data-dir', server.dir]);
  assert.equal(start.code, 1);
  assert.match(start.stderr, /dockmond cannot start: .*dockmon\.db is damaged .*restore it from a backup/);
  assert.ok((await readFile(file)).subarray(0, 8).equals(Buffer.from('rubbish ')), 'the file is not changed');

  const restored = await offline('restore', backup);
  assert.equal(restored.code, 0, restored.stderr);
  await server.up();
  client = await server.client('admin');
  await client.post('/api/agent/generate-token');
  assert.equal((await (await fetch(`${server.url}/health`)).json()).status, 'healthy');
});

test('a server refuses to start on a data directory that cannot be written', async () => {
  const r = await run('unshare', ['-m', 'sh', '-c', `mount -t tmpfs -o ro,mode=700 tmpfs ${dir} && exec "$0" "$@"`, bin('dockmond'), '--listen', '127.0.0.1:0', '--data-dir', dir]);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /dockmond cannot start: open .*dockmon\.db: Read-only file system; it must be readable and writable/);
});

// The files of a web UI that the server reads from --web-dir: caching, compression, and the paths that they must not hide.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Server, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

const SCRIPT = 'export const answer = 42;\n'.repeat(100);
let dir, server;

before(async () => {
  dir = await temporaryDirectory();
  await mkdir(join(dir, 'assets'));
  await writeFile(join(dir, 'index.html'), '<!doctype html><title>DockMon</title>');
  await writeFile(join(dir, 'assets/app-3f9c02d1.js'), SCRIPT);
  await writeFile(join(dir, 'assets/app-3f9c02d1.js.gz'), gzipSync(SCRIPT));
  server = await Server.start({ args: ['--web-dir', dir] });
});

after(async () => {
  await server?.remove();
  await rm(dir, { recursive: true, force: true });
});

// node:http, because fetch() undoes the compression and adds headers of its own.
function get(path, headers = {}, method = 'GET') {
  return new Promise((resolve, reject) => {
    request(server.url + path, { method, headers, agent: false }, (res) => {
      const parts = [];
      res.on('data', (d) => parts.push(d));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
    })
      .on('error', reject)
      .end();
  });
}

test('the start page is revalidated on each request', async () => {
  const r = await get('/');
  assert.equal(r.status, 200);
  assert.equal(r.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(r.headers['cache-control'], 'no-cache');
  assert.equal(r.headers['x-content-type-options'], 'nosniff');
  assert.match(String(r.body), /DockMon/);
});

test('a file with a hash in its name is cached forever', async () => {
  const r = await get('/assets/app-3f9c02d1.js');
  assert.equal(r.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal(r.headers['content-type'], 'text/javascript; charset=utf-8');
  assert.equal(r.headers['content-encoding'], undefined);
  assert.equal(String(r.body), SCRIPT);
});

test('clients that accept gzip receive the precompressed form', async () => {
  for (const accept of ['gzip', 'br, gzip', 'gzip;q=0.5', 'deflate , gzip ;q=1']) {
    const r = await get('/assets/app-3f9c02d1.js', { 'accept-encoding': accept });
    assert.equal(r.headers['content-encoding'], 'gzip', accept);
    assert.equal(r.headers.vary, 'Accept-Encoding');
    assert.equal(String(gunzipSync(r.body)), SCRIPT);
  }
  for (const accept of ['br', 'gzip;q=0', 'gzip;q=0.000', 'identity', '*']) {
    const r = await get('/assets/app-3f9c02d1.js', { 'accept-encoding': accept });
    assert.equal(r.headers['content-encoding'], undefined, accept);
    assert.equal(String(r.body), SCRIPT);
  }
});

test('a matching ETag is answered with 304, and each encoding has its own ETag', async () => {
  const plain = (await get('/assets/app-3f9c02d1.js')).headers.etag;
  const gzip = (await get('/assets/app-3f9c02d1.js', { 'accept-encoding': 'gzip' })).headers.etag;
  assert.notEqual(plain, gzip);
  for (const tag of [plain, `W/${plain}`, `"other", ${plain}`, '*']) {
    const r = await get('/assets/app-3f9c02d1.js', { 'if-none-match': tag });
    assert.equal(r.status, 304, tag);
    assert.equal(r.headers.etag, plain);
    assert.equal(r.body.length, 0);
  }
  assert.equal((await get('/assets/app-3f9c02d1.js', { 'if-none-match': gzip })).status, 200);
  assert.equal((await get('/assets/app-3f9c02d1.js', { 'if-none-match': '"other"' })).status, 200);
});

test('HEAD is answered with headers only', async () => {
  const r = await get('/assets/app-3f9c02d1.js', {}, 'HEAD');
  assert.equal(r.status, 200);
  assert.equal(Number(r.headers['content-length']), SCRIPT.length);
  assert.equal(r.body.length, 0);
});

test('paths of pages are answered with the start page', async () => {
  assert.equal((await get('/containers/web', { accept: 'text/html' })).status, 200);
  assert.equal((await get('/containers/web')).status, 404);
  assert.equal((await get('/assets/missing.js', { accept: 'text/html' })).status, 404);
});

test('the API is not hidden by files', async () => {
  const health = await get('/health', { accept: 'text/html' });
  assert.equal(JSON.parse(String(health.body)).status, 'healthy');
  assert.equal((await get('/api/hosts', { accept: 'text/html' })).status, 401);
  assert.equal((await get('/api/missing', { accept: 'text/html' })).status, 404);
  assert.equal((await get('/index.html', {}, 'POST')).status, 404);
});

test('no path leads outside of the directory', async () => {
  for (const path of ['/../etc/passwd', '/assets/../../etc/passwd', '/%2e%2e/etc/passwd', '/assets/%2e%2e%2f..%2fetc/passwd']) {
    const r = await get(path);
    assert.ok([400, 404].includes(r.status), `${path}: ${r.status}`);
  }
});

test('a directory without a web UI is a start-up error with a reason', async () => {
  const empty = await temporaryDirectory();
  const r = await run(bin('dockmond'), ['--listen', '127.0.0.1:0', '--data-dir', join(empty, 'data'), '--web-dir', empty]);
  assert.notEqual(r.code, 0);
  assert.match(r.stderr, /index\.html is missing/);
  await rm(empty, { recursive: true, force: true });
});

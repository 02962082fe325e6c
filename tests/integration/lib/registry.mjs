// Registries for tests: Debian's docker-registry, images pushed to it, and one by hand for what it cannot be asked to do.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { temporaryDirectory } from './dockmon.mjs';
import { Process } from './process.mjs';
import { once } from 'node:events';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
export const digestOf = (text) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

// The parts of an image for some platforms, as texts by digest; `note` makes another index of the same image.
export function makeImage({ version = '1.0.0', created = '2026-01-02T03:04:05Z', architectures = ['amd64', 'arm64'], note = '' } = {}) {
  const blobs = {};
  const manifests = {};
  const platforms = {};
  const add = (to, value) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    to[digestOf(text)] = text;
    return { digest: digestOf(text), size: text.length };
  };
  const entries = architectures.map((architecture) => {
    const labels = { 'org.opencontainers.image.version': version, 'org.opencontainers.image.source': 'https://git.example/web' };
    const config = add(blobs, { architecture, os: 'linux', created, config: { Labels: labels }, rootfs: { type: 'layers', diff_ids: [] } });
    const entry = add(manifests, { schemaVersion: 2, mediaType: MANIFEST, config: { mediaType: CONFIG, ...config }, layers: [] });
    platforms[architecture] = { digest: entry.digest, config: config.digest };
    return { mediaType: MANIFEST, ...entry, platform: { os: 'linux', architecture } };
  });
  const empty = add(blobs, { note });
  const attestation = add(manifests, { schemaVersion: 2, mediaType: MANIFEST, config: { mediaType: CONFIG, ...empty }, layers: [] });
  entries.push({ mediaType: MANIFEST, ...attestation, platform: { os: 'unknown', architecture: 'unknown' }, annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } });
  const text = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: entries });
  return { blobs, manifests, platforms, index: text, digest: digestOf(text) };
}

export class Registry {
  // `users` is the text of an htpasswd file, `tls` has the paths of a certificate and its key.
  static async start({ users, tls } = {}) {
    const r = new Registry();
    r.dir = await temporaryDirectory();
    await mkdir(join(r.dir, 'images'));
    if (users) await writeFile(join(r.dir, 'users'), users);
    const auth = users ? `auth:\n  htpasswd:\n    realm: test\n    path: ${r.dir}/users\n` : '';
    const keys = tls ? `  tls:\n    certificate: ${tls.cert}\n    key: ${tls.key}\n` : '';
    await writeFile(
      join(r.dir, 'config.yml'),
      `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${r.dir}/images\nhttp:\n  addr: 127.0.0.1:0\n${keys}${auth}`,
    );
    r.process = new Process('docker-registry', ['serve', join(r.dir, 'config.yml')], { name: 'docker-registry' });
    const line = await r.process.line(/listening on (\S+:\d+)/);
    r.port = Number(/listening on \S+:(\d+)/.exec(line)[1]);
    r.name = `127.0.0.1:${r.port}`;
    return r;
  }

  async send(method, path, { body, type, headers = {} } = {}) {
    const url = path.startsWith('http') ? path : `http://${this.name}${path}`;
    const r = await fetch(url, { method, body, headers: { ...(type && { 'content-type': type }), ...this.headers, ...headers } });
    assert.ok(r.ok, `${method} ${url}: ${r.status} ${await r.clone().text()}`);
    return r;
  }

  async push(repository, tag, image) {
    for (const [digest, text] of Object.entries(image.blobs)) {
      const upload = await this.send('POST', `/v2/${repository}/blobs/uploads/`);
      const place = new URL(upload.headers.get('location'), `http://${this.name}`);
      place.searchParams.set('digest', digest);
      await this.send('PUT', String(place), { body: text, type: 'application/octet-stream' });
    }
    for (const [digest, text] of Object.entries(image.manifests)) {
      await this.send('PUT', `/v2/${repository}/manifests/${digest}`, { body: text, type: MANIFEST });
    }
    await this.send('PUT', `/v2/${repository}/manifests/${tag}`, { body: image.index, type: INDEX });
  }

  stop() {
    return this.process.stop();
  }
}

// A registry by hand. `answer(request)` returns { status, headers, body }; requests are kept.
export class HandRegistry {
  static async start(answer) {
    const r = new HandRegistry();
    r.requests = [];
    r.answer = answer;
    r.server = createServer(async (q, s) => {
      r.requests.push({ method: q.method, url: q.url, headers: q.headers });
      const a = await r.answer(q);
      if (!a) return; // it never answers
      s.writeHead(a.status ?? 200, a.headers ?? {});
      s.end(q.method === 'HEAD' ? undefined : a.body);
    });
    r.server.listen(0, '127.0.0.1');
    await once(r.server, 'listening');
    r.port = r.server.address().port;
    r.name = `127.0.0.1:${r.port}`;
    return r;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

// The part of an image that a path names, as a registry by hand answers it.
export function serveImage(image, url) {
  const wanted = decodeURIComponent(url.split('/').pop());
  const text = image.manifests[wanted] ?? image.blobs[wanted] ?? image.index;
  const type = JSON.parse(text).manifests ? INDEX : MANIFEST;
  return { headers: { 'content-type': type, 'docker-content-digest': digestOf(text), 'content-length': String(text.length) }, body: text };
}

// Outdated images: Debian's docker-registry, and registries by hand, are asked about the containers of scripted agents.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Authority, selfSigned } from './lib/authority.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Server, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { HandRegistry, Registry, digestOf, makeImage, serveImage } from './lib/registry.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
const old = makeImage({ version: '1.0.0' });
const next = makeImage({ version: '1.1.0', created: '2026-03-04T05:06:07Z' });
let server, admin, open;
let n = 0;

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  admin = await server.client('admin');
  open = await Registry.start();
  later(() => open.stop());
  await admin.post('/api/registry-credentials', { registry_url: open.name, security: 'plain' }, { status: 201 });
});

// A container on a host of its own; its image has the digests of `image` in the repository.
async function container(reference, image, { more = {}, arch = 'amd64' } = {}) {
  const repository = reference.replace(/@.*$/, '').replace(/:[^/:]*$/, '');
  const hand = new HandAgent(server, { fields: { agent_arch: arch } });
  const c = containerElement({
    name: `web-${n++}`, Image: reference, ImageID: image?.platforms[arch].config,
    RepoDigests: image ? [`${repository}@${image.digest}`] : [], ...more,
  });
  hand.containers = [c];
  assert.equal((await hand.connect(await server.token())).type, 'auth_success');
  later(() => hand.close());
  await admin.container(c.Id);
  const path = `/api/hosts/${hand.hostId}/containers/${c.Id}`;
  return {
    id: `${hand.hostId}:${c.Id.slice(0, 12)}`,
    hand,
    status: () => admin.get(`${path}/update-status`),
    check: (status = 200) => admin.post(`${path}/check-update`, undefined, { status }),
    update: (status) => admin.post(`${path}/execute-update`, {}, { status }),
  };
}

const add = (registry, members = {}) =>
  admin.post('/api/registry-credentials', { registry_url: registry.name, security: 'plain', ...members }, { status: 201 });

async function byHand(answer) {
  const r = await HandRegistry.start(answer);
  later(() => r.stop());
  await add(r);
  return r;
}

test('an open registry: up to date, then outdated, with version and age; a rebuilt index is no update', async () => {
  await open.push('team/web', '1.0.0', old);
  await open.push('team/web', '1.2.0', next);
  await open.push('team/web', '1.0.7', next);
  const c = await container(`${open.name}/team/web:1.0.0`, old);
  assert.deepEqual((({ state, last_checked_at }) => ({ state, last_checked_at }))(await c.status()), { state: 'unknown', last_checked_at: null });

  const same = await c.check();
  assert.equal(same.state, 'up_to_date');
  assert.equal(same.status, 'checked');
  assert.equal(same.way, 'registry');
  assert.equal(same.update_available, false);
  assert.match((await c.update(400)).detail, /No update .* is available/);
  assert.equal(same.latest_digest, old.digest);
  assert.equal(same.current_digest, old.digest);
  assert.deepEqual(same.newer_tags, { patch: '1.0.7', minor: '1.2.0', major: '1.2.0' });

  // Another attestation makes another index; the image of each platform is the same.
  const rebuilt = makeImage({ version: '1.0.0', note: 'built again' });
  assert.notEqual(rebuilt.digest, old.digest);
  await open.push('team/web', '1.0.0', rebuilt);
  const again = await c.check();
  assert.equal(again.state, 'up_to_date', JSON.stringify(again));
  assert.equal(again.latest_digest, rebuilt.digest);

  await open.push('team/web', '1.0.0', next);
  const newer = await c.check();
  assert.equal(newer.state, 'outdated');
  assert.equal(newer.update_available, true);
  assert.equal(newer.latest_version, '1.1.0');
  assert.equal(newer.latest_created, '2026-03-04T05:06:07Z');
  assert.equal(newer.source, 'https://git.example/web');
  assert.equal(newer.platform, 'linux/amd64');

  const summary = await admin.get('/api/updates/summary');
  assert.ok(summary.containers_with_updates.includes(c.id));
  assert.equal(summary.total_updates, summary.containers_with_updates.length);
  assert.equal((await admin.get('/api/dashboard/summary')).updates.available, summary.total_updates);
});

test('local builds and ids are never asked about; pins say that the tag has moved', async () => {
  const local = await container('web:local', null);
  const r = await local.check();
  assert.equal(r.status, 'local_image');
  assert.equal(r.state, 'local');
  const byId = await container(old.platforms.amd64.config, old, { more: { RepoDigests: [`nginx@${old.digest}`] } });
  assert.match((await byId.check(503)).detail, /known only by its id/);

  await open.push('team/pinned', '2', next);
  const pinned = await container(`${open.name}/team/pinned:2@${old.digest}`, old);
  const p = await pinned.check();
  assert.equal(p.state, 'pinned');
  assert.equal(p.tag_has_moved, true);
  assert.equal(p.update_available, false);
});

test('users and passwords: denied without, answered with; the password is on no disk and in no answer', async () => {
  const basic = await Registry.start({ users: 'dave:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n' });
  later(() => basic.stop());
  basic.headers = { authorization: `Basic ${Buffer.from('dave:s3cret').toString('base64')}` };
  await basic.push('team/web', 'latest', next);
  const row = await add(basic);
  const c = await container(`${basic.name}/team/web`, old);
  assert.match((await c.check(503)).detail, /wants a user and a password/);
  assert.equal((await c.status()).check_outcome, 'denied');

  const path = `/api/registry-credentials/${row.id}`;
  const changed = await admin.call('PUT', path, { body: { username: 'dave', password: 's3cret' } });
  assert.equal(changed.username, 'dave');
  assert.equal(changed.has_password, true);
  assert.equal((await c.check()).state, 'outdated');
  assert.doesNotMatch(JSON.stringify(await admin.get('/api/registry-credentials')), /s3cret/);
  const files = await Promise.all(['dockmon.db', 'dockmon.db-wal'].map((f) => readFile(join(server.dir, f), 'latin1').catch(() => '')));
  assert.match(files.join(''), /127\.0\.0\.1/);
  assert.doesNotMatch(files.join('') + server.process.lines.join('\n'), /s3cret|ZGF2ZTpzM2NyZXQ/);

  // After a restart the sealed password still works.
  await server.down();
  await server.up();
  await c.hand.connect(c.hand.permanentToken);
  const kept = await c.status();
  assert.equal(kept.state, 'outdated', JSON.stringify(kept));
  assert.equal((await c.check()).check_outcome, 'answered');

  const viewer = await server.client('operator');
  await viewer.get('/api/registry-credentials', { status: 403 });
  assert.equal((await admin.delete(path)).message, 'Registry deleted');
  await admin.delete(path, { status: 404 });
});

test('certificates: refused when self-signed, accepted with the authority of the registry or by name', async () => {
  const dir = await temporaryDirectory();
  const ca = await Authority.make(dir);
  await ca.sign(join(dir, 'cert.pem'), join(dir, 'key.pem'), { usage: 'serverAuth' });
  const tls = await Registry.start({ tls: { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') } });
  later(() => tls.stop());
  const row = await add(tls, { security: 'verified' });
  const c = await container(`${tls.name}/team/web:1`, old);
  assert.match((await c.check(503)).detail, /certificate/);

  const path = `/api/registry-credentials/${row.id}`;
  await admin.call('PUT', path, { body: { ca_pem: await readFile(ca.cert, 'utf8') } });
  assert.match((await c.check(503)).detail, /no such image/);
  await selfSigned(join(dir, 'other.pem'), join(dir, 'other-key.pem'));
  await admin.call('PUT', path, { body: { ca_pem: await readFile(join(dir, 'other.pem'), 'utf8') } });
  assert.match((await c.check(503)).detail, /certificate/);
  await admin.call('PUT', path, { body: { ca_pem: null, security: 'any_certificate' } });
  assert.match((await c.check(503)).detail, /no such image/);
});

test('token servers: the challenge is followed, tokens are kept, and the password stays with its registry', async () => {
  const served = { expires_in: 300 };
  const tokens = await HandRegistry.start((q) => ({ body: JSON.stringify({ token: 'tok', expires_in: served.expires_in, url: q.url }) }));
  later(() => tokens.stop());
  const r = await HandRegistry.start((q) =>
    q.headers.authorization === 'Bearer tok'
      ? serveImage(next, q.url)
      : { status: 401, headers: { 'www-authenticate': `Bearer realm="http://localhost:${tokens.port}/token",service="reg",scope="repository:team/web:pull"` } },
  );
  later(() => r.stop());
  const row = await add(r, { username: 'dave', password: 's3cret' });
  const c = await container(`${r.name}/team/web:latest`, old);
  assert.equal((await c.check()).state, 'outdated');
  assert.equal(tokens.requests.length, 1, 'one token serves all requests of the scope');
  assert.equal(tokens.requests[0].url, '/token?service=reg&scope=repository%3Ateam%2Fweb%3Apull');
  assert.equal(tokens.requests[0].headers.authorization, undefined, 'another host gets no password');
  await c.check();
  assert.equal(tokens.requests.length, 1, 'the token is kept until it expires');

  await admin.call('PUT', `/api/registry-credentials/${row.id}`, { body: { token_host: 'localhost' } });
  await c.check();
  assert.equal(tokens.requests[1].headers.authorization, `Basic ${Buffer.from('dave:s3cret').toString('base64')}`);
  assert.ok(r.requests.every((q) => !/Basic/.test(q.headers.authorization ?? '')));
});

test('HEAD is asked with all four types and the entity tag; refused or without digest, one GET follows', async () => {
  const r = await byHand((q) => {
    if (q.headers['if-none-match'] === '"tag-1"') return { status: 304 };
    const a = serveImage(old, q.url);
    return { ...a, headers: { ...a.headers, etag: '"tag-1"' } };
  });
  const c = await container(`${r.name}/team/web:latest`, old);
  assert.equal((await c.check()).state, 'up_to_date');
  assert.equal((await c.check()).state, 'up_to_date');
  assert.deepEqual(r.requests.map((q) => q.method), ['HEAD', 'HEAD']);
  for (const type of ['oci.image.index.v1', 'docker.distribution.manifest.list.v2', 'oci.image.manifest.v1', 'docker.distribution.manifest.v2']) {
    assert.ok(r.requests[0].headers.accept.includes(`application/vnd.${type}+json`));
  }
  assert.equal(r.requests[1].headers['if-none-match'], '"tag-1"');

  for (const refuse of [() => ({ status: 405 }), (q) => ({ headers: { 'content-type': serveImage(old, q.url).headers['content-type'] } })]) {
    const odd = await byHand((q) => {
      if (q.method === 'HEAD') return refuse(q);
      const a = serveImage(old, q.url);
      delete a.headers['docker-content-digest'];
      return a;
    });
    const web = await container(`${odd.name}/team/web:latest`, old);
    assert.equal((await web.check()).latest_digest, old.digest);
    assert.deepEqual(odd.requests.map((q) => q.method), ['HEAD', 'GET']);
  }
});

test('wrong digests, nested indexes, huge answers and endless headers', async () => {
  const wrong = await byHand((q) => (q.method === 'HEAD' ? { status: 405 } : { ...serveImage(old, q.url), headers: { 'docker-content-digest': next.digest } }));
  assert.match((await (await container(`${wrong.name}/a/b:1`, old)).check(503)).detail, /not that of the content/);

  const swapped = await byHand((q) => (/sha256/.test(q.url) ? serveImage(old, '/none') : serveImage(next, q.url)));
  const s = await container(`${swapped.name}/a/b:x`, old);
  assert.match((await s.check(503)).detail, /another digest than it was asked for/);

  const huge = await byHand((q) => (q.method === 'HEAD' ? { status: 405 } : { body: 'x'.repeat(5 << 20) }));
  assert.match((await (await container(`${huge.name}/a/b:1`, old)).check(503)).detail, /larger than allowed/);

  // An index in indexes, up to three levels.
  const wrap = (text) => JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.index.v1+json', digest: digestOf(text), size: text.length }] });
  const two = wrap(next.index);
  const three = wrap(two);
  const four = wrap(three);
  const all = Object.fromEntries([next.index, two, three, four].map((t) => [digestOf(t), t]));
  const nested = await byHand((q) => {
    const name = q.url.split('/').pop();
    const text = all[name] ?? { deep: three, deeper: four }[name];
    return text ? { headers: { 'docker-content-digest': digestOf(text), 'content-length': String(text.length) }, body: text } : serveImage(next, q.url);
  });
  assert.equal((await (await container(`${nested.name}/a/b:deep`, old)).check()).state, 'outdated');
  assert.match((await (await container(`${nested.name}/a/b:deeper`, old)).check(503)).detail, /deeper than 3 levels/);
});

test('429 keeps the answer and lets the registry rest; so does a limit that is nearly used up', async () => {
  let limited = false;
  const r = await byHand((q) => (limited ? { status: 429, headers: { 'retry-after': '600' } } : serveImage(next, q.url)));
  const c = await container(`${r.name}/team/web:latest`, old);
  assert.equal((await c.check()).state, 'outdated');
  limited = true;
  assert.match((await c.check(503)).detail, /429/);
  const status = await c.status();
  assert.equal(status.state, 'outdated', 'the stored answer is unchanged');
  assert.equal(status.check_outcome, 'limited');
  const asked = r.requests.length;
  assert.match((await c.check(503)).detail, /429/);
  assert.equal(r.requests.length, asked, 'the registry is left alone');

  const used = await byHand((q) => ({ ...serveImage(old, q.url), headers: { ...serveImage(old, q.url).headers, 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '20;w=21600' } }));
  const web = await container(`${used.name}/team/web:latest`, old);
  assert.equal((await web.check()).state, 'up_to_date');
  assert.match((await web.check(503)).detail, /20 of 100 requests are left/);
  assert.equal(used.requests.length, 1);
});

test('one request per reference for the fleet, two at a time per registry, and a webhook', async () => {
  let running = 0;
  let most = 0;
  const r = await HandRegistry.start(async (q) => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, 50));
    running--;
    return serveImage(old, q.url);
  });
  later(() => r.stop());
  const row = await add(r);
  for (let i = 0; i < 5; i++) await container(`${r.name}/team/web-${i}:latest`, old);
  const twin = await container(`${r.name}/team/web-0:latest`, old);
  const counts = await admin.post('/api/updates/check-all');
  assert.ok(counts.checked >= 6);
  assert.equal(r.requests.length, 5);
  assert.equal(most, 2);
  assert.equal((await twin.status()).state, 'up_to_date');

  const { webhook_path: path } = await admin.post(`/api/registry-credentials/${row.id}/webhook`);
  assert.match(path, /^\/api\/registry-webhook\/[0-9a-f]{64}$/);
  await admin.post('/api/registry-webhook/none', {}, { status: 404 });
  const call = () => fetch(server.url + path, { method: 'POST', body: JSON.stringify({ events: [{ target: { repository: 'team/web-3' } }] }) });
  assert.deepEqual(await (await call()).json(), { queued: 1 });
  await eventually(() => r.requests.length === 6);
  assert.match(r.requests[5].url, /web-3/);
  assert.deepEqual(await (await call()).json(), { queued: 0 }, 'calls in quick succession are ignored');
});

test('this machine and its link are not asked unless an administrator has added them', async () => {
  const r = await HandRegistry.start((q) => serveImage(next, q.url));
  later(() => r.stop());
  const c = await container(`${r.name}/team/web:latest`, old);
  assert.match((await c.check(503)).detail, /on the host itself/);
  const link = await container('169.254.169.254/team/web:latest', old);
  assert.match((await link.check(503)).detail, /of this machine or of the local link/);
  // A name that leads here: no answer of the registry counts.
  const named = await container(`localhost.localdomain:${r.port}/team/web:latest`, old);
  assert.ok((await named.check(503)).detail);
  assert.equal(r.requests.length, 0);
});

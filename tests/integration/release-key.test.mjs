// Keys for programs of the agent: the agent pins that of its server, and packaging/sign-release signs with that of releases.
import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, ROOT, Server, bin } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, client, agent;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
  client = await server.client('admin');
  agent = await Agent.start(server, engine);
  await client.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
});

const pin = () => readFile(join(agent.dir, 'release_key'), 'utf8');

// The public half of the server's key, in base64: an independent derivation from the seed in its file.
async function serverKey() {
  const seed = await readFile(join(server.dir, 'release.key'));
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }));
  return key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
}

async function check() {
  const r = await run(bin('dockmon-agent'), ['--check'], {
    env: { DOCKMON_URL: server.url, DATA_PATH: agent.dir, DOCKER_HOST: engine.host, REGISTRATION_TOKEN: agent.token },
  });
  return r.stdout;
}

test('the agent pins the key of its server at first use', async () => {
  const key = await serverKey();
  assert.equal((await stat(join(server.dir, 'release.key'))).mode & 0o777, 0o600);
  assert.equal(await eventually(() => pin().catch(() => null), { what: 'the key is pinned' }), key);
  assert.ok((await check()).includes(`self-updates: signed by a release, or by the server's key ${key}\n`));
});

test('another key of the server is not taken instead, until the file is removed', async () => {
  const first = await pin();
  await server.down();
  await rm(join(server.dir, 'release.key'));
  await server.up();
  await agent.process.line(/the key for self-updates was not pinned: .*another key than the pinned one/);
  assert.equal(await pin(), first);
  assert.notEqual(await serverKey(), first);

  await rm(join(agent.dir, 'release_key'));
  assert.match(await check(), /self-updates: the server's key will be pinned at the next connection/);
  await server.down();
  await server.up();
  await eventually(async () => (await pin().catch(() => null)) === (await serverKey()), { what: 'the new key is pinned' });
});

test('a damaged pin trusts no key, and a damaged key of the server stops its start', async () => {
  await writeFile(join(agent.dir, 'release_key'), 'x');
  assert.match(await check(), /WRONG +self-updates: .*the file has no valid key/);
  await server.down();
  const seed = await readFile(join(server.dir, 'release.key'));
  await writeFile(join(server.dir, 'release.key'), 'short');
  const r = await run(bin('dockmond'), ['--listen', '127.0.0.1:0', '--data-dir', server.dir]);
  assert.notEqual(r.code, 0);
  assert.match(r.stderr, /release\.key: it must have 32 bytes; restore it from a backup/);
  await writeFile(join(server.dir, 'release.key'), seed);
  await server.up();
});

test('sign-release signs version, platform, sum and oldest version', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const sign = (key, ...args) => run(join(ROOT, 'packaging/sign-release'), args, { env: { DOCKMON_RELEASE_KEY: key } });
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  const program = bin('dockmon-agent-launch');
  const r = await sign(pem, program, '0.2.0', 'linux-amd64', '0.1.0');
  assert.equal(r.code, 0, r.stderr);
  const sum = createHash('sha256').update(await readFile(program)).digest('hex');
  const text = `dockmon-agent 1\nversion 0.2.0\nplatform linux-amd64\nsha256 ${sum}\nminimum 0.1.0\n`;
  const signature = /^signature (\S{88})\n$/.exec(r.stdout.slice(text.length));
  assert.equal(r.stdout.slice(0, text.length), text);
  assert.ok(verify(null, Buffer.from(text), publicKey, Buffer.from(signature[1], 'base64')));
  const half = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
  assert.equal((await sign(pem, '--public')).stdout, `${half}\n`);

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'pem', type: 'pkcs8' });
  for (const [key, why] of [['', /not set/], ['x', /no private key/], [rsa, /no ed25519 key/]]) {
    const refused = await sign(key, program, '0.2.0', 'linux-amd64', '0.1.0');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, why);
    assert.equal(refused.stdout, '');
  }
});

// The scripts of the README, on a copy of script/ with the programs under test in build/.
import assert from 'node:assert/strict';
import { chmod, cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { ROOT, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let tree;

const script = (name, args, options = {}) => run(join(tree, 'script', name), args, options);

async function executable(path, text) {
  await writeFile(path, text);
  await chmod(path, 0o755);
}

async function freePort() {
  const s = createServer().listen(0);
  await new Promise((done) => s.once('listening', done));
  const { port } = s.address();
  await new Promise((done) => s.close(done));
  return port;
}

before(async () => {
  tree = await temporaryDirectory();
  later(() => rm(tree, { recursive: true, force: true }));
  await cp(join(ROOT, 'script'), join(tree, 'script'), { recursive: true });
  for (const name of ['bootstrap', 'build']) await executable(join(tree, 'script', name), '#!/bin/sh\nexit 0\n');
  await mkdir(join(tree, 'build/agents'), { recursive: true });
  await writeFile(join(tree, 'build/agents/agent-linux-amd64'), 'an agent');
  for (const name of ['dockmond', 'dockmon']) await symlink(bin(name), join(tree, 'build', name));
  await symlink(bin('dockmon-agent'), join(tree, 'build/dockmon-agent'));
});

test('script/server --listen on all addresses: TLS, the local agent joins, and the line for other hosts is printed', { timeout: 120000 }, async () => {
  const port = await freePort();
  const data = join(tree, 'data/deep'); // its parents are missing
  const p = new Process('env', ['--default-signal=INT', join(tree, 'script/server'), '--listen', `0.0.0.0:${port}`, '--data-dir', data], {
    env: { DOCKER_HOST: engine.host },
    name: 'script/server',
  });
  later(() => p.exit ?? p.stop('SIGINT'));
  const line = await p.line(/curl -sSk --pinnedpubkey 'sha256\/\/\S+' -H 'Authorization: Bearer \S+' https:\/\/\S+\/install\.sh \| sh/, { timeout: 60000 });
  assert.doesNotMatch(line, /127\.0\.0\.1|0\.0\.0\.0|localhost/);
  assert.ok(p.lines.some((l) => l.includes(`export DOCKER_HOST=${engine.host}`)), 'the box has the address of the engine');
  assert.ok(p.lines.some((l) => /first start: user admin, password in \S+\/initial-admin-password/.test(l)));
  const health = await run(bin('dockmond'), ['--data-dir', join(data, 'server'), 'health']);
  assert.equal(health.code, 0, `health finds the address without --listen: ${health.stderr}`);
  const key = (await run(bin('dockmond'), ['--data-dir', join(data, 'server'), 'apikey', 'create', '--name', 'n', '--role', 'viewer'])).stdout.trim();
  const pin = (await run(bin('dockmond'), ['--data-dir', join(data, 'server'), 'fingerprint'])).stdout.trim();
  await eventually(async () => /online/.test((await dockmon({ url: `https://127.0.0.1:${port}` }, key, ['hosts'], { env: { DOCKMON_PIN: pin } })).stdout), { timeout: 30000 });
  p.child.kill('SIGINT');
  await p.exited;
  assert.equal((await stat(join(data, 'server'))).mode & 0o777, 0o700);
  await assert.rejects(readFile(join(data, 'server/running.json')), { code: 'ENOENT' }, 'the note about the address ends with the server');
});

test('script/agent works with its default folder, and takes relative ones from where it is called', async () => {
  await rm(join(tree, 'build/dockmon-agent'));
  await executable(join(tree, 'build/dockmon-agent'), '#!/bin/sh\nenv\n');
  const plain = await script('agent', ['http://127.0.0.1:1', 'token'], { cwd: '/' });
  assert.match(plain.stdout, new RegExp(`^DATA_PATH=${tree}/var/agent$`, 'm'), plain.stderr);
  const other = join(tree, 'elsewhere');
  await mkdir(other);
  const relative = await script('agent', ['http://127.0.0.1:1', 'token', '--data-dir', 'here'], { cwd: other });
  assert.match(relative.stdout, new RegExp(`^DATA_PATH=${other}/here$`, 'm'), relative.stderr);
});

test('script/engine stop of a folder without an engine is an error, and creates nothing', async () => {
  const r = await script('engine', ['stop', 'nothing'], { cwd: tree });
  assert.notEqual(r.code, 0);
  assert.match(r.stderr, new RegExp(`${tree}/nothing has no engine`));
  await assert.rejects(stat(join(tree, 'nothing')), { code: 'ENOENT' });
});

test('script/build and script/server set no git hooks', async () => {
  await run('git', ['init', '-q', tree]);
  await cp(join(ROOT, 'script/bootstrap'), join(tree, 'script/bootstrap'));
  const r = await script('bootstrap', ['build']);
  assert.equal(r.code, 0, r.stderr);
  assert.equal((await run('git', ['-C', tree, 'config', 'core.hooksPath'])).stdout, '');
});

test('script/lint --changed has clang-tidy read what differs from origin/main, and what includes it', async () => {
  const dir = await temporaryDirectory();
  later(() => rm(dir, { recursive: true, force: true }));
  const git = async (...args) => assert.equal((await run('git', ['-C', dir, '-c', 'user.name=t', '-c', 'user.email=t@t', ...args])).code, 0, args.join(' '));
  await cp(join(ROOT, 'script'), join(dir, 'script'), { recursive: true });
  await mkdir(join(dir, 'src/a'), { recursive: true });
  await mkdir(join(dir, 'tools'));
  await executable(join(dir, 'script/check/tidy'), '#!/bin/sh\necho "$2" >>seen\n');
  await executable(join(dir, 'tools/meson'), '#!/bin/sh\nmkdir -p "$2"\n');
  await executable(join(dir, 'tools/ninja'), '#!/bin/sh\n');
  await writeFile(join(dir, '.gitignore'), 'build-lint/\nseen\n');
  await writeFile(join(dir, 'src/a/one.h'), '#pragma once\n');
  await writeFile(join(dir, 'src/a/one.c'), '#include "a/one.h"\n');
  await writeFile(join(dir, 'src/a/two.c'), 'int two;\n');
  await writeFile(join(dir, 'src/a/three.c'), 'int three;\n');
  await git('init', '-q');
  await git('add', '-A');
  await git('commit', '-qm', 'x');
  await git('update-ref', 'refs/remotes/origin/main', 'HEAD');
  const read = async (...args) => {
    await rm(join(dir, 'seen'), { force: true });
    const r = await run(join(dir, 'script/lint'), [...args, 'tidy'], { env: { PATH: `${join(dir, 'tools')}:${process.env.PATH}` } });
    assert.equal(r.code, 0, r.stdout + r.stderr);
    return (await readFile(join(dir, 'seen'), 'utf8').catch(() => '')).split('\n').filter(Boolean).sort();
  };
  assert.deepEqual(await read('--changed'), []);
  await writeFile(join(dir, 'src/a/one.h'), '#pragma once\nextern int one;\n');
  await git('commit', '-qam', 'y');
  await writeFile(join(dir, 'src/a/three.c'), 'int four;\n');
  await writeFile(join(dir, 'src/a/new.c'), 'int five;\n');
  assert.deepEqual(await read('--changed'), ['src/a/new.c', 'src/a/one.c', 'src/a/three.c']);
  assert.equal((await read()).length, 4, 'without it, everything');
});

test('the sample configuration files are valid, with every line of theirs in use', async () => {
  const uncommented = async (name) => {
    const text = await readFile(join(ROOT, 'packaging/examples', name), 'utf8');
    const file = join(tree, name);
    await writeFile(file, text.replace(/^#([A-Z_]+=)/gm, '$1').replace(/^DOCKMOND_TLS_(CERT|KEY)=.*$/gm, ''));
    return file;
  };
  const server = await run(bin('dockmond'), ['--config', await uncommented('dockmond.conf'), '--data-dir', join(tree, 'new/data'), '--check']);
  assert.equal(server.code, 0, server.stdout + server.stderr);
  await assert.rejects(stat(join(tree, 'new')), { code: 'ENOENT' }, 'a check creates nothing');
  const agent = await run(bin('dockmon-agent'), ['--config', await uncommented('dockmon-agent.conf'), '--data-path', join(tree, 'agent'), '--check'], {
    env: { DOCKMON_URL: '', REGISTRATION_TOKEN: '', DOCKMON_PIN: '', DOCKER_HOST: '' },
  });
  assert.match(agent.stdout, /^ok +configuration: server wss:\/\/dockmon\.example:8443/m, agent.stdout + agent.stderr);
});

test('the images of three processors are one OCI layout, which skopeo reads and copies, equal for equal input', async () => {
  const dir = await temporaryDirectory();
  later(() => rm(dir, { recursive: true, force: true }));
  const packaging = (name, ...args) => run(join(ROOT, 'packaging', name), args, { cwd: dir });
  const authorities = await readFile('/etc/ssl/certs/ca-certificates.crt', 'utf8');
  const index = async (at) => readFile(join(at, 'index.json'), 'utf8');
  for (const layout of ['first', 'second']) {
    for (const arch of ['amd64', 'arm64', 'arm']) {
      await writeFile(join(dir, `agent-${arch}`), `program of ${arch}`);
      const made = await packaging('agent-image', `agent-${arch}`, arch, `image-${arch}.tar`);
      assert.equal(made.code, 0, made.stderr);
    }
    const made = await packaging('oci-layout', layout, 'image-amd64.tar', 'image-arm64.tar', 'image-arm.tar');
    assert.equal(made.code, 0, made.stderr);
  }
  assert.equal(await index(join(dir, 'first')), await index(join(dir, 'second')));

  const skopeo = async (...args) => {
    const r = await run('skopeo', ['--insecure-policy', ...args], { cwd: dir });
    assert.equal(r.code, 0, r.stderr);
    return r.stdout;
  };
  const list = JSON.parse(await skopeo('inspect', '--raw', 'oci:first:latest'));
  assert.deepEqual(list.manifests.map((m) => m.platform), [
    { architecture: 'amd64', os: 'linux' },
    { architecture: 'arm64', os: 'linux' },
    { architecture: 'arm', os: 'linux', variant: 'v7' },
  ]);
  for (const arch of ['amd64', 'arm64', 'arm']) {
    const image = JSON.parse(await skopeo('--override-os', 'linux', '--override-arch', arch, 'inspect', 'oci:first:latest'));
    assert.equal(image.Architecture, arch);
  }
  await skopeo('copy', '--all', 'oci:first:latest', 'oci:copy:latest');

  // The program finds the public authorities of the machine that made the image where OpenSSL looks for them.
  const bundle = await run('sh', ['-c', 'tar -xOf image-arm.tar layer.tar | tar -xOf - etc/ssl/certs/ca-certificates.crt'], { cwd: dir });
  assert.equal(bundle.stdout, authorities);
});

// One paste for the second host: the line of `token create`, run on a host of its own (a network namespace, with mounts
// that keep this machine's files as they are) against a server with TLS.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { ROOT, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { Network } from './lib/netns.mjs';
import { Process, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const AGENT = process.env.DOCKMON_STATIC_AGENT ?? join(ROOT, 'build/dockmon-agent');
const ARCH = { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch;
const UUID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
const engine = new Engine();
const later = cleanups();
let home, agents, network, site, server, client, host;

// A second host: its own network, and writable copies of the directories that the script may change.
async function secondHost() {
  const dir = join(home, 'mounts');
  const script = `
    set -e
    mkdir -p ${dir}
    mount -t tmpfs tmpfs ${dir}
    for d in etc var/lib usr/local run; do
      mkdir -p ${dir}/$d.upper ${dir}/$d.work
      mount -t overlay overlay -o lowerdir=/$d,upperdir=${dir}/$d.upper,workdir=${dir}/$d.work /$d
    done
    rm -rf /run/systemd
    echo "ready $$"
    exec sleep 3600`;
  const [command, ...args] = [...site.wrap, 'unshare', '--mount', '--propagation', 'private', 'sh', '-c', script];
  const holder = new Process(command, args, { name: 'second host' });
  later(() => holder.stop());
  const pid = /ready (\d+)/.exec(await holder.line(/ready \d+/))[1];
  return {
    sh: (line, { env = {}, cwd = home } = {}) =>
      run('nsenter', ['-t', pid, '-m', '-n', `--wd=${cwd}`, 'sh', '-c', line], { env: { DOCKER_HOST: engine.host, HOME: home, ...env }, timeout: 90000 }),
  };
}

// The engine is the same for all tests, so the server would know this host already.
async function forgetHosts() {
  await eventually(async () => (await client.get('/api/hosts')).every((h) => h.status === 'offline'));
  for (const h of await client.get('/api/hosts')) await client.delete(`/api/hosts/${h.id}`);
}

const curl = (...args) => run(site.wrap[0], [...site.wrap.slice(1), 'curl', '-sSk', ...args]);
const serverUrl = () => server.urlAt(site.server);
const pasteOf = (text) => /^ *(curl .*\/install\.sh \| sh)$/m.exec(text)?.[1];

// The line as `dockmond token create` prints it.
async function paste(...flags) {
  const r = await run(server.wrap[0], [...server.wrap.slice(1), bin('dockmond'), '--data-dir', server.dir, 'token', 'create', ...flags]);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout.trim(), UUID, 'stdout has the token alone');
  const line = pasteOf(r.stderr);
  assert.ok(line?.includes(r.stdout.trim()), r.stderr);
  return line;
}

before(async () => {
  home = await temporaryDirectory();
  later(() => rm(home, { recursive: true, force: true }));
  agents = join(home, 'agents');
  await mkdir(agents);
  await cp(AGENT, join(agents, `agent-linux-${ARCH}`));
  await cp(bin('dockmon-agent-launch'), join(agents, `agent-launch-linux-${ARCH}`));
  await writeFile(join(agents, 'agent-linux-large'), '');
  await truncate(join(agents, 'agent-linux-large'), 64 << 20);
  const made = await run(join(ROOT, 'packaging/agent-image'), [AGENT, ARCH, join(agents, `image-${ARCH}.tar`)]);
  assert.equal(made.code, 0, made.stderr);
  network = await Network.make();
  later(() => network.remove());
  site = await network.site();
  server = await Server.start({ network, args: ['--agent-dir', agents] });
  later(() => server.remove());
  client = await server.client();
  host = await secondHost();
});

test('the API and both commands answer with one line, which names an address that others reach and the key', async () => {
  const pin = (await server.admin('fingerprint')).replace('sha256:', '');
  const start = `curl -sSk --pinnedpubkey 'sha256//${Buffer.from(pin, 'hex').toString('base64')}' -H 'Authorization: Bearer `;
  const answer = await client.post('/api/agent/generate-token'); // over loopback, of which another host knows nothing
  assert.equal(answer.install_command, `${start}${answer.token}' https://${site.server}:${server.port}/install.sh | sh`);
  const offline = await paste('--multi-use');
  assert.ok(offline.startsWith(start) && offline.includes(` https://${site.server}:${server.port}/`), offline);
  const cli = await dockmon(server, client.key, ['token', 'create']);
  assert.ok(pasteOf(cli.stderr)?.includes(cli.stdout.trim()), cli.stderr);
  assert.match(cli.stderr, / REGISTRATION_TOKEN=\S+ DATA_PATH=\/var\/lib\/dockmon-agent dockmon-agent$/m);

  // The name by which the client has reached the server is kept.
  const named = await curl('-H', `Authorization: Bearer ${client.key}`, '-X', 'POST', '--resolve', `dm.test:${server.port}:${site.server}`, `https://dm.test:${server.port}/api/agent/generate-token`);
  assert.match(JSON.parse(named.stdout).install_command, new RegExp(` https://dm\\.test:${server.port}/install\\.sh `));
});

test('the line installs, verifies, joins with a token of one use, says what it did, and can be repeated and taken back', { timeout: 120000 }, async () => {
  const line = await paste();
  const first = await host.sh(line);
  assert.equal(first.code, 0, first.stdout + first.stderr);
  assert.match(first.stdout, /installed \/usr\/local\/bin\/dockmon-agent \(dockmon-agent [\d.]+\), SHA-256 verified|installed \/usr\/local\/bin\/dockmon-agent .*SHA-256 verified/);
  assert.match(first.stdout, /systemd does not run here/);
  assert.match(first.stdout, /to run it at boot, .*: \/usr\/local\/bin\/dockmon-agent --config \/etc\/dockmon\/dockmon-agent\.conf/);
  assert.match(first.stdout, new RegExp(`this host has joined ${serverUrl()}`));
  const agent = await client.get(`/api/hosts/${(await client.onlineHost()).id}/agent`);
  assert.ok(first.stdout.includes(`(dockmon-agent ${agent.latest_version}, `), `${agent.latest_version} is offered`);
  assert.equal(agent.is_container_mode, false);
  const conf = (await host.sh('cat /etc/dockmon/dockmon-agent.conf; stat -c %a /etc/dockmon/dockmon-agent.conf /var/lib/dockmon-agent')).stdout;
  assert.match(conf, new RegExp(`^DOCKMON_URL=${serverUrl()}\nDOCKMON_PIN=${await server.admin('fingerprint')}\nREGISTRATION_TOKEN=\\S+\nDOCKER_HOST=${engine.host}\nDATA_PATH=/var/lib/dockmon-agent\n600\n700\n$`));

  const pid = async () => (await host.sh('cat /var/lib/dockmon-agent/agent.pid')).stdout.trim();
  const before = await pid();
  await host.sh('echo LOG_LEVEL=debug >>/etc/dockmon/dockmon-agent.conf');
  const again = await host.sh(await paste());
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.match(again.stdout, /is up to date[^]*had joined already/);
  assert.match((await host.sh('cat /etc/dockmon/dockmon-agent.conf')).stdout, /^LOG_LEVEL=debug$/m, 'settings of the administrator stay');
  assert.equal((await host.sh(`readlink /proc/${before}/exe`)).stdout, '', 'the first agent has been replaced');
  assert.equal((await host.sh(`readlink /proc/${await pid()}/exe`)).stdout, '/usr/local/bin/dockmon-agent\n');
  assert.equal((await client.get('/api/hosts')).length, 1);

  const dry = await host.sh(line.replace(/\| sh$/, '| sh -s -- --uninstall --dry-run'));
  assert.match(dry.stdout, /would run: rm -rf \/usr\/local\/bin\/dockmon-agent/);
  await client.onlineHost();
  const gone = await host.sh(line.replace(/\| sh$/, '| sh -s -- --uninstall'));
  assert.equal(gone.code, 0, gone.stderr);
  const left = await host.sh('ls -d /usr/local/bin/dockmon-agent* /etc/dockmon /var/lib/dockmon-agent 2>/dev/null');
  assert.equal(left.stdout, '');
  await eventually(async () => (await client.get('/api/hosts'))[0].status === 'offline');
  await forgetHosts();
});

test('with systemd it writes our unit and enables the service', { timeout: 60000 }, async () => {
  // Stands for systemctl: records its calls, starts what the unit says, and ends that process only, because the agents
  // of other tests have the same name.
  await host.sh(`mkdir -p /run/systemd/system
    printf '%s\\n' '#!/bin/sh' 'echo "$*" >>${home}/systemctl.log' '[ "$1" != restart ] || { $(sed -n s/^ExecStart=//p /etc/systemd/system/dockmon-agent.service) >/dev/null 2>&1 & echo $! >${home}/service.pid; }' \\
      '[ "$1" != disable ] || kill "$(cat ${home}/service.pid)"' >/usr/local/bin/systemctl
    chmod 755 /usr/local/bin/systemctl; mkdir -m 700 -p /var/lib/dockmon-agent`);
  const r = await host.sh(await paste());
  assert.equal(r.code, 0, r.stdout + r.stderr);
  assert.match(r.stdout, /the service dockmon-agent runs now and starts at every boot/);
  const group = (await run('stat', ['-c', '%G', engine.host.replace('unix://', '')])).stdout.trim();
  const ours = await readFile(join(ROOT, 'packaging/systemd/dockmon-agent.service.in'), 'utf8');
  const wanted = ours.replaceAll('@bindir@', '/usr/local/bin').replace(/^SupplementaryGroups=.*$/m, `SupplementaryGroups=${group}`);
  assert.equal((await host.sh('cat /etc/systemd/system/dockmon-agent.service')).stdout, wanted);
  assert.equal((await host.sh('stat -c "%a %G" /etc/dockmon/dockmon-agent.conf')).stdout.trim(), `640 ${group}`);
  assert.deepEqual((await readFile(join(home, 'systemctl.log'), 'utf8')).split('\n').slice(0, 3), ['daemon-reload', 'enable --quiet dockmon-agent', 'restart dockmon-agent']);
  await client.onlineHost();
  const gone = await host.sh((await paste()).replace(/\| sh$/, '| sh -s -- --uninstall'));
  assert.equal(gone.code, 0, gone.stderr);
  assert.equal((await host.sh('ls -d /etc/systemd/system/dockmon-agent.service /usr/local/bin/dockmon-agent* 2>/dev/null')).stdout, '');
  await host.sh('rm -rf /run/systemd /usr/local/bin/systemctl');
  await forgetHosts();
});

test('without root it refuses, or installs for the user; a dry run changes nothing', { timeout: 60000 }, async () => {
  const line = await paste();
  const as = (script, options) => host.sh(`chmod 755 ${home}; exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -c ${JSON.stringify(script)}`, options);
  const refused = await as(line);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /this needs root: .*sudo sh.*--user/);
  const denied = await as(line.replace(/\| sh$/, '| sh -s -- --user'), { env: { DOCKER_HOST: 'unix:///run/denied.sock' } });
  assert.match(denied.stderr, /no Docker engine at \/run\/denied\.sock/);

  const user = join(home, 'user');
  await mkdir(user);
  const env = { HOME: user };
  const dry = await host.sh(line.replace(/\| sh$/, '| sh -s -- --user --dry-run'), { env });
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /would download[^]*would write[^]*would start[^]*nothing was changed/);
  assert.equal((await run('find', [user, '-mindepth', '1'])).stdout, '');
  const proxies = { https_proxy: 'http://proxy.invalid:3128', no_proxy: `example.com,${site.server}` };
  const r = await host.sh(line.replace(/\| sh$/, '| sh -s -- --user'), { env: { ...env, ...proxies } });
  assert.equal(r.code, 0, r.stdout + r.stderr);
  await client.onlineHost();
  const conf = await readFile(join(user, '.config/dockmon/dockmon-agent.conf'), 'utf8');
  assert.match(conf, /^HTTPS_PROXY=http:\/\/proxy\.invalid:3128$/m, 'the agent has the proxies of the line');
  assert.ok(conf.includes(`\nNO_PROXY=${proxies.no_proxy}\n`), conf);
  assert.equal((await stat(join(user, '.config/dockmon/dockmon-agent.conf'))).mode & 0o777, 0o600);
  assert.equal((await host.sh(line.replace(/\| sh$/, '| sh -s -- --user --uninstall'), { env })).code, 0);
  assert.equal((await run('find', [user, '-type', 'f'])).stdout, '');
  await forgetHosts();
});

test('it refuses politely: no engine, no curl, a download that was changed or cut, a token that is not valid', { timeout: 60000 }, async () => {
  const line = await paste('--multi-use');
  const file = join(home, 'install.sh');
  const script = (await host.sh(line.replace(/ \| sh$/, ''))).stdout;
  await writeFile(file, script);
  const lint = await run('shellcheck', ['-s', 'sh', '-e', 'SC2034', file]);
  assert.equal(lint.code, 0, lint.stdout);

  const missing = await host.sh(`sh ${file}`, { env: { DOCKER_HOST: 'unix:///nonexistent.sock' } });
  assert.match(missing.stderr, /no Docker engine at \/nonexistent\.sock; install or start Docker/);

  // A host with wget instead of curl, and one with neither.
  const tools = join(home, 'tools');
  await mkdir(tools);
  for (const t of 'sh id uname sed stat sha256sum cut grep mkdir chmod mv cat nohup sleep kill readlink rm tail rmdir umask dirname'.split(' ')) {
    const path = (await run('sh', ['-c', `command -v ${t}`])).stdout.trim();
    if (path.startsWith('/')) await symlink(path, join(tools, t));
  }
  const none = await host.sh(`PATH=${tools} sh ${file} --user --dry-run`);
  assert.match(none.stderr, /neither curl nor wget is installed/);
  await symlink((await run('sh', ['-c', 'command -v wget'])).stdout.trim(), join(tools, 'wget'));
  const user = { HOME: join(home, 'wget') };
  const wget = await host.sh(`PATH=${tools} sh ${file} --user`, { env: user });
  assert.equal(wget.code, 0, wget.stdout + wget.stderr);
  await host.sh(`sh ${file} --user --uninstall`, { env: user });
  await forgetHosts();

  await writeFile(`${file}.changed`, script.replace(/^(linux-\S+ )..../gm, '$10000'));
  const changed = await host.sh(`sh ${file}.changed`);
  assert.match(changed.stderr, /wrong SHA-256; nothing was installed/);
  for (const part of [0.2, 0.5, 0.9, 0.999]) {
    await writeFile(`${file}.cut`, script.slice(0, Math.floor(script.length * part)));
    await host.sh(`sh ${file}.cut`);
  }
  assert.equal((await host.sh('ls /usr/local/bin/dockmon-agent* /etc/dockmon 2>/dev/null')).stdout, '');

  const unknown = await host.sh(line.replace(/Bearer \S{8}/, 'Bearer 00000000'));
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /^dockmon: the registration token is missing, unknown or expired .*`dockmon token create`/);
  const impostor = await host.sh(line.replace(/sha256\/\/..../, 'sha256//AAAA'));
  assert.match(impostor.stderr, /public key does not match|pinned/);
});

test('programs and images are downloaded with a registration token only, whole, with their sum', { timeout: 60000 }, async () => {
  const token = await server.token();
  const auth = ['-H', `Authorization: Bearer ${token}`];
  for (const [path, name] of [[`agent/linux-${ARCH}`, `agent-linux-${ARCH}`], [`agent-image/${ARCH}.tar`, `image-${ARCH}.tar`]]) {
    const url = `${serverUrl()}/download/${path}`;
    const file = join(home, 'download');
    const got = await curl(...auth, '-D', '-', '-o', file, url);
    const content = await readFile(join(agents, name));
    const sum = createHash('sha256').update(content).digest('hex');
    assert.match(got.stdout, new RegExp(`^HTTP/1.1 200 [^]*X-Checksum-Sha256: ${sum}`));
    assert.ok(content.equals(await readFile(file)));
    const head = (await curl(...auth, '-I', url)).stdout;
    assert.match(head, new RegExp(`^HTTP/1.1 200 [^]*Content-Length: ${content.length}\r\n[^]*X-Checksum-Sha256: ${sum}`));
    for (const wrong of [[], ['-H', 'Authorization: Bearer nonsense'], ['-H', `Authorization: Bearer ${client.key}`]])
      assert.equal((await curl(...wrong, '-o', '/dev/null', '-w', '%{http_code}', url)).stdout, '401');
  }
  for (const path of ['agent/plan9-mips', `agent/image-${ARCH}.tar`, 'agent/..%2f..%2fetc', 'agent-image/none.tar'])
    assert.match((await curl(...auth, '-o', '/dev/null', '-w', '%{http_code}', `${serverUrl()}/download/${path}`)).stdout, /^40[04]$/);

  // A replaced file is served as it was when the server started: sum and content belong together.
  await rm(join(agents, `agent-linux-${ARCH}`));
  await writeFile(join(agents, `agent-linux-${ARCH}`), 'another version');
  const after = await curl(...auth, `${serverUrl()}/download/agent/linux-${ARCH}`, '-o', join(home, 'download'));
  assert.equal(after.code, 0);
  assert.equal((await stat(join(home, 'download'))).size, (await stat(AGENT)).size);

  // `docker load` takes the image, which equals the one of script/images.
  const id = await engine.docker('load', '-q', '-i', join(agents, `image-${ARCH}.tar`));
  assert.match(id, /Loaded image: dockmon-agent:latest/);
  later(() => run('docker', ['rmi', '-f', 'dockmon-agent:latest'], { env: engine.env }));
  const { Config: config, Architecture: arch } = JSON.parse(await engine.docker('image', 'inspect', 'dockmon-agent:latest'))[0];
  assert.equal(arch, ARCH);
  assert.deepEqual(config.Entrypoint, ['/dockmon-agent']);
  assert.deepEqual(config.Volumes, { '/data': {} });
  assert.deepEqual(config.Labels, { 'dockmon.protect': 'true' });
  for (const variable of ['DATA_PATH=/data', 'LOG_JSON=true']) assert.ok(config.Env.includes(variable), variable);
  const dockerfile = await readFile(join(ROOT, 'packaging/docker/Dockerfile.agent'), 'utf8');
  const seconds = (name) => Number(new RegExp(`--${name}=(\\d+)s`).exec(dockerfile)[1]) * 1e9;
  assert.deepEqual(config.Healthcheck, { Test: ['CMD', '/dockmon-agent', '--check'], Interval: seconds('interval'), Timeout: seconds('timeout'), StartPeriod: seconds('start-period') });
  assert.match(await engine.docker('run', '--rm', '--network', 'none', 'dockmon-agent:latest', '--version'), /^dockmon-agent \d/);
});

test('downloads are bounded: in number, and in guesses from one address', { timeout: 120000 }, async () => {
  const token = await server.token();
  const url = `${serverUrl()}/download/agent/linux-large`;
  const args = ['-H', `Authorization: Bearer ${token}`, '-o', '/dev/null'];
  const slowly = ['--limit-rate', '1k', ...args, url];
  const status = async () => (await curl('--max-time', '2', '-w', '%{http_code}', ...slowly)).stdout;
  const memory = async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.process.child.pid}/status`, 'utf8'))[1]);
  assert.equal(await status(), '200');
  const kib = await memory();
  const readers = Array.from({ length: 50 }, () => new Process(site.wrap[0], [...site.wrap.slice(1), 'curl', '-sSk', '-D', '-', ...slowly], { name: 'curl' }));
  later(() => Promise.all(readers.map((r) => r.exit ?? r.stop('SIGKILL'))));
  // All of them have begun: an earlier probe would take the place of one, which does not try again.
  await Promise.all(readers.map((r) => r.line(/^HTTP\/\S+ 200/, { timeout: 60000 })));
  await eventually(async () => (await status()) === '503', { what: 'the 51st is refused' });
  // Files of 64 MiB; the sanitizer keeps freed memory for a while.
  assert.ok((await memory()) - kib < 50 * 6000, `the server has grown by ${(await memory()) - kib} KiB`);
  for (const r of readers) await r.stop('SIGKILL');
  await eventually(async () => (await status()) === '200', { what: 'a download is possible again' });

  const guess = () => curl('-H', 'Authorization: Bearer guess', '-o', '/dev/null', '-w', '%{http_code}', `${serverUrl()}/install.sh`);
  const seen = [];
  for (let n = 0; n < 25; n++) seen.push((await guess()).stdout);
  assert.ok(seen.includes('401') && seen.at(-1) === '429', seen.join(' '));
  assert.match((await curl('-H', 'Authorization: Bearer guess', '-o', '/dev/null', '-D', '-', `${serverUrl()}/install.sh`)).stdout, /^Retry-After: \d+\r?$/im);
  const answer = await fetch(`${server.url}/download/agent/linux-large`, { method: 'HEAD', headers: { authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, 'other addresses are not affected');
});

test('without TLS beyond loopback, and without agents, there is no line', async () => {
  const plain = await Server.start({ network: await Network.make().then((n) => (later(() => n.remove()), n)), args: ['--insecure-http', '--agent-dir', agents] });
  later(() => plain.remove());
  const c = await plain.client();
  const answer = await c.post('/api/agent/generate-token');
  assert.equal(answer.install_command, undefined);
  const bare = await Server.start();
  later(() => bare.remove());
  assert.equal((await (await bare.client()).post('/api/agent/generate-token')).install_command, undefined);
  const r = await fetch(`${bare.url}/install.sh`, { headers: { authorization: `Bearer ${await bare.token()}` } });
  assert.equal(r.status, 404);
  assert.match(await r.text(), /^#!\/bin\/sh\necho 'dockmon: This server has no agents/);
});

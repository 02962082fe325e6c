// An agent in a container identifies its own container, with and without a host name of its own, and samples the
// others like an agent outside.
import assert from 'node:assert/strict';
import { realpath } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { SOURCE } from './lib/cgroup.mjs';
import { cleanups } from './lib/cleanup.mjs';
import { Server, bin } from './lib/dockmon.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { agreement } from './lib/engine-stats.mjs';
import { measure } from './lib/measure.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const networks = [];
const later = cleanups();
let server;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
});

after(async () => {
  await server?.remove();
  await engine.cleanup();
  for (const n of networks) await engine.docker('network', 'rm', n);
});

// Creates a container with the agent; `command` has further arguments. Returns its id.
async function createAgent(name, { network = 'host', args = [], command = [], env }) {
  const socket = engine.host.replace('unix://', '');
  const libraries = ['/usr', '/lib', '/lib64'].flatMap((d) => ['-v', `${d}:${d}:ro`]); // a sanitizer build is not static
  const variables = Object.entries({ REGISTRATION_TOKEN: 'registration-token', ASAN_OPTIONS: 'detect_leaks=0', ...env });
  return engine.docker(
    'create', '--network', network, '--name', `${engine.prefix}-${name}`, ...args, ...libraries,
    '-v', `${await realpath(bin('dockmon-agent'))}:/dockmon-agent:ro`, '-v', `${socket}:/var/run/docker.sock`,
    ...variables.flatMap(([k, v]) => ['-e', `${k}=${v}`]), IMAGE, '/dockmon-agent', ...command,
  );
}

// Runs --check inside a container; returns its output and the container's id.
async function checkInside(name, args) {
  const id = await createAgent(name, { args, command: ['--check'], env: { DOCKMON_URL: server.url, REGISTRATION_TOKEN: await server.token() } });
  const r = await run('docker', ['start', '-a', id], { env: engine.env });
  return { id, r };
}

for (const [name, args] of [['plain', []], ['named', ['--hostname', 'a-name-of-its-own']], ['private', ['--cgroupns', 'private']]]) {
  test(`${name}: it reports the container it runs in`, async () => {
    const { id, r } = await checkInside(name, args);
    assert.equal(r.code, 0, r.stdout + r.stderr);
    assert.match(r.stdout, new RegExp(`inside container ${id.slice(0, 12)}`));
  });
}

const MOUNTS = ['-v', '/proc:/host/proc:ro', '-v', '/sys/fs/cgroup:/host/sys/fs/cgroup:ro'];

// An internal network of the engine: its name, and the host's address there.
async function makeNetwork() {
  const name = `${engine.prefix}-net${networks.length}`;
  networks.push(name);
  await engine.docker('network', 'create', '--internal', name);
  return { name, gateway: await engine.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', name) };
}

// An idle container that has sent something, and an agent in another container that samples it.
async function measureInside(name, { args = [], isOnHost = false } = {}) {
  const { name: network, gateway } = await makeNetwork();
  const id = await engine.docker(
    'run', '-d', '--network', network, '--memory', '64m', '--name', `${engine.prefix}-${name}-web`, IMAGE,
    'sh', '-c', `busybox ping -c 3 -s 1000 ${gateway}; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ready; exec sleep 3600`,
  );
  await eventually(async () => /ready/.test(await engine.docker('logs', id)), { timeout: 60000, what: 'it is ready' });
  const m = await measure(engine, later, {
    address: gateway,
    start: async ({ url }) => {
      const agent = await createAgent(`${name}-agent`, { network: isOnHost ? 'host' : network, args, env: { DOCKMON_URL: url, INSECURE_HTTP: 'true', STATS_INTERVAL: '1s' } });
      await engine.docker('start', agent);
      return { id: agent, remove: () => engine.docker('rm', '-f', agent) };
    },
  });
  return { m, id };
}

describe('statistics', { concurrency: true, timeout: 180000 }, () => {
  for (const [name, network, options] of [
    ["on the host's network", 'netlink', { args: MOUNTS, isOnHost: true }],
    ['on a network of its own', 'proc', { args: MOUNTS }],
    ['in a namespace of its own', 'proc', { args: [...MOUNTS, '--cgroupns', 'private'] }],
  ]) {
    test(`with the mounts, ${name}: it samples like an agent outside`, async () => {
      const { m, id } = await measureInside(name.replace(/\W/g, '-'), options);
      await agreement(engine, m, id, name);
      const ours = m.of(id).at(-1);
      assert.ok(ours.net_tx >= 3000 && ours.cpu_time > 0 && ours.cpu === 0);
      assert.equal(ours.mem_limit, 64 << 20);
      assert.deepEqual([m.source().containers, m.source().network, m.source().why], [SOURCE, network, '']);
      assert.ok(m.of(m.agent.id).at(-1).cpu !== null, 'and itself');
      const host = m.all().findLast((b) => b.host).host;
      assert.ok(host.mem_total > 64 << 20 && host.uptime > 0 && host.cpus > 0);
    });
  }

  test('without the mounts it asks the engine, and reports the reason', async () => {
    const { m, id } = await measureInside('bare');
    const ours = await eventually(() => m.of(id).find((c) => c.net_tx >= 3000), { timeout: 60000, what: 'statistics' });
    assert.equal(ours.mem_limit, 64 << 20);
    assert.ok(ours.cpu_time > 0);
    assert.deepEqual([m.source().containers, m.source().network], ['api', 'api']);
    assert.match(m.source().why, /in a container.*-v \/sys\/fs\/cgroup:\/host\/sys\/fs\/cgroup/);
    assert.deepEqual(m.source().notes, []);
    const { stderr } = await run('docker', ['logs', m.agent.id], { env: engine.env });
    assert.match(stderr, /statistics come from the engine, every 10 s at most: .*in a container/);
    assert.equal(m.all().findLast((b) => b.host).host.net_rx, null, 'its own network is not that of the host');
  });
});

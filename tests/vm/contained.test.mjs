// The agent as a container of packaging/docker, with the private cgroup namespace that engines give on version 2, as
// packaging/docker/compose.yaml runs it: everything dropped, everything read-only, behind a bridge or with the host's network.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { agreement } from '../integration/lib/engine-stats.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { eventually } from '../integration/lib/wait.mjs';
import { ROOT, SLOW, agreesOnAll, kernelSays, sh, sourceIs, users, usersGo } from './lib.mjs';

const engine = new Engine();
const later = cleanups();
let all;
const MOUNTS = ['-v', '/proc:/host/proc:ro', '-v', '/sys/fs/cgroup:/host/sys/fs/cgroup:ro'];

before(async () => {
  await engine.ensureImage();
  await sh(`cd ${ROOT} && DOCKMON_STATIC_DIR=$PWD/build script/images vm`);
  all = await users(engine);
});
after(() => usersGo(engine));

async function contained(name, network, mounts = MOUNTS) {
  const address = network === 'host' ? '127.0.0.1' : await engine.docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', network);
  return measure(engine, later, {
    address,
    start: async ({ url }) => {
      const id = await engine.docker(
        'run', '-d', '--name', `${engine.prefix}-${name}`, '--network', network, '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true',
        '--tmpfs', '/tmp', '-v', '/var/run/docker.sock:/var/run/docker.sock:ro', ...mounts, '-e', `DOCKMON_URL=${url}`,
        '-e', 'REGISTRATION_TOKEN=registration-token', '-e', 'STATS_INTERVAL=1s', 'dockmon-agent:vm',
      );
      assert.equal((await engine.inspect(id)).HostConfig.CgroupnsMode, 'private');
      return { id, remove: () => engine.docker('rm', '-f', '-v', id) };
    },
  });
}

for (const network of ['bridge', 'host']) {
  test(`with the network "${network}" it agrees with docker stats and the kernel`, SLOW, async () => {
    const m = await contained(`agent-${network}`, network);
    await agreesOnAll(engine, m, all);
    sourceIs(m, network === 'host' ? 'netlink' : 'proc');
    const { host } = m.all().findLast((b) => b.host);
    assert.ok(host.cpu > 0 && host.mem_total > 1e9 && host.net_rx > 0, JSON.stringify(host));
  });
}

// Paths relative to its own folder begin with "/..", and none of the usual places is right: it has to search.
test('it finds a container below another slice', SLOW, async () => {
  const m = await contained('agent-slice', 'bridge');
  const c = await engine.run('slice', { args: ['--cgroup-parent', 'dockmon-test.slice'] });
  await eventually(() => m.of(c.id).at(-1)?.cpu_time > 0, { timeout: 90000, what: 'figures' });
  await agreement(engine, m, c.id, 'the one below a slice', kernelSays);
});

test('without the mounts the engine is asked, and that is said', SLOW, async () => {
  const m = await contained('agent-bare', 'bridge', []);
  const sample = await eventually(() => m.of(all.hog.id).findLast((s) => s.mem_used > 0), { timeout: 90000, what: 'figures' });
  assert.equal(sample.mem_limit, 256 << 20);
  assert.equal(m.source().containers, 'api', JSON.stringify(m.source()));
  assert.match(m.source().why, /in a container/);
});

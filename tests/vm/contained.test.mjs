// Runs the agent in a container of packaging/docker, with the private cgroup namespace that engines use with cgroup v2 and
// with the restrictions of packaging/docker/compose.yaml.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { ROOT, SLOW, assertAllAgree, sh, assertSource, createLoads, removeLoads } from './lib.mjs';

const engine = new Engine();
const later = cleanups();
let all;

before(async () => {
  await engine.ensureImage();
  await sh(`cd ${ROOT} && DOCKMON_STATIC_DIR=$PWD/build script/images vm`);
  all = await createLoads(engine);
});
after(() => removeLoads(engine));

test('an agent in a container agrees with docker stats and the kernel', SLOW, async () => {
  const m = await measure(engine, later, {
    start: async ({ url }) => {
      const id = await engine.docker(
        'run', '-d', '--name', `${engine.prefix}-agent`, '--network', 'host', '--read-only', '--cap-drop', 'ALL', '--security-opt', 'no-new-privileges:true',
        '--tmpfs', '/tmp', '-v', '/var/run/docker.sock:/var/run/docker.sock:ro', '-v', '/proc:/host/proc:ro', '-v', '/sys/fs/cgroup:/host/sys/fs/cgroup:ro',
        '-e', `DOCKMON_URL=${url}`, '-e', 'INSECURE_HTTP=true', '-e', 'REGISTRATION_TOKEN=registration-token', '-e', 'STATS_INTERVAL=1s', 'dockmon-agent:vm',
      );
      assert.equal((await engine.inspect(id)).HostConfig.CgroupnsMode, 'private');
      return { id, remove: () => engine.docker('rm', '-f', '-v', id) };
    },
  });
  await assertAllAgree(engine, m, all);
  assertSource(m, 'proc'); // without capabilities the agent cannot read other network namespaces
  const { host } = m.all().findLast((b) => b.host);
  assert.ok(host.cpu > 0 && host.mem_total > 1e9, JSON.stringify(host));
});

// Podman's service, rootful and rootless: other folders, another runtime, and an answer of its own to what memory is.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { getFrom } from '../integration/lib/engine-stats.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { ROOTLESS, SLOW, agreesOnAll, sh, sourceIs, startAgent, users, usersGo } from './lib.mjs';

const later = cleanups();

// What `podman stats` shows, in its own words before they are rounded.
const podmanSays = async (engine, id) => {
  const { Stats: [s] } = await getFrom(engine, `/v4.0.0/libpod/containers/stats?containers=${id}&stream=false`);
  return {
    counters: { cpu_time: Math.floor(s.CPUNano / 1000), pids: s.PIDs, blk_read: s.BlockInput, blk_write: s.BlockOutput },
    sizes: { mem_used: s.MemUsage },
  };
};

const KINDS = [
  { who: 'root', host: 'unix:///run/podman/podman.sock', wrap: [], systemctl: (words) => sh(`systemctl ${words}`), network: 'netlink' },
  { who: 'a user', host: `unix://${ROOTLESS.runtime}/podman/podman.sock`, wrap: ROOTLESS.as, systemctl: ROOTLESS.systemctl, network: 'proc' },
];

for (const { who, host, wrap, systemctl, network } of KINDS) {
  const engine = new Engine(host);

  before(async () => {
    await systemctl('start podman.socket');
    await engine.ensureImage();
  });
  after(() => systemctl('stop podman.socket podman.service'));

  test(`Podman of ${who}: it agrees with podman stats and the kernel`, SLOW, async () => {
    later(() => usersGo(engine));
    const all = await users(engine);
    const m = await measure(engine, later, { start: startAgent(engine, { wrap, dir: await ROOTLESS.folder() }) });
    await agreesOnAll(engine, m, all, podmanSays);
    sourceIs(m, network);
  });
}

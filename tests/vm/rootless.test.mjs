// Tests with a rootless engine: its cgroups are below the user's slice, its networks in a namespace without links to the host.
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { cleanups } from '../integration/lib/cleanup.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { measure } from '../integration/lib/measure.mjs';
import { eventually } from '../integration/lib/wait.mjs';
import { ROOTLESS, SLOW, assertAllAgree, sh, assertSource, startAgent, createLoads, removeLoads } from './lib.mjs';

const engine = new Engine(`unix://${ROOTLESS.runtime}/docker.sock`);
const later = cleanups();
let all;

before(async () => {
  await mkdir('/etc/systemd/user', { recursive: true });
  // dockerd-rootless-setuptool.sh writes the same unit.
  await writeFile('/etc/systemd/user/docker-rootless.service', `[Service]
Environment=PATH=/usr/share/docker.io/contrib:/usr/sbin:/sbin:/usr/bin:/bin
ExecStart=/usr/share/docker.io/contrib/dockerd-rootless.sh
LimitNOFILE=infinity
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
Type=notify
NotifyAccess=all
KillMode=mixed
TimeoutStartSec=180
`);
  await ROOTLESS.systemctl('daemon-reload');
  await ROOTLESS.systemctl('start docker-rootless').catch(async (e) => assert.fail(`${e.message}\n${await sh('journalctl --no-pager -n 60 _UID=1000')}`));
  await eventually(() => engine.docker('version'), { timeout: 60000, what: 'the rootless engine answers' });
  await engine.ensureImage();
  all = await createLoads(engine);
});
after(async () => {
  await removeLoads(engine);
  await ROOTLESS.systemctl('stop docker-rootless');
});

for (const [who, wrap] of [['its user', ROOTLESS.as], ['root', []]]) {
  test(`an agent of ${who} agrees with docker stats and the kernel`, SLOW, async () => {
    const info = JSON.parse(await engine.docker('info', '-f', '{{json .}}'));
    assert.equal(`${info.CgroupVersion} ${info.CgroupDriver}`, '2 systemd');
    assert.ok(info.SecurityOptions.includes('name=rootless'), JSON.stringify(info.SecurityOptions));
    const m = await measure(engine, later, { start: startAgent(engine, { wrap, dir: await ROOTLESS.folder() }) });
    await assertAllAgree(engine, m, all);
    assertSource(m, 'proc');
  });
}

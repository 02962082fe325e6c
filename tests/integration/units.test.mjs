// The systemd units: valid, and as hardened as documented.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, bin } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

const LIMIT = { dockmond: 2.0, 'dockmon-agent': 2.0 }; // of systemd-analyze security: 0 best, 10 worst
const hasSystemd = (await run('sh', ['-c', 'command -v systemd-analyze'])).code === 0;
let dir;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dockmon-units-'));
});
after(() => rm(dir, { recursive: true, force: true }));

for (const name of Object.keys(LIMIT)) {
  test(`${name}.service`, { skip: !hasSystemd && 'systemd-analyze is not installed' }, async () => {
    const text = await readFile(join(ROOT, `packaging/systemd/${name}.service.in`), 'utf8');
    const unit = join(dir, `${name}.service`);
    await writeFile(unit, text.replaceAll(`@bindir@/${name}`, bin(name)));

    const verdict = await run('systemd-analyze', ['verify', '--man=no', unit]);
    const ours = (verdict.stdout + verdict.stderr).split('\n').filter((l) => l.includes(name));
    assert.deepEqual(ours, []);
    assert.equal(verdict.code, 0, verdict.stderr);

    const security = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', unit]);
    const exposure = Number(/Overall exposure level for .*: ([\d.]+)/.exec(security.stdout)?.[1]);
    assert.ok(exposure <= LIMIT[name], `exposure ${exposure}:\n${security.stdout}`);

    for (const flag of /^ExecStart=\S+ (.*)$/m.exec(text)[1].match(/--[a-z-]+/g)) {
      const help = await run(bin(name), ['--help']);
      assert.ok(help.stdout.includes(flag) || flag === '--config', `${name} knows ${flag}`);
    }
  });
}

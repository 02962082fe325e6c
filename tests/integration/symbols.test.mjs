// Released programs are stripped; their symbols are in a file beside them that debuggers find by its name and build id.
import assert from 'node:assert/strict';
import { realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT, bin, temporaryDirectory } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

let dir;

before(async () => {
  dir = await temporaryDirectory();
});
after(() => rm(dir, { recursive: true, force: true }));

async function output(...command) {
  const r = await run(command[0], command.slice(1), { env: { LC_ALL: 'C' } });
  assert.equal(r.code, 0, `${command.join(' ')}: ${r.stderr}`);
  return r.stdout;
}

const buildId = async (file) => /Build ID: ([0-9a-f]{40})/.exec(await output('readelf', '-n', file))[1];

for (const name of ['dockmond', 'dockmon-agent', 'dockmon']) {
  test(`${name}: names resolve by the debug file`, async () => {
    const made = await realpath(bin(name));
    const program = join(dir, name);
    await output('sh', '-c', `cd '${ROOT}' && . script/lib/common.sh && split_symbols '${made}' '${program}'`, `${ROOT}/script/symbols`);
    assert.equal(await buildId(program), await buildId(`${program}.debug`));
    assert.doesNotMatch(await output('readelf', '-SW', program), /\.symtab|\.debug_info/);

    const [, address] = /^([0-9a-f]+) [tT] main$/m.exec(await output('nm', `${program}.debug`));
    assert.match(await output('addr2line', '-f', '-e', program, `0x${address}`), /^main\n.*src\/\w+\/main\.c:\d+/);
    await rm(`${program}.debug`);
    assert.match(await output('addr2line', '-f', '-e', program, `0x${address}`), /^\?\?\n/, 'it is the debug file that has them');

    await output('strip', '-o', `${program}.plain`, made);
    assert.ok((await stat(program)).size <= (await stat(`${program}.plain`)).size, 'no larger than without a debug file');
  });
}

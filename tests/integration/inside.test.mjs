// An agent that runs as a container itself knows which one it is, with and without a host name of its own.
import assert from 'node:assert/strict';
import { realpath } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Server, bin } from './lib/dockmon.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { run } from './lib/process.mjs';

const engine = new Engine();
let server;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
});

after(async () => {
  await server?.remove();
  await engine.cleanup();
});

// Checks from inside of a container and gives what it says and the container's id.
async function checkInside(name, args = []) {
  const socket = engine.host.replace('unix://', '');
  const libraries = ['/usr', '/lib', '/lib64'].flatMap((d) => ['-v', `${d}:${d}:ro`]); // a sanitizer build is not static
  const id = await engine.docker(
    'create', '--network', 'host', '--name', `${engine.prefix}-${name}`, ...args, ...libraries,
    '-v', `${await realpath(bin('dockmon-agent'))}:/dockmon-agent:ro`, '-v', `${socket}:/var/run/docker.sock`,
    '-e', `DOCKMON_URL=${server.url}`, '-e', 'REGISTRATION_TOKEN=registration-token', '-e', 'ASAN_OPTIONS=detect_leaks=0',
    IMAGE, '/dockmon-agent', '--check',
  );
  const r = await run('docker', ['start', '-a', id], { env: engine.env });
  return { id, r };
}

for (const [name, args] of [['plain', []], ['named', ['--hostname', 'a-name-of-its-own']], ['private', ['--cgroupns', 'private']]]) {
  test(`${name}: it says inside of which container it is`, async () => {
    const { id, r } = await checkInside(name, args);
    assert.equal(r.code, 0, r.stdout + r.stderr);
    assert.match(r.stdout, new RegExp(`inside of container ${id.slice(0, 12)}`));
  });
}

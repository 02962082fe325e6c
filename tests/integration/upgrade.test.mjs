// Docker is upgraded in place, from that of Debian 12 to that of Debian 13, on the same data folder: the host stays
// the same one, although the engine has another id. Skipped with the reason where Debian 13 cannot be fetched.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, ROOT, Server } from './lib/dockmon.mjs';
import { OwnEngine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let newer, why;

before(async () => {
  const r = await run(`${ROOT}/script/trixie`, [], { timeout: 300000 });
  newer = r.stdout.trim();
  why = r.code === 0 ? '' : r.stderr.trim();
  if (r.code !== 0 && r.code !== 77) throw new Error(`script/trixie: ${r.stderr}`);
});

test('the host survives the upgrade of its Docker', { timeout: 240000 }, async (t) => {
  if (why) return t.skip(why);
  const engine = await OwnEngine.start({ liveRestore: false });
  later(() => engine.remove());
  await engine.ensureImage();
  const c = await engine.run('kept', { args: ['--restart', 'always'] });
  const id = () => engine.docker('info', '--format', '{{.ID}}');
  const version = () => engine.docker('version', '--format', '{{.Server.Version}}');
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('operator');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  const host = await client.onlineHost();
  const before = { id: await id(), version: await version() };
  const now = async () => (await client.get('/api/hosts'))[0];

  await client.container(c.name);
  await engine.down();
  engine.path = newer;
  try {
    await engine.up();
  } catch (e) {
    return t.skip(`Docker of Debian 13 does not run here: ${engine.daemon.lines.slice(-3).join(' | ')} (${e.message})`);
  }
  assert.notEqual(await version(), before.version);
  assert.notEqual(await id(), before.id, 'the engine has another id');
  await eventually(async () => (await now()).docker_version === (await version()), { timeout: 60000, what: 'the host shows the new version' });
  await eventually(async () => (await now()).status === 'online', { timeout: 60000, what: 'the host is online' });
  assert.deepEqual((await client.get('/api/hosts')).map((h) => h.id), [host.id]);
  await eventually(async () => (await client.container(c.name)).state === 'running', { timeout: 60000, what: 'its container runs' });
  await client.post(`/api/hosts/${host.id}/containers/${c.id}/stop?timeout=0`);
  assert.equal(await engine.state(c.id), 'exited');

  await agent.down();
  await agent.up(); // with what it kept
  await eventually(async () => (await now()).status === 'online', { timeout: 60000, what: 'a restarted agent comes back' });
  assert.deepEqual((await client.get('/api/hosts')).map((h) => h.id), [host.id]);
});

// Samples during an outage of the server are stored, sent once, and limited.
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { bin } from './lib/dockmon.mjs';
import { Network } from './lib/netns.mjs';
import { run } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { SamplePair, spooled } from './lib/sample-pair.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
let engine;

before(async () => {
  engine = await ScriptedEngine.start();
  later(() => engine.stop());
});

const start = (options) => SamplePair.start({ on: engine, later, ...options });

test('a cut with an agent killed in the middle leaves no gap and no duplicate', { timeout: 180000 }, async () => {
  const p = await start();
  await eventually(() => p.all().length >= 3, { what: 'batches' });
  p.acknowledge();
  await eventually(() => p.all().length >= 5, { what: 'batches that are not acknowledged' });
  p.cut();
  const first = p.all()[0].epoch;
  await eventually(async () => (await spooled(p.dir)).length >= 8, { timeout: 60000, what: 'batches on disk' });
  await p.agent.down('SIGKILL');
  const kept = await spooled(p.dir);
  await p.agent.up();
  await eventually(async () => (await spooled(p.dir)).filter((r) => r.epoch > first).length >= 4, { timeout: 60000, what: 'more of them' });

  p.relay.set({ mode: 'pass' });
  await eventually(() => p.all().at(-1).epoch > first && !p.all().at(-1).late, { timeout: 60000, what: 'the present' });
  p.assertWhole();
  const last = kept.at(-1);
  assert.ok(p.all().some((b) => b.epoch === last.epoch && b.seq === last.seq && b.late), 'the last one before the kill');

  // Acknowledged batches are deleted.
  p.acknowledge();
  await eventually(async () => (await spooled(p.dir)).length === 0, { what: 'an empty spool' });
});

test('nothing is stored for a server that does not accept samples', { timeout: 120000 }, async () => {
  const p = await start({ samples: false });
  await eventually(() => p.server.messages.some((m) => m.type === 'stats'), { what: 'plain messages' });
  p.cut();
  await p.agent.process.line(/next attempt to connect/);
  const attempts = p.relay.accepted;
  await eventually(() => p.relay.accepted >= attempts + 4, { timeout: 60000, what: 'attempts to connect' });
  assert.deepEqual(await spooled(p.dir), []);
});

test('an unwritable disk is reported, and a short cut is bridged in memory', { timeout: 120000 }, async () => {
  const p = await start({ prepare: (dir) => writeFile(join(dir, 'spool'), 'in the way') });
  await eventually(() => p.all().length >= 2, { what: 'batches' });
  const { stdout } = await run(bin('dockmon-agent'), ['--check'], {
    env: { DOCKMON_URL: p.agent.server.url, DATA_PATH: p.dir, DOCKER_HOST: engine.host, REGISTRATION_TOKEN: 'x' },
  });
  assert.match(stdout, /spool .*memory only/);
  p.cut();
  await p.agent.process.line(/kept in memory only.*spool/);
  const attempts = p.relay.accepted;
  await eventually(() => p.relay.accepted >= attempts + 5, { timeout: 60000, what: 'attempts to connect' });
  p.relay.set({ mode: 'pass' });
  const before = p.all().length;
  await eventually(() => p.all().length >= before + 4, { timeout: 60000, what: 'batches after the cut' });
  p.assertWhole();
});

test('a full disk is reported, bridged in memory, and used again when there is room', { timeout: 120000 }, async () => {
  let folder;
  const p = await start({
    prepare: async (dir) => {
      folder = join(dir, 'spool');
      await mkdir(folder);
      const r = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
      assert.equal(r.code, 0, r.stderr);
      await writeFile(join(folder, 'filler'), Buffer.alloc(64 * 1024));
    },
  });
  later(() => run('umount', ['-l', folder]));
  await eventually(() => p.all().length >= 2, { what: 'batches' });
  p.cut();
  await p.agent.process.line(/kept in memory only.*No space left/);
  await rm(join(folder, 'filler'));
  await p.agent.process.line(/kept on disk again/, { timeout: 30000 });
  await eventually(async () => (await spooled(p.dir)).length >= 8, { timeout: 60000, what: 'batches on disk' });
  p.relay.set({ mode: 'pass' });
  await eventually(() => p.all().length > 8 && !p.all().at(-1).late, { timeout: 60000, what: 'the present' });
  p.assertWhole();
});

test('a damaged file is reported, and only its remainder is lost', { timeout: 120000 }, async () => {
  const p = await start();
  await eventually(() => p.all().length >= 2, { what: 'batches' });
  p.acknowledge();
  p.cut();
  await eventually(async () => (await spooled(p.dir)).length >= 8, { timeout: 60000, what: 'batches on disk' });
  await p.agent.down();
  const folder = join(p.dir, 'spool');
  const [name] = await readdir(folder);
  const data = await readFile(join(folder, name));
  let at = 0; // of the fifth record
  for (let i = 0; i < 4; i++) at += 25 + data.readUInt32LE(at);
  data[at + 40] ^= 1;
  await writeFile(join(folder, name), data);
  const kept = await spooled(p.dir);
  await p.agent.up();
  await p.agent.process.line(/bytes cannot be read and are lost/);
  p.relay.set({ mode: 'pass' });
  await eventually(() => p.all().at(-1).epoch > kept[0].epoch, { timeout: 60000, what: 'the next run' });
  p.assertWhole();
  assert.equal(p.all().filter((b) => b.epoch === kept[0].epoch).at(-1).seq, kept[3].seq);
});

test('events of a cut survive a restart of the agent and of an engine that forgets them', { timeout: 180000 }, async () => {
  const fake = await ScriptedEngine.start();
  later(() => fake.stop());
  const p = await start({ on: fake });
  const received = () => p.server.events('container_event').map((e) => e.container_name);
  const tell = (name) => fake.event(scriptedContainer(Number(name.slice(1)), { name }), 'pause');
  await eventually(() => fake.events.size > 0, { what: 'the stream of events' });
  tell('e0');
  await eventually(() => received().includes('e0'), { what: 'the first event' });

  p.cut();
  const names = Array.from({ length: 3000 }, (_, i) => `e${i + 1}`);
  names.slice(0, 2900).forEach(tell);
  await eventually(async () => (await spooled(p.dir, 'events')).length >= 2901, { timeout: 60000, what: 'events on disk' });
  await p.agent.down('SIGKILL');
  fake.past = [];
  await eventually(() => fake.events.size === 0, { what: 'the end of the stream' });
  await p.agent.up();
  await eventually(() => fake.events.size > 0, { what: 'the stream of events' });
  names.slice(2900).forEach(tell);
  p.relay.set({ mode: 'pass' });
  await eventually(() => received().includes('e3000'), { timeout: 60000, what: 'the last event' });
  // The server's newest event is sent again, because the server asks from there.
  assert.deepEqual([...new Set(received())], ['e0', ...names]);
  assert.ok(received().length <= names.length + 2);
});

// Silent cuts: the connection seems alive to the agent until 45 s have passed. `break` and `mend` act on a pair.
const SILENT = [
  {
    name: 'a cable that is cut without a word',
    network: true,
    break: (p) => p.site.drop(),
    mend: (p) => p.site.heal(),
  },
  {
    name: 'a proxy that takes everything and passes nothing on',
    break: (p) => p.relay.set({ mode: 'hole' }),
    mend: (p) => {
      p.relay.cut(); // data that it accepted is lost
      p.relay.set({ mode: 'pass' });
    },
  },
];

for (const silence of SILENT) {
  test(`${silence.name}: a kill -9 loses at most a second`, { timeout: 180000 }, async () => {
    const network = silence.network && (await Network.make());
    if (network) later(() => network.remove());
    const fake = await ScriptedEngine.start();
    later(() => fake.stop());
    const p = await start({ network, on: fake });
    await eventually(() => p.all().length >= 3 && fake.events.size > 0, { what: 'batches' });
    p.acknowledge();
    const first = p.all()[0].epoch;
    await silence.break(p);
    const received = p.all().at(-1).seq;
    fake.event(scriptedContainer(1, { name: 'unheard' }), 'pause');
    // Long before the 20 s timeout of an acknowledgement and the 45 s of silence.
    await eventually(async () => (await spooled(p.dir)).filter((r) => r.seq > received).length >= 3, { timeout: 15000, what: 'batches on disk' });
    await p.agent.down('SIGKILL');
    const last = (await spooled(p.dir)).at(-1);
    fake.past = []; // the engine does not remember for the agent
    await p.agent.up();
    await eventually(async () => (await spooled(p.dir)).filter((r) => r.epoch > first).length >= 2, { timeout: 60000, what: 'batches of the next run' });
    await silence.mend(p);
    await eventually(() => p.all().at(-1).epoch > first && !p.all().at(-1).late, { timeout: 60000, what: 'the present' });
    p.assertWhole();
    assert.equal(p.all().filter((b) => b.epoch === first).at(-1).seq, last.seq);
    assert.deepEqual(p.server.events('container_event').map((e) => e.container_name), ['unheard']);
    p.acknowledge();
    await eventually(async () => (await spooled(p.dir)).length === 0, { what: 'an empty spool' });
  });
}

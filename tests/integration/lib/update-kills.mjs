// Kills an agent, its engine, or both (as when the machine fails) around one act of an update, and checks what is left when both are back:
// one container under the name, at most one of the pair running, and the data of its volumes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanups } from './cleanup.mjs';
import { OwnEngine } from './engine.mjs';
import { run } from './process.mjs';
import { UpdateWorld } from './update-world.mjs';
import { eventually } from './wait.mjs';

// The acts of an update and of its rollback, in their order, as the requests that the engine gets.
export const ACTS = {
  create: /^POST \/containers\/create\?name=.*\.dmnew-/,
  policy: /^POST \/containers\/OLD\/update$/,
  stop: /^POST \/containers\/OLD\/stop/,
  set_aside: /^POST \/containers\/OLD\/rename\?name=.*\.dmold-/,
  install: /^POST \/containers\/(?!OLD)\w+\/rename/,
  start: /^POST \/containers\/(?!OLD)\w+\/start/,
};
export const UNDO_ACTS = {
  undo_stop: /^POST \/containers\/(?!OLD)\w+\/stop/,
  undo_remove: /^DELETE \/containers\/(?!OLD)\w+\?force=1/,
  undo_name: /^POST \/containers\/OLD\/rename\?name=(?!.*\.dmold-)/,
  undo_policy: /^POST \/containers\/OLD\/update$/,
  undo_start: /^POST \/containers\/OLD\/start/,
};

export const KILLS = {
  agent: { down: (w) => w.agent.process.stop('SIGKILL'), up: (w) => w.agent.up() },
  engine: { down: (w) => w.engine.daemon.stop('SIGKILL'), up: (w) => w.engine.up() },
  both: {
    down: (w) => Promise.all([KILLS.agent.down(w), KILLS.engine.down(w)]),
    up: async (w) => {
      await KILLS.engine.up(w);
      await KILLS.agent.up(w);
    },
  },
};

export class Killer {
  constructor(later) {
    this.later = later;
  }

  async start() {
    this.engine = await OwnEngine.start({ liveRestore: false });
    this.later(() => this.engine.remove());
    await this.engine.ensureImage();
    this.world = await UpdateWorld.start(this.engine, this.later, { hasProxy: true });
    this.world.engine = this.engine;
    this.v1 = await this.world.registry.push(this.engine, 'shop:1', ['LABEL version=1']);
    this.v2 = await this.world.registry.push(this.engine, 'shop:2', ['LABEL version=2']);
    this.n = 0;
  }

  // Kills `who` when the act is seen for the first time, and starts it again a moment later.
  arm(c, act, who, when) {
    let has_fired = false;

    return new Promise((done, failed) => {
      this.world.proxy.hook = async (call) => {
        const text = `${call.method} ${call.path}`.replace(c.id, 'OLD');
        if (has_fired || call.when !== when || !act.test(text)) return;
        has_fired = true;
        await KILLS[who].down(this.world);
        setTimeout(() => KILLS[who].up(this.world).then(done, failed), 100);
      };
    });
  }

  async make() {
    const name = `${this.engine.prefix}-c${++this.n}-`; // ends with "-", so that no name is the beginning of another one
    const id = await this.engine.docker('run', '-d', '--network', 'none', '--name', name, '--restart', 'always', '-v', '/anonymous', '-v', `${name}:/named`, this.v1, 'sleep', '3600');

    await this.engine.docker('exec', id, 'sh', '-c', 'echo treasure >/anonymous/file; echo treasure >/named/file');
    return { id, name };
  }

  // The record on disk, when nothing is under way any more.
  settled(id) {
    return eventually(async () => {
      const all = await this.world.records().catch(() => []);
      const r = all.find((x) => x.update_id === id);
      return r && r.state !== 'running' && r;
    }, { timeout: 90000, interval: 200, what: 'the update is over' });
  }

  async check(c, r, what) {
    const family = await eventually(async () => {
      const all = await this.world.family(c.name);
      return all.find((f) => f.name === c.name)?.state === 'running' && all;
    }, { timeout: 30000, what: `${what}: a container runs under the name` });
    const named = family.filter((f) => f.name === c.name);

    assert.equal(named.length, 1, what);
    assert.equal(family.filter((f) => f.state === 'running').length, 1, `${what}: one runs`);
    assert.equal(named[0].inspect.HostConfig.RestartPolicy.Name, 'always', `${what}: its restart policy`);
    for (const place of ['anonymous', 'named'])
      assert.equal(await this.engine.docker('exec', named[0].id, 'cat', `/${place}/file`), 'treasure', `${what}: the data`);
    if (r.state === 'kept') {
      assert.equal(named[0].image, this.v2, what);
      assert.deepEqual(family.map((f) => f.id).sort(), [c.id, named[0].id].sort(), `${what}: nothing else is left`);
    } else {
      assert.equal(named[0].id, c.id, `${what}: the old one, ${r.state}: ${r.error}`);
      assert.equal(family.length, 1, `${what}: nothing is left: ${family.map((f) => f.name)}`);
    }
    // An agent that is killed may leave a probe. A later agent removes it once it is a minute old: until then it may be another one's.
    const probes = (await this.engine.docker('ps', '-aq', '--filter', 'label=dockmon.probe')).split('\n').filter(Boolean);
    for (const id of probes) assert.ok(Date.now() - new Date((await this.engine.inspect(id)).Created) < 120000, `${what}: no probe is left`);
  }

  async remove(c) {
    const ids = (await this.world.family(c.name)).map((f) => f.id);
    await run('docker', ['rm', '-f', '-v', ...ids], { env: this.engine.env });
  }

  async one(c, act, who, when, begin) {
    const killed = this.arm(c, act, who, when);
    const id = await begin();

    await killed;
    this.world.proxy.hook = null;
    const r = await this.settled(id);
    return r;
  }

  async killUpdate(act, who, when, what) {
    const c = await this.make();
    const r = await this.one(c, act, who, when, () => this.world.update(c.id, { new_image: this.v2 }));

    await this.check(c, r, what);
    await this.remove(c);
  }

  async killRollback(act, who, when, what) {
    const c = await this.make();
    const id = await this.world.update(c.id, { new_image: this.v2 });
    await this.settled(id);
    const r = await this.one(c, act, who, when, async () => {
      await this.world.server.command('update_rollback', { update_id: id }, { timeout: 5000 }).catch(() => {});
      return id;
    });

    assert.equal(r.state, 'rolled_back', JSON.stringify(r.error));
    await this.check(c, r, what);
    await this.remove(c);
  }
}

// One test for each act, or for those of `names`, and each moment.
export function killTests(who, { names = [...Object.keys(ACTS), ...Object.keys(UNDO_ACTS)] } = {}) {
  const later = cleanups();
  const k = new Killer(later);

  test(`${{ agent: 'the agent', engine: 'the engine', both: 'the agent and the engine' }[who]}: killed in the middle of an update`, { timeout: 900000 }, async (t) => {
    await k.start();
    for (const [name, act] of Object.entries(ACTS).filter(([x]) => names.includes(x))) {
      for (const when of ['before', 'after']) await t.test(`${when} ${name}`, () => k.killUpdate(act, who, when, `${who} killed ${when} ${name}`));
    }
    for (const [name, act] of Object.entries(UNDO_ACTS).filter(([x]) => names.includes(x))) {
      for (const when of ['before', 'after']) await t.test(`${when} ${name}`, () => k.killRollback(act, who, when, `${who} killed ${when} ${name}`));
    }
  });
}

// An agent that a hand-made server asks for updates, with an engine and a registry of images.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent } from './dockmon.mjs';
import { EngineProxy } from './engine-proxy.mjs';
import { HandServer } from './hand-server.mjs';
import { ImageRegistry } from './image-registry.mjs';
import { eventually } from './wait.mjs';

const OVER = (r) => r.state !== 'running';

export class UpdateWorld {
  // `later` ends it; the agent's requests go through a proxy when `hasProxy`.
  static async start(engine, later, { hasProxy = false, env = {}, accept = {}, registry = null } = {}) {
    const w = new UpdateWorld();
    w.engine = engine;
    w.registry = registry ?? await ImageRegistry.start();
    if (!registry) later(() => w.registry.remove());
    w.server = await HandServer.start({
      authorize: () => ({
        type: 'auth_success', agent_id: 'agent-1', host_id: 'host-1', permanent_token: 'permanent-1',
        capabilities: { updates: true, error_codes: true, ...accept },
      }),
    });
    later(() => w.server.stop());
    if (hasProxy) {
      w.proxy = await EngineProxy.start(engine);
      later(() => w.proxy.remove());
    }
    w.agent = await Agent.start(w.server, w.proxy ?? engine, { token: 'registration-1', env });
    later(() => w.agent.remove());
    await w.server.session();
    return w;
  }

  // Asks for an update; resolves with its id.
  async update(container, fields = {}) {
    const update_id = randomUUID();
    const reply = await this.server.command('update_container', {
      container_id: container, stop_timeout: 1, health_timeout: 30, registry_auth: null, stays_up_s: 1, update_id, ...fields,
    });

    assert.equal(reply.error, undefined, JSON.stringify(reply));
    assert.deepEqual(reply.payload, { status: 'update_started', update_id });
    return update_id;
  }

  // The newest record of an update that the server was sent.
  reported(id) {
    return this.server.events('update_journal').map((p) => p.update).filter((r) => r.update_id === id).at(-1);
  }

  ended(id, { timeout = 60000, is = OVER } = {}) {
    return eventually(() => {
      const r = this.reported(id);
      return r && is(r) && r;
    }, { timeout, what: `the update ends; it is ${JSON.stringify(this.reported(id))}` });
  }

  // Restarts the agent; it takes this container for the one that it runs in; null: it runs in none.
  async runsIn(id) {
    const count = this.server.sockets.length + 1;

    await this.agent.down();
    this.agent.env.HOSTNAME = id ? id.slice(0, 12) : '';
    await this.agent.up();
    await this.server.session({ count });
    await this.server.command('update_list', {});
  }

  // The records on the agent's disk.
  async records() {
    const dir = join(this.agent.dir, 'updates');
    const files = await readdir(dir).catch(() => []);

    return Promise.all(files.filter((f) => f.endsWith('.json')).map(async (f) => JSON.parse(await readFile(join(dir, f), 'utf8'))));
  }

  // Ends what was kept, as if its time had passed.
  async expire() {
    const dir = join(this.agent.dir, 'updates');

    await this.agent.down();
    for (const r of await this.records()) await writeFile(join(dir, `${r.update_id}.json`), JSON.stringify({ ...r, expires_at: 1, probation_until: 0 }));
    await this.agent.up();
    await eventually(async () => (await this.records()).every((r) => r.state !== 'kept'), { timeout: 40000, what: 'nothing is kept' });
  }

  // A running container of the image, with the image's command unless one is given.
  async make(name, args, image, command = []) {
    const full = `${this.engine.prefix}-${name}`;
    const network = args.includes('--network') ? [] : ['--network', 'none'];
    const id = await this.engine.docker('run', '-d', ...network, '--name', full, ...args, image, ...command);

    return { id, name: full };
  }

  // The one that has the name of `c` now, with its family.
  async only(c) {
    const family = await this.family(c.name);
    const found = family.find((f) => f.name === c.name);

    assert.ok(found, `a container has the name ${c.name}: ${JSON.stringify(family.map((f) => f.name))}`);
    return { ...found, family };
  }

  // All containers of the engine whose name begins with `name`: [{ name, id, state, image }].
  async family(name) {
    const ids = await this.engine.docker('ps', '-aq', '--no-trunc', '--filter', `name=${name}`);
    const all = await Promise.all(ids.split('\n').filter(Boolean).map((id) => this.engine.inspect(id)));

    return all.map((c) => ({ name: c.Name.slice(1), id: c.Id, state: c.State.Status, image: c.Config.Image, inspect: c }));
  }
}

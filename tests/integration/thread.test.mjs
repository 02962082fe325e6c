// The thinnest thread through everything: an agent registers, its containers arrive, `dockmon ps` shows them.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, agent, client;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
  client = await server.client('admin');
  agent = await Agent.start(server, engine);
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
});

test('an agent registers and its host comes online with the facts of the engine', async () => {
  const host = await client.onlineHost();
  const info = JSON.parse(await engine.docker('info', '--format', '{{json .}}'));

  assert.equal(host.connection_type, 'agent');
  assert.equal(host.agent.engine_id, info.ID);
  assert.equal(host.name, info.Name);
  assert.equal(host.num_cpus, info.NCPU);
  assert.equal(host.total_memory, info.MemTotal);
  assert.equal(host.docker_version, info.ServerVersion);
});

test('a container started on the engine appears in the API and in dockmon ps', async () => {
  const made = await engine.run('thread');
  const listed = await eventually(async () => {
    const c = await client.container(made.name);
    return c.state === 'running' && c;
  });

  assert.equal(listed.id, made.id);
  const ps = await dockmon(server, client.key, ['ps']);
  assert.equal(ps.code, 0, ps.stderr);
  const row = ps.stdout.split('\n').find((l) => l.includes(made.name));
  assert.ok(row, ps.stdout);
  assert.match(row, new RegExp(`^${made.id.slice(0, 12)} `));
});

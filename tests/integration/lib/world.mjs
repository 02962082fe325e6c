// The environment of most tests: the real engine, a server, and an agent that connects the two. Created before the
// tests of a file, removed after them.
import { after, before } from 'node:test';
import { Agent, Server } from './dockmon.mjs';
import { Engine } from './engine.mjs';

// `role` is the role of world.client; world.host is the agent's host, online.
export function theWorld({ role = 'viewer' } = {}) {
  const world = { engine: new Engine() };

  before(async () => {
    await world.engine.ensureImage();
    world.server = await Server.start();
    world.client = await world.server.client(role);
    world.agent = await Agent.start(world.server, world.engine);
    world.host = await world.client.onlineHost();
  });
  after(async () => {
    await world.agent?.remove();
    await world.server?.remove();
    await world.engine.cleanup();
  });
  // A container that runs a shell script; resolves when the server knows it.
  world.listed = async (name, script, args = []) => {
    const c = await world.engine.run(name, { args, command: ['sh', '-c', script] });
    await world.client.container(c.name);
    return c;
  };
  return world;
}

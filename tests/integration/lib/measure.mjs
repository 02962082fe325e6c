// An agent that samples every second, and a scripted server that reads its messages.
import { Agent } from './dockmon.mjs';
import { HandServer } from './hand-server.mjs';
import { readSamples } from './msgpack.mjs';
import { eventually } from './wait.mjs';

// `later(end)` receives the clean-ups. Undefined members of `env` are the agent's defaults. `start(server)` starts the
// agent in another way; `address` is the address on which the server listens.
export async function measure(on, later, { env = {}, capabilities = { samples: true }, start, address } = {}) {
  const server = await HandServer.start({
    address,
    authorize: () => ({ type: 'auth_success', agent_id: 'agent-1', host_id: 'host-1', permanent_token: 'permanent-1', capabilities }),
  });
  later(() => server.stop());
  const options = { token: 'registration-token', env: { STATS_INTERVAL: '1s', ...env } };
  const agent = start ? await start(server) : await Agent.start(server, on, options);
  later(() => agent.remove());
  await server.session();
  const batches = [];
  let read = 0;
  const m = {
    agent,
    server,
    all: () => {
      for (; read < server.messages.length; read++)
        if (server.messages[read].binary) batches.push(readSamples(server.messages[read].binary));
      return batches;
    },
    // The samples of one container.
    of: (id) => m.all().map((b) => b.containers[id]).filter(Boolean),
    // The source that was reported last.
    source: () => m.all().findLast((b) => b.source)?.source,
    // Waits for the next `n` batches and returns them.
    next: async (n = 1) => {
      const from = m.all().length;
      await eventually(() => m.all().length >= from + n, { timeout: 60000, what: `${n} batches` });
      return m.all().slice(from, from + n);
    },
  };
  return m;
}

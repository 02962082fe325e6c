// A hand-made agent for tests of scopes.
import assert from 'node:assert/strict';
import { HandAgent, containerElement } from './hand-agent.mjs';

function described(h, id) {
  const c = [...h.containers, ...(h.fresh ?? [])].find((x) => x.Id.startsWith(id) || x.Names.includes(`/${id}`));
  if (!c) throw new Error(`No such container: ${id}`);
  return { Id: c.Id, Name: c.Names[0], Config: { Labels: c.Labels, Env: [] } };
}

// An agent with two containers for which every command succeeds.
export async function scopedHost(server, registry, image, name) {
  const h = new HandAgent(server, {
    hostname: name,
    fields: {
      capabilities: {
        container_operations: true, shell_access: true, exec_command: true, image_operations: true, network_operations: true, volume_operations: true,
      },
    },
  });
  h.containers = ['web', 'db'].map((team) => containerElement({ name: `${name}-${team}`, labels: { team, 'dockmon.tag': `of-${name}-${team}` },
    Image: `${registry.name}/web:latest`, RepoDigests: [`${registry.name}/web@${image.digest}`] }));
  [h.web, h.db] = h.containers.map((c) => c.Id);
  h.operations = new Proxy({}, {
    get: (_, action) => (fields) =>
      action === 'inspect'
        ? { container: described(h, fields.container_id) }
        : action === 'get_logs'
          ? { logs: '' }
          : {},
  });
  h.onNamedCommand = (m) => {
    if (m.command === 'update_container') {
      h.send({ type: 'response', id: m.id, timestamp: new Date().toISOString(), error: 'updates are not possible here' });
      return;
    }
    const payload = m.command === 'list_containers' ? h.containers : m.command.startsWith('list_') ? [] : { success: true };
    h.send({ type: 'response', id: m.id, timestamp: new Date().toISOString(), payload });
  };
  const reply = await h.connect(await server.token());
  assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
  return h;
}

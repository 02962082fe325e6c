// A scripted agent on npm `ws`, independent of our code: a peer for our server. It speaks like the seed-era
// Go agent ('seed') or like today's ('head'), down to the place of the correlation id.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import WebSocket from 'ws';
import { closing, within } from './wait.mjs';

const hex = (n) => Array.from({ length: n }, () => Math.floor(Math.random() * 16).toString(16)).join('');
export const containerId = () => hex(64);

const FACTS = {
  os_type: 'linux',
  os_version: 'Debian GNU/Linux 12 (bookworm)',
  kernel_version: '6.1.0-18-amd64',
  docker_version: '24.0.7',
  daemon_started_at: '2025-11-02T09:13:07.123456789+01:00',
  total_memory: 8321155072,
  num_cpus: 4,
};

const ERA = {
  seed: { version: '2.2.0', proto_version: '1.0' },
  head: {
    version: '1.1.2',
    proto_version: '1.1',
    agent_os: 'linux',
    agent_arch: 'arm64',
    host_ip: '192.0.2.7',
    host_ips: ['192.0.2.7', '198.51.100.3'],
    hostname_source: 'daemon',
    force_unique_registration: false,
  },
};

export class HandAgent {
  constructor(server, { era = 'head', engineId = randomUUID(), hostname = `hand-${hex(6)}`, fields = {} } = {}) {
    this.server = server;
    this.era = era;
    this.engineId = engineId;
    this.hostname = hostname;
    this.fields = fields;
    this.containers = [];
    this.commands = [];
    this.operations = {}; // action -> (fields) => reply members, or throws
    this.isSilent = false;
  }

  registration(token) {
    return {
      type: 'register',
      token,
      engine_id: this.engineId,
      hostname: this.hostname,
      capabilities: {
        container_operations: true,
        container_updates: true,
        event_streaming: true,
        stats_collection: true,
        self_update: false,
      },
      ...FACTS,
      ...ERA[this.era],
      ...this.fields,
    };
  }

  // Opens the socket, sends `first` and resolves with the answer: { reply, close }.
  dial(first) {
    const answered = new Promise((resolve, reject) => {
      const ws = new WebSocket(`${this.server.url.replace('http', 'ws')}/api/agent/ws`, { perMessageDeflate: false });
      this.ws = ws;
      this.closed = closing(ws, `the end of ${this.hostname}`);
      ws.on('error', reject);
      ws.on('open', () => {
        if (first !== undefined) ws.send(typeof first === 'string' || Buffer.isBuffer(first) ? first : JSON.stringify(first));
      });
      ws.once('message', (data) => {
        const reply = JSON.parse(data);
        if (reply.type === 'auth_success') ws.on('message', (d) => this.onCommand(JSON.parse(d)));
        resolve(reply);
      });
      ws.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
    });
    return within(answered, `an answer to ${this.hostname}`);
  }

  async connect(token) {
    const reply = await this.dial(this.registration(token));
    if (reply.type === 'auth_success') {
      this.agentId = reply.agent_id;
      this.hostId = reply.host_id;
      this.permanentToken = reply.permanent_token;
    }
    return reply;
  }

  send(message) {
    this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  event(command, payload) {
    this.send({ type: 'event', command, payload, timestamp: new Date().toISOString() });
  }

  onCommand(message) {
    this.commands.push(message);
    if (this.isSilent) return;
    if (message.type === 'container_operation') this.onOperation(message);
    else if (message.type === 'command') this.onNamedCommand(message);
  }

  onOperation(message) {
    // The seed-era agent reads everything, also the correlation id, from the payload object; today's reads
    // the fields from the payload and the id from the top level.
    const fields = message.payload;
    if (typeof fields !== 'object' || fields === null) return;
    const id = this.era === 'seed' ? fields.correlation_id : message.id;
    const operation = this.operations[fields.action];
    try {
      if (!operation) throw new Error(`unknown action: ${fields.action}`);
      this.send({ correlation_id: id, success: true, container_id: fields.container_id, ...operation(fields) });
    } catch (e) {
      this.send({ correlation_id: id, success: false, error: e.message });
    }
  }

  onNamedCommand(message) {
    const reply = { type: 'response', id: message.id, timestamp: new Date().toISOString() };
    if (message.command === 'list_containers') this.send({ ...reply, payload: this.containers });
    else this.send({ ...reply, error: `unknown command: ${message.command}` });
  }

  // The server has read all messages sent before, and those that it sent meanwhile have arrived.
  async roundTrip() {
    const pong = once(this.ws, 'pong');
    this.ws.ping();
    await within(pong, 'a pong of the server');
  }

  async close() {
    this.ws?.close();
    return this.closed;
  }
}

// An element of list_containers as the engine returns it, with the members that the agent adds.
export function containerElement({ id = containerId(), name, state = 'running', labels = {}, ...more } = {}) {
  return {
    Id: id,
    Names: [`/${name}`],
    Image: 'nginx:1.27',
    ImageID: `sha256:${hex(64)}`,
    Command: "nginx -g 'daemon off;'",
    Created: 1762300000,
    Ports: [
      { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
      { PrivatePort: 443, Type: 'tcp' },
    ],
    Labels: labels,
    State: state,
    Status: 'Up 2 hours',
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.2' } } },
    Mounts: [{ Type: 'bind', Source: '/srv/www', Destination: '/usr/share/nginx/html', RW: false }],
    RepoDigests: [`nginx@sha256:${hex(64)}`],
    StartedAt: '2025-11-05T08:00:00.5Z',
    Env: { NGINX_VERSION: '1.27', SECRET: 'hunter2' },
    ...more,
  };
}

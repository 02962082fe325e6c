// A scripted server on npm `ws`, independent of our code: a peer for our agent. 'seed' refuses unknown fields
// like the old backend; 'head' accepts what today's accepts. `ingest` is its channel for statistics: 'open', or the HTTP
// status that refuses it.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { eventually } from './wait.mjs';

const SEED_FIELDS = new Set([
  'type', 'token', 'engine_id', 'version', 'proto_version', 'capabilities', 'hostname', 'os_type', 'os_version',
  'kernel_version', 'docker_version', 'daemon_started_at', 'total_memory', 'num_cpus',
]);

export class HandServer {
  static async start({ era = 'head', ingest = 404, authorize, tls, address = '127.0.0.1' } = {}) {
    const s = new HandServer();
    s.era = era;
    s.authorize = authorize ?? ((m) => s.accept(m));
    s.registrations = [];
    s.messages = [];
    s.sockets = [];
    s.connections = 0;
    s.ingest = ingest;
    s.dials = []; // headers of each request for that channel
    s.channels = [];
    s.samples = []; // the messages on it, as text
    s.http = (tls?.createServer ?? createServer)(tls?.options ?? {}, (req, res) => res.writeHead(404).end());
    s.wss = new WebSocketServer({ noServer: true, perMessageDeflate: true });
    s.http.on('upgrade', (req, socket, head) => s.onUpgrade(req, socket, head));
    s.http.listen(0, address);
    await once(s.http, 'listening');
    s.url = `${tls ? 'https' : 'http'}://${address}:${s.http.address().port}`;
    return s;
  }

  accept() {
    return { type: 'auth_success', agent_id: 'agent-1', host_id: 'host-1', permanent_token: 'permanent-1' };
  }

  onUpgrade(req, socket, head) {
    const isIngest = req.url === '/api/stats/ws/ingest';
    const status = req.url === '/api/agent/ws' ? 'open' : isIngest ? this.ingest : 404;

    if (isIngest) this.dials.push(req.headers);
    if (status !== 'open') socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
    else this.wss.handleUpgrade(req, socket, head, (ws) => (isIngest ? this.onChannel(ws) : this.onConnection(ws, req)));
  }

  onChannel(ws) {
    this.channels.push(ws);
    ws.on('message', (data, isBinary) => this.samples.push(isBinary ? null : String(data)));
  }

  onConnection(ws, req) {
    this.connections++;
    ws.headers = req.headers;
    ws.once('message', (data, isBinary) => {
      const message = isBinary ? null : JSON.parse(data);
      this.registrations.push(message);
      const extra = this.era === 'seed' && Object.keys(message).find((k) => !SEED_FIELDS.has(k));
      const reply = extra
        ? { type: 'auth_error', error: `Invalid registration data: Extra inputs are not permitted (field: ${extra})` }
        : this.authorize(message);
      ws.send(JSON.stringify(reply));
      if (reply.type !== 'auth_success') {
        ws.close(1008, 'Authentication failed');
        return;
      }
      this.ws = ws;
      this.sockets.push(ws);
      ws.on('message', (d, binary) => this.messages.push(binary ? { binary: d } : JSON.parse(d)));
    });
  }

  async session({ timeout = 20000, count = 1 } = {}) {
    await eventually(() => this.sockets.length >= count, { timeout, what: `session ${count} of the agent` });
    return this.ws;
  }

  send(message) {
    this.ws.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  message(match, { timeout = 20000, what = 'a message' } = {}) {
    return eventually(() => this.messages.find(match), { timeout, what });
  }

  // Sends like the server of that era and resolves with the reply.
  async operation(fields, options) {
    const id = randomUUID();
    this.send(
      this.era === 'seed'
        ? { type: 'container_operation', ...fields, id, correlation_id: id }
        : { type: 'container_operation', payload: fields, id, correlation_id: id },
    );
    return this.message((m) => m.correlation_id === id, { what: `the reply to ${fields.action}`, ...options });
  }

  async command(name, payload, options) {
    const id = randomUUID();
    this.send({ type: 'command', command: name, ...(payload && { payload }), id, correlation_id: id });
    return this.message((m) => m.type === 'response' && m.id === id, { what: `the reply to ${name}`, ...options });
  }

  events(name) {
    return this.messages.filter((m) => m.type === 'event' && m.command === name).map((m) => m.payload);
  }

  async stop() {
    for (const c of this.wss.clients) c.terminate();
    this.http.close();
    await once(this.http, 'close');
  }
}

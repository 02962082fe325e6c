// Stands between an agent and its engine, and calls a hook around each request that changes something. The hook may
// kill either side: before the engine got the request, or after it was done and before the agent learns of it. An engine
// that ignores a part of a request without an error is played by `edit`.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class EngineProxy {
  static async start(engine) {
    const p = new EngineProxy();
    p.engine = engine;
    p.dir = await mkdtemp(join(tmpdir(), 'dockmon-proxy-'));
    p.host = `unix://${join(p.dir, 'docker.sock')}`;
    p.hook = null; // async ({when, method, path}) => {}; when: 'before' or 'after'
    p.edit = null; // ({method, path}, body) => body; of requests with JSON
    p.refuse = null; // (path) => whether the engine answers that there is none
    p.sockets = new Set();
    p.http = createServer((req, res) => p.onRequest(req, res).catch(() => res.destroy()));
    p.http.on('connection', (s) => {
      p.sockets.add(s);
      s.on('close', () => p.sockets.delete(s));
    });
    p.http.listen(join(p.dir, 'docker.sock'));
    await once(p.http, 'listening');
    return p;
  }

  async onRequest(req, res) {
    const path = req.url.replace(/^\/v1\.\d+/, '');
    const changes = req.method === 'POST' || req.method === 'DELETE';
    const call = { method: req.method, path };

    if (this.refuse?.(path)) {
      res.writeHead(404, { 'Content-Type': 'application/json' }).end('{"message":"No such image"}');
      return;
    }
    if (changes) await this.hook?.({ ...call, when: 'before' });
    if (req.socket.destroyed) return; // killed by the hook, or gone while it held the request
    const body = this.edit && req.headers['content-type'] === 'application/json' ? await this.edited(call, req) : null;
    const headers = body === null ? req.headers : { ...req.headers, 'content-length': Buffer.byteLength(body) };
    const out = request({ socketPath: this.engine.host.replace('unix://', ''), method: req.method, path: req.url, headers });
    // An engine sends nothing of a pull before the registry has answered: the client may be gone by then.
    res.on('close', () => out.destroy());
    if (body === null) req.pipe(out);
    else out.end(body);
    out.on('error', () => res.destroy());
    const [answer] = await once(out, 'response');
    if (changes) await this.hook?.({ ...call, when: 'after' });
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
    answer.on('error', () => res.destroy());
    answer.on('aborted', () => res.destroy());
  }

  async edited(call, req) {
    const chunks = [];

    for await (const chunk of req) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    return text === '' ? '' : JSON.stringify(this.edit(call, JSON.parse(text)));
  }

  async remove() {
    for (const s of this.sockets) s.destroy();
    this.http.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

// A scripted engine on a Unix socket, for behaviour that a real one cannot be made to show
// (hanging, incomplete answers, invalid answers, 5,000 containers).
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const INFO = {
  ID: 'SCRI:PTED:ENGI:NE00:0000:0000:0000:0000:0000:0000:0000:0001',
  Name: 'scripted-host',
  OSType: 'linux',
  OperatingSystem: 'Scripted OS 1',
  KernelVersion: '6.1.0',
  Architecture: 'x86_64',
  ServerVersion: '24.0.7',
  MemTotal: 8589934592,
  NCPU: 4,
};
const VERSION = { Version: '24.0.7', ApiVersion: '1.43', MinAPIVersion: '1.24', Os: 'linux', Arch: 'amd64' };

export const scriptedId = (n) => n.toString(16).padStart(8, '0') + '0'.repeat(56);

// A container in the engine's list, and its inspect answer.
export function scriptedContainer(n, { name = `c-${n}`, ...more } = {}) {
  return {
    Id: scriptedId(n),
    Names: [`/${name}`],
    Image: 'nginx:1.27',
    ImageID: `sha256:${'a'.repeat(64)}`,
    Command: 'nginx',
    Created: 1762300000,
    Ports: [],
    Labels: { number: String(n) },
    State: 'running',
    Status: 'Up 2 hours',
    HostConfig: { NetworkMode: 'bridge' },
    NetworkSettings: { Networks: {} },
    Mounts: [],
    ...more,
  };
}

export class ScriptedEngine {
  static async start() {
    const e = new ScriptedEngine();
    e.dir = await mkdtemp(join(tmpdir(), 'dockmon-scripted-'));
    e.host = `unix://${join(e.dir, 'docker.sock')}`;
    e.env = { DOCKER_HOST: e.host }; // for the docker CLI
    e.info = {}; // further members of /info
    e.containers = [];
    e.requests = [];
    e.events = new Set();
    e.clock = Date; // or lib/clock.mjs
    e.past = []; // events
    e.misbehave = () => null; // (method, path) => null or a function (response, socket)
    e.http = createServer((req, res) => e.onRequest(req, res));
    e.http.listen(join(e.dir, 'docker.sock'));
    await once(e.http, 'listening');
    return e;
  }

  onRequest(req, res) {
    const url = new URL(req.url, 'http://engine');
    const path = url.pathname.replace(/^\/v1\.\d+/, '');
    this.requests.push(`${req.method} ${path}`);
    res.on('error', () => {});
    const odd = this.misbehave(req.method, path);
    if (odd) odd(res, req.socket);
    else this.answer(req.method, path, url.searchParams, res);
  }

  answer(method, path, query, res) {
    const json = (status, value) => {
      res.writeHead(status, { 'Content-Type': 'application/json', 'Api-Version': VERSION.ApiVersion });
      res.end(JSON.stringify(value));
    };
    const id = /^\/containers\/([^/]+)/.exec(path)?.[1];
    const found = this.containers.find((c) => c.Id === id || c.Id.startsWith(id) || c.Names[0] === `/${id}`);

    if (path === '/_ping') res.writeHead(200, { 'Api-Version': VERSION.ApiVersion }).end('OK');
    else if (path === '/version') json(200, VERSION);
    else if (path === '/info') json(200, { ...INFO, ...this.info });
    else if (path === '/networks') json(200, []);
    else if (path === '/containers/json') json(200, this.list(query));
    else if (path === '/events') this.openEvents(query, res);
    else if (/^\/images\//.test(path)) json(200, { Id: `sha256:${'a'.repeat(64)}`, RepoDigests: [`nginx@sha256:${'b'.repeat(64)}`] });
    else if (id && !found) json(404, { message: `No such container: ${id}` });
    else if (found && method === 'GET' && path.endsWith('/json')) json(200, this.inspect(found));
    else if (method === 'GET' && path.endsWith('/stats') && found?.stats) this.answerStats(found, json);
    else if (method === 'POST' || method === 'DELETE') res.writeHead(204).end();
    else json(404, { message: 'page not found' });
  }

  // A container's `stats()` returns the engine's answer, or null for an error.
  async answerStats(c, json) {
    const stats = await c.stats();
    if (stats) json(200, stats);
    else json(500, { message: 'no statistics' });
  }

  list(query) {
    const wanted = query.get('filters') ? JSON.parse(query.get('filters')).id : null;
    const ids = wanted && (Array.isArray(wanted) ? wanted : Object.keys(wanted));
    return ids ? this.containers.filter((c) => ids.includes(c.Id)) : this.containers;
  }

  inspect(c) {
    return {
      Id: c.Id,
      Name: c.Names[0],
      Created: '2025-11-05T08:00:00Z',
      State: { Status: c.State, Running: true, StartedAt: '2025-11-05T08:00:00.5Z' },
      Image: c.ImageID,
      Config: { Image: c.Image, Env: ['A=b'], Labels: c.Labels, Tty: false },
      HostConfig: { RestartPolicy: { Name: 'unless-stopped', MaximumRetryCount: 0 } },
      ...c.inspect,
    };
  }

  openEvents(query, res) {
    res.writeHead(200, { 'Content-Type': 'application/json' });
    res.flushHeaders();
    const [since, until] = ['since', 'until'].map((name) => Number(query.get(name) ?? Infinity) * 1000);
    if (this.remembers) for (const { at, line } of this.past) if (at >= since && at < until) res.write(`${line}\n`);
    if (query.get('until')) return res.end();
    this.events.add(res);
    res.on('close', () => this.events.delete(res));
  }

  event(c, action, attributes = {}) {
    const now = this.clock.now();
    const line = JSON.stringify({
      Type: 'container',
      Action: action,
      status: action,
      id: c.Id,
      from: c.Image,
      scope: 'local',
      Actor: { ID: c.Id, Attributes: { image: c.Image, name: c.Names[0].slice(1), ...attributes } },
      time: Math.floor(now / 1000),
      timeNano: now * 1e6,
    });
    this.past.push({ at: now, line });
    for (const res of this.events) res.write(`${line}\n`);
  }

  async stop() {
    this.http.closeAllConnections();
    this.http.close();
    await rm(this.dir, { recursive: true, force: true });
  }
}

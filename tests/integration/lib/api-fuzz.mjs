// Sends the requests of lib/api-requests.mjs to a real server with two hosts, an agent on a scripted engine and a scripted
// agent, and compares each answer with docs/api/openapi.json. As a program, it is script/fuzz-api.
import assert from 'node:assert/strict';
import { Agent as HttpAgent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { requests } from './api-requests.mjs';
import { Agent, Client, Server } from './dockmon.mjs';
import { HandAgent, containerElement } from './hand-agent.mjs';
import { OpenApi } from './openapi.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './scripted-engine.mjs';
import { SLOWNESS, eventually } from './wait.mjs';

const PASSWORD = 'correct horse battery';
const DEADLINE_MS = 60000; // more than the time-outs of the server
const CHECK_EVERY = 20; // requests, between looks at the world
const STREAMS = /^(text\/event-stream|application\/x-ndjson)/; // that do not end
const ENGINE_ID = 'F022:F022:F022:F022:F022:F022:F022:F022:F022:F022:F022:F022';

// Replies of the engine beyond those of ScriptedEngine.
const REPLIES = {
  'GET /images/json': [{ Id: `sha256:${'a'.repeat(64)}`, RepoTags: ['nginx:1.27'], RepoDigests: [], Created: 1762300000, Size: 1000, SharedSize: -1, Containers: 1 }],
  'GET /volumes': { Volumes: [{ Name: 'data', Driver: 'local', Mountpoint: '/data', Labels: null, Scope: 'local', CreatedAt: '2025-11-05T08:00:00Z' }], Warnings: null },
  'GET /networks': [{ Name: 'bridge', Id: 'b'.repeat(64), Driver: 'bridge', Scope: 'local', Internal: false, IPAM: { Config: [] }, Containers: {} }],
  'GET /system/df': { LayersSize: 1000, Images: [], Containers: [], Volumes: [], BuildCache: [] },
  'POST /images/prune': { ImagesDeleted: null, SpaceReclaimed: 0 },
  'POST /networks/prune': { NetworksDeleted: null },
  'POST /volumes/prune': { VolumesDeleted: null, SpaceReclaimed: 0 },
  'POST /networks/create': { Id: 'c'.repeat(64), Warning: '' },
  'POST /volumes/create': { Name: 'data', Driver: 'local', Mountpoint: '/data', Scope: 'local' },
};

// Refusals by rules that span members or that no schema can hold; each is in the description of its operation.
const RULES = [
  /`role` (or|and) (the group|`group_ids?`)/,
  /`group_ids` name/,
  /is not a rule: use host=NAME/,
  /`ca_pem` must be certificates in the form PEM/,
  /neither an address nor a network/,
  /must be (the name or number of a signal|a multiple of 10 s)/,
  /`metrics`: there is no metric|^too many metrics/,
  /time range ends before it begins|points|values/,
  /the cursor is none of ours/,
  /there is no action `[a-z-]+` for the scope/,
  /^Input should be (a subnet|an IP address|a driver)|gateway/,
  /`page` must be a number/, // the last page depends on page_size
  /(contains|contain) a NUL character/,
  /a token with `replace` is for one agent/,
  /the setting `.*` cannot be changed/,
];

function richer(method, path) {
  const known = REPLIES[`${method} ${path}`];
  if (known) return (res) => res.writeHead(method === 'POST' && path.endsWith('/create') ? 201 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(known));
  if (path.endsWith('/top')) return (res) => res.writeHead(200).end(JSON.stringify({ Titles: ['PID', 'CMD'], Processes: [['1', 'nginx']] }));
  if (path.endsWith('/changes')) return (res) => res.writeHead(200).end(JSON.stringify([{ Path: '/tmp', Kind: 0 }]));
  if (path.endsWith('/logs')) return (res) => res.writeHead(200).end();
  return null;
}

export class ApiFuzz {
  static async start() {
    const f = new ApiFuzz();
    f.ends = [];
    f.api = await OpenApi.load();
    f.http = new HttpAgent({ keepAlive: true, maxSockets: 4 });
    f.counts = new Map(); // status -> answers
    f.refs = new Map();
    try {
      await f.up();
    } catch (e) {
      await f.remove();
      throw e;
    }
    return f;
  }

  async up() {
    this.engine = await ScriptedEngine.start();
    this.ends.push(() => this.engine.stop());
    this.engine.misbehave = richer;
    this.engine.info = { ID: ENGINE_ID, Name: 'fuzzed' };
    this.engine.containers = [1, 2, 3].map((n) => scriptedContainer(n));
    this.server = await Server.start();
    this.ends.push(() => this.server.remove());
    await this.server.adminSession(PASSWORD);
    for (const n of [1, 2, 3]) this.refs.set(`@container${n - 1}`, scriptedId(n).slice(0, n === 2 ? 64 : 12));
    await this.mend();
  }

  async remove() {
    this.http.destroy();
    for (const end of this.ends.reverse()) await end();
  }

  // Restores what requests have ended: keys, the session, agents.
  async mend() {
    this.keys ??= {};
    for (const role of ['viewer', 'operator', 'admin'])
      if (!this.keys[role] || (await this.me({ key: this.keys[role] })) !== 200) this.keys[role] = (await this.server.client(role)).key;
    if (!this.cookie || (await this.me({ cookie: this.cookie })) !== 200) this.cookie = await this.login();
    await this.mendHand();
    await this.mendAgent();
  }

  async me({ key, cookie }) {
    return (await new Client(this.server, { key, cookie }).fetch('GET', '/api/v2/auth/me')).status;
  }

  // From another address than the requests, whose wrong passwords would delay it.
  async login() {
    const body = JSON.stringify({ username: 'admin', password: PASSWORD });
    const r = await this.exchange({ method: 'POST', path: '/api/v2/auth/login', headers: { 'content-type': 'application/json' }, body, localAddress: '127.0.0.2' });
    assert.equal(r.status, 200, r.text);
    return r.headers['set-cookie'][0].split(';')[0];
  }

  async mendHand() {
    const isThere = async () => (await this.hosts()).some((h) => h.id === this.hand?.hostId && h.status === 'online');
    if (this.hand?.ws.readyState === 1 && (await isThere())) return;
    await this.hand?.close();
    this.hand = new HandAgent(this.server, { hostname: 'by-hand', engineId: 'a5b7e2d0-0000-4000-8000-000000000001' });
    this.hand.containers = [containerElement({ id: scriptedId(16), name: 'hand-1' })];
    for (const action of ['start', 'stop', 'restart', 'kill', 'pause', 'unpause', 'rename', 'remove']) this.hand.operations[action] = () => ({});
    const reply = await this.hand.connect(await this.server.token());
    assert.equal(reply.type, 'auth_success', JSON.stringify(reply));
    this.refs.set('@host1', this.hand.hostId).set('@agent1', this.hand.agentId);
    if (!this.ends.some((e) => e.of === 'hand')) this.ends.push(Object.assign(() => this.hand.close(), { of: 'hand' }));
  }

  async mendAgent() {
    const found = (await this.hosts()).find((h) => h.engine_id === ENGINE_ID || h.id === this.refs.get('@host0'));
    if (this.agent && found?.status === 'online') return;
    if (this.agent) await this.agent.remove().catch(() => {}); // an agent whose token is revoked has ended
    else this.ends.push(() => this.agent.remove());
    this.agent = await Agent.start(this.server, this.engine, { env: { COLLECT_STATS: 'false' } });
    const host = await eventually(async () => (await this.hosts()).find((h) => h.id !== this.hand.hostId && h.status === 'online'), { what: 'the agent is online' });
    const { agents } = await new Client(this.server, { key: this.keys.admin }).get('/api/agent/list');
    this.refs.set('@host0', host.id).set('@agent0', agents.find((a) => a.host_id === host.id).agent_id);
  }

  hosts() {
    return new Client(this.server, { key: this.keys.admin }).get('/api/hosts');
  }

  fill(text) {
    return text?.replace(/@(host|agent|container|job|batch)\d?/g, (ref) => this.refs.get(ref) ?? 'none');
  }

  // Not fetch(), which changes paths such as "/a/../b". A stream is left at its first bytes.
  exchange({ method, path, headers, body, localAddress }) {
    return new Promise((resolve, reject) => {
      const r = request({ host: '127.0.0.1', port: this.server.port, method, path, headers, localAddress, agent: localAddress ? undefined : this.http });
      const timer = setTimeout(() => r.destroy(new Error('no answer in time')), DEADLINE_MS * SLOWNESS);
      const end = (res, text) => {
        clearTimeout(timer);
        resolve({ status: res.statusCode, headers: res.headers, type: res.headers['content-type'], text });
      };
      r.on('response', (res) => {
        const parts = [];
        res.on('data', (d) => parts.push(d));
        res.on('end', () => end(res, Buffer.concat(parts).toString()));
        res.on('error', () => end(res, Buffer.concat(parts).toString()));
        if (STREAMS.test(res.headers['content-type'])) {
          end(res, null);
          r.destroy();
        }
      });
      r.on('error', (e) => {
        clearTimeout(timer);
        reject(e);
      });
      r.end(body);
    });
  }

  async send(q) {
    const headers = { ...q.headers };
    if (this.keys[q.caller]) headers.authorization = `Bearer ${this.keys[q.caller]}`;
    if (q.caller === 'session') headers.cookie = this.cookie;
    if (q.body !== undefined) Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(this.fill(q.body)) });
    return this.exchange({ method: q.method, path: this.fill(q.path), headers, body: this.fill(q.body) });
  }

  check(q, r) {
    const o = this.api.find(q.method, this.fill(q.path));
    const isJson = /^application\/json/.test(r.type ?? '');
    const json = isJson && q.method !== 'HEAD' && r.text ? JSON.parse(r.text) : null;

    assert.notEqual(r.status, 500, 'an internal error on a healthy server');
    if (r.status >= 400 && isJson && json) assert.ok(typeof json.detail === 'string' && typeof json.code === 'string', 'an error has a text and a code');
    if (r.status === 401) assert.ok(r.headers['www-authenticate'], '401 names the way to authenticate');
    if (r.status === 405) return assert.ok(r.headers.allow, '405 names the methods');
    if (r.status === 429 || r.status === 503) assert.ok(r.headers['retry-after'], `${r.status} names a time`);
    if (!o) return assert.ok(r.status >= 400 || !q.path.startsWith('/api/'), 'no operation in docs/api/openapi.json');
    if (r.status === 413 && q.body && !o['x-max-body']) return; // of all such operations
    const isRead = q.method !== 'HEAD' && r.text !== null;
    this.api.check(o, { status: r.status, type: r.type, text: isRead ? r.text : null });
    if (q.method === o.method) this.checkRequest(o, q, r);
    if (json?.job_id) this.refs.set('@batch', json.job_id);
    else if (r.status === 202 && json?.id) this.refs.set('@job', json.id);
  }

  // The limits of parameters and bodies in the document are those of the server.
  checkRequest(o, q, r) {
    const part = this.api.spoiltPart(o, this.fill(q.path), this.fill(q.body));
    if (part) assert.ok(r.status >= 300, `the server takes what the document forbids: ${part}`);
    else if (r.status === 422) assert.ok(RULES.some((rule) => rule.test(JSON.parse(r.text).detail)), `the server refuses what the document allows: ${r.text}`);
  }

  // Sends `count` requests and returns the findings; `report` gets each of them.
  async run(seed, count, { report = () => {} } = {}) {
    const findings = [];
    let n = 0;
    for (const q of requests(this.api, seed)) {
      if (n === count) break;
      if (n++ % CHECK_EVERY === 0) await this.mend();
      try {
        const r = await this.send(q);
        this.counts.set(r.status, (this.counts.get(r.status) ?? 0) + 1);
        this.check(q, r);
      } catch (e) {
        const { body, ...rest } = q;
        findings.push(`request ${n}: ${JSON.stringify({ ...rest, body: body?.slice(0, 400) })}\n  ${e.message.slice(0, 1000).replaceAll('\n', '\n  ')}`);
        report(findings.at(-1));
        assert.ok(!this.server.process.exit, `the server has ended: ${JSON.stringify(this.server.process.exit)}`);
      }
    }
    assert.equal((await new Client(this.server).get('/health')).status, 'healthy');
    return findings;
  }
}

async function main() {
  const { values } = parseArgs({ options: { seed: { type: 'string' }, requests: { type: 'string', default: '5000' } } });
  const seed = Number(values.seed ?? Date.now() % 1e9);
  const count = Number(values.requests);

  if (!Number.isSafeInteger(seed) || !(count > 0)) throw new Error('--seed and --requests are numbers');
  console.log(`seed ${seed}, ${count} requests`);
  const fuzz = await ApiFuzz.start();
  let findings;
  try {
    findings = await fuzz.run(seed, count, { report: (f) => console.log(f) });
  } finally {
    await fuzz.remove();
  }
  console.log(`answers: ${[...fuzz.counts].sort().map(([status, n]) => `${n} x ${status}`).join(', ')}`);
  console.log(`${count} requests of seed ${seed}: ${findings.length} findings`);
  process.exitCode = findings.length ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

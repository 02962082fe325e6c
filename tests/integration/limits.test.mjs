// Limits with an option take its value. docs/threat-model.md has the defaults and the behaviour beyond them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, bin } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const LIMITS = ['--max-agents=2', '--max-containers=3', '--max-commands=2', '--auth-timeout=1s', '--ping-interval=1s', '--poll-interval=500ms'];
let server, client;
const agents = [];

before(async () => {
  server = await Server.start({ args: LIMITS });
  client = await server.client('admin');
  for (let i = 0; i < 2; i++) {
    const a = new HandAgent(server);
    agents.push(a);
    assert.equal((await a.connect(await server.token())).type, 'auth_success');
  }
});

after(async () => {
  for (const a of agents) a.ws.terminate();
  await server?.remove();
});

test('--max-agents: a further agent is refused with advice', async () => {
  const third = new HandAgent(server);
  const reply = await third.connect(await server.token());
  assert.equal(reply.type, 'auth_error');
  assert.match(reply.error, /its limit of 2 agents.*--max-agents/);
  await client.call('DELETE', `/api/hosts/${agents[1].hostId}`, { status: 200 });
  assert.equal((await third.connect(await server.token())).type, 'auth_success', 'there is room again');
  agents[1] = third;
});

test('--max-containers: further containers of a host are omitted, and the server reports it', async () => {
  agents[0].containers = Array.from({ length: 5 }, (_, i) => containerElement({ name: `many-${i}` }));
  await server.process.line(/containers left out: the host has more than the limit/);
  const shown = await client.get('/api/containers');
  assert.equal(shown.filter((c) => c.host_id === agents[0].hostId).length, 3);
});

test('--max-commands: a further command is refused at once', async () => {
  const a = agents[1];
  const elements = [0, 1, 2].map((i) => containerElement({ name: `busy-${i}` }));
  a.containers = elements;
  await client.container('busy-2');
  a.operations.start = () => { throw new Error('never asked'); };
  await eventually(() => a.commands.length > 0);
  a.isSilent = true;
  // Of several containers, because the same operation on one container is refused with 409.
  const start = async ({ Id }) => (await client.fetch('POST', `/api/hosts/${a.hostId}/containers/${Id}/start`)).status;
  const answers = elements.map(start);
  await eventually(async () => (await Promise.race([...answers, undefined])) === 503, { what: 'one is refused while others wait' });
  a.ws.terminate();
  assert.deepEqual(await Promise.all(answers), [503, 503, 503]);
});

test('--auth-timeout: a client that sends nothing is disconnected', { timeout: 15000 }, async () => {
  const silent = new HandAgent(server);
  assert.equal((await silent.dial(undefined)).type, 'auth_error');
  assert.equal((await silent.closed).code, 1008);
});

test('--ping-interval: an agent that does not answer pings is offline after twice that and 5 s', async () => {
  const a = agents[0];
  let pings = 0;
  a.ws.on('ping', () => pings++);
  await eventually(() => pings >= 2, { what: 'two pings' });
  a.ws._socket.pause();
  const status = async () => (await client.get('/api/hosts')).find((h) => h.id === a.hostId).status;
  await eventually(async () => (await status()) === 'offline', { timeout: 30000, what: 'the host is offline' });
});

test('PING_INTERVAL: the agent leaves a server that does not answer its pings', { timeout: 60000 }, async () => {
  const engine = await ScriptedEngine.start();
  const peer = await HandServer.start();
  const agent = await Agent.start(peer, engine, { token: 'registration-token', env: { PING_INTERVAL: '1s' } });
  try {
    const ws = await peer.session();
    ws._receiver.removeAllListeners('ping');
    await peer.session({ count: 2, timeout: 30000 });
  } finally {
    await agent.remove();
    await peer.stop();
    await engine.stop();
  }
});

test('ENGINE_TIMEOUT: an engine that does not answer in time is reported', { timeout: 60000 }, async () => {
  const engine = await ScriptedEngine.start();
  engine.misbehave = (method, path) => (path.endsWith('/info') ? () => {} : null);
  try {
    const env = { DOCKER_HOST: engine.host, DOCKMON_URL: server.url, REGISTRATION_TOKEN: 't', DATA_PATH: server.dir, ENGINE_TIMEOUT: '1s' };
    const r = await run(bin('dockmon-agent'), ['--check'], { env, timeout: 15000 });
    assert.equal(r.code, 1);
    assert.match(r.stdout, /WRONG  engine .*did not answer in time/);
  } finally {
    await engine.stop();
  }
});

test('requests are limited by class, user and key', async () => {
  const own = await Server.start({ env: { DOCKMOND_RATE_LIMIT: '20' } });
  try {
    const [one, other] = [await own.client('admin'), await own.client('admin')];
    const statuses = async (c, path, n) => {
      const counts = {};
      for (let i = 0; i < n; i++) {
        const r = await c.fetch('GET', path);
        await r.arrayBuffer();
        counts[r.status] = (counts[r.status] ?? 0) + 1;
      }
      return counts;
    };
    const counts = await statuses(one, '/api/settings', 60);
    assert.ok(counts[200] >= 24 && counts[200] < 40 && counts[429] > 0, JSON.stringify(counts));
    const refused = await one.fetch('POST', '/api/v2/api-keys', { body: { name: 'beyond' } });
    const body = await refused.json();
    assert.deepEqual([refused.status, body.code], [429, 'rate_limited']);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.match(body.detail, /^Too many requests: try again in \d+ s$/);
    assert.deepEqual(await statuses(one, '/api/containers', 30), { 200: 30 }, 'each class counts for itself');
    assert.deepEqual(await statuses(other, '/api/settings', 5), { 200: 5 }, 'each key, too');
    assert.equal((await own.client('viewer').then((c) => c.fetch('GET', '/health'))).status, 200);
    const said = own.process.lines.filter((l) => l.includes('requests are refused'));
    assert.equal(said.length, 1, said.join('\n'));
    const row = await eventually(async () => (await other.get('/api/audit?action=apikey_create')).entries.find((e) => e.result.startsWith('429')), { what: 'the refused change in the audit log' });
    assert.match(row.result, /Too many requests/);
  } finally {
    await own.remove();
  }
});

test('an export of the audit log has the newest 100,000 rows; a fifth at a time is refused', { timeout: 120000 }, async (t) => {
  const own = await Server.start();
  const { key } = await own.client('admin');
  const open = [];
  t.after(async () => {
    for (const answer of open) answer.destroy();
    await own.remove();
  });
  const rows = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100010)
    INSERT INTO audit (at_ms, who, action, target, result) SELECT 1700000000000 + i, 'u', 'flood', printf('%0300d', i), 'ok' FROM n`;
  assert.equal((await run('sqlite3', ['-cmd', '.timeout 5000', join(own.dir, 'dockmon.db'), rows])).code, 0);
  const begin = async (format) => {
    const request = http.get(`${own.url}/api/v2/audit-log/export?format=${format}&action=flood`, { agent: false, headers: { authorization: `Bearer ${key}` } });
    const [answer] = await once(request, 'response', { signal: AbortSignal.timeout(30000) });
    open.push(answer.on('error', () => {}));
    return answer;
  };

  const [whole] = await Promise.all([begin('csv'), begin('json'), begin('csv'), begin('json')]); // none of them is read
  const fifth = await begin('csv');
  assert.equal(fifth.statusCode, 503);
  assert.ok(fifth.headers['retry-after']);
  assert.equal(JSON.parse((await fifth.setEncoding('utf8').toArray()).join('')).code, 'busy');
  const lines = (await whole.setEncoding('utf8').toArray()).join('').trimEnd().split('\r\n');
  assert.equal(lines.length - 1, 100000);
  const number = (line) => Number(/"0{280,}(\d+)"/.exec(line)[1]);
  assert.deepEqual([number(lines[1]), number(lines.at(-1))], [100010, 11]);
  const next = await begin('json'); // one has ended
  assert.equal(next.statusCode, 200);
  assert.equal(JSON.parse((await next.setEncoding('utf8').toArray()).join('')).length, 100000);
  open[1].destroy();
  await eventually(async () => (await begin('csv')).statusCode === 200, { what: 'a client that leaves makes room' });
});

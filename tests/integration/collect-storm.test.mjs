// As many starts and ends as a real engine manages, of containers that are restarted and of containers that are new
// each time. DOCKMON_STORM_S is the duration in seconds; docs/benchmarks.md has the results for 60.
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { Agent as HttpAgent, request } from 'node:http';
import { cpus } from 'node:os';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { eventually } from './lib/wait.mjs';

const SECONDS = Number(process.env.DOCKMON_STORM_S ?? 8);
const WORKERS = 6;
const engine = new Engine();
const later = cleanups();
const sockets = new HttpAgent({ keepAlive: true });

before(() => engine.ensureImage());
after(async () => {
  sockets.destroy();
  await engine.cleanup();
});

// Uses the engine's API: no CLI process for each start.
const call = (method, path, body) => new Promise((done, failed) => {
  const text = body && JSON.stringify(body);
  request({
    socketPath: engine.host.replace('unix://', ''), agent: sockets, method, path: `/v1.41${path}`,
    headers: text ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) } : {},
  }, (res) => {
    let answer = '';
    res.on('data', (d) => (answer += d)).on('end', () => {
      if (res.statusCode < 300) done(answer ? JSON.parse(answer) : null);
      else failed(new Error(`${method} ${path}: ${res.statusCode} ${answer}`));
    });
  }).on('error', failed).end(text);
});
const create = (name) => call('POST', `/containers/create?name=${engine.prefix}-${name}`, {
  Image: IMAGE, Cmd: ['true'], HostConfig: { NetworkMode: 'none' },
}).then((c) => c.Id);
async function live(id) {
  await call('POST', `/containers/${id}/start`);
  await call('POST', `/containers/${id}/wait`);
}

const open = async (p) => (await readdir(`/proc/${p.process.child.pid}/fd`)).length;
const memory = async (p) => Number(/^VmRSS:\s+(\d+)/m.exec(await readFile(`/proc/${p.process.child.pid}/status`, 'utf8'))[1]) / 1024;

// Runs for this long, this many side by side. Returns the starts of each container, also of removed ones: { id: n }.
async function storm(name, seconds, kept) {
  const starts = {};
  const until = Date.now() + seconds * 1000;
  await Promise.all(kept.map(async (id, worker) => {
    for (let i = 0; Date.now() < until; i++) {
      await live(id);
      starts[id] = (starts[id] ?? 0) + 1;
      const fresh = await create(`${name}-${worker}-${i}`);
      await live(fresh);
      await call('DELETE', `/containers/${fresh}`);
      starts[fresh] = 1;
    }
  }));
  return starts;
}

test('as many starts and ends as the engine manages', { timeout: (SECONDS * 4 + 240) * 1000 }, async (t) => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const agent = await Agent.start(server, engine, {
    env: { STATS_INTERVAL: '1s', ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1'].filter(Boolean).join(':') },
  });
  later(() => agent.remove());
  const host = await client.onlineHost();
  const stays = await engine.run('stays', { command: ['sh', '-c', 'while :; do sleep 0.1; done'] });
  const kept = await Promise.all(Array.from({ length: WORKERS }, (_, i) => create(`kept-${i}`)));
  await client.container(stays.name);
  const samples = () => client.get(`/api/hosts/${host.id}/containers/${stays.id}/stats/live`);
  await eventually(async () => (await samples()).cpu.length >= 3, { timeout: 60000, what: 'statistics' });

  const before = await storm('warm', SECONDS / 4, kept); // buffers grow once
  const [fds, rss] = [await open(agent), await memory(agent)];
  const began = Date.now();
  const starts = await storm('storm', SECONDS, kept);
  const n = Object.values(starts).reduce((x, y) => x + y);
  const seconds = (Date.now() - began) / 1000;
  t.diagnostic(`${n} starts and ends in ${seconds.toFixed(1)} s, ${(60 * n / seconds).toFixed(0)} a minute`);
  for (const [id, count] of Object.entries(before)) starts[id] = (starts[id] ?? 0) + count;

  // Every start and end of each was noticed.
  const types = async (id) => (await client.get(`/api/events?container_id=${id}&limit=1000`)).events.map((e) => e.event_type);
  const count = (list, type) => list.filter((v) => v === type).length;
  for (const [id, wanted] of Object.entries(starts)) {
    const isKept = kept.includes(id);
    let seen;
    await eventually(async () => {
      seen = await types(id);
      return count(seen, 'stopped') >= wanted && (isKept || seen.includes('deleted'));
    }, { timeout: 60000, what: 'its last event' }).catch((e) => assert.fail(`${e.message}: ${wanted} of ${seen}`));
    assert.equal(count(seen, 'started'), wanted);
    assert.equal(count(seen, 'stopped'), wanted);
    assert.equal(count(seen, 'deleted'), isKept ? 0 : 1);
  }

  // The agent and the engine have the same containers at the end. Other tests may use the engine, too.
  const ours = (list, name) => list.filter((c) => name(c).includes(engine.prefix)).map((c) => name(c).replace('/', '')).sort();
  const there = ours(await call('GET', '/containers/json?all=1'), (c) => c.Names[0]);
  assert.equal(there.length, WORKERS + 1);
  await eventually(async () => {
    const list = await client.get('/api/containers');
    assert.deepEqual(ours(list, (c) => c.name), there);
    return list.filter((c) => c.name.includes(engine.prefix)).every((c) => c.state === (c.full_id === stays.id ? 'running' : 'exited'));
  }, { timeout: 60000, what: 'the list as the engine has it' });

  await eventually(async () => (await open(agent)) <= fds + 2, { timeout: 60000, what: `no more than ${fds} descriptors` });
  const grown = (await memory(agent)) - rss;
  t.diagnostic(`the agent's memory: ${rss.toFixed(1)} MiB, then ${grown.toFixed(1)} more`);
  assert.ok(grown < 16, `${grown} MiB more`);

  // The container that kept running has samples of the whole time, and no usage that it did not have.
  const { timestamps, cpu } = await samples();
  assert.ok(cpu.every((v, i) => (v === null && i === 0) || (v >= 0 && v <= 100 * cpus().length)), `${cpu}`);
  assert.ok(timestamps.every((v, i) => i === 0 || v > timestamps[i - 1]));
  assert.ok(timestamps.at(-1) - timestamps[0] >= SECONDS - 2);
  for (const id of kept) assert.deepEqual((await client.get(`/api/hosts/${host.id}/containers/${id}/stats/live`)).cpu.filter((v) => v > 100 * cpus().length), []);
  assert.deepEqual(agent.process.lines.filter((l) => /connection ended|do not agree| ERROR /.test(l)), []);
});

// Live logs from end to end: /ws/logs, REST as NDJSON and as server-sent events, polling of agents without streams.
import assert from 'node:assert/strict';
import http from 'node:http';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { Agent, Server } from './lib/dockmon.mjs';
import { OwnEngine } from './lib/engine.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { LogSocket } from './lib/log-socket.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { closing, eventually, sleep } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

// Sanitizers keep freed memory, which would count as growth.
process.env.ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1', 'thread_local_quarantine_size_kb=64'].filter(Boolean).join(':');

const world = theWorld({ role: 'viewer' });
const { engine, listed } = world;

const open = () => LogSocket.open(world.server, world.client.key);
const pathOf = (host, c, query = '') => `/api/hosts/${host}/containers/${c}/logs?follow=true${query}`;

// A streaming GET: `objects` grows; `res` can be paused.
function follow(path, headers = {}) {
  const f = { objects: [], text: '' };
  f.response = new Promise((resolve, reject) => {
    f.request = http.get(world.server.url + path, { headers: { authorization: `Bearer ${world.client.key}`, ...headers } }, (res) => {
      f.res = res;
      f.ended = closing(res);
      let rest = '';
      res.setEncoding('utf8');
      res.on('error', () => {});
      res.on('data', (d) => {
        f.text += f.keepsText ? d : '';
        rest += d;
        const lines = rest.split('\n');
        rest = lines.pop();
        for (const l of lines) if (l.startsWith('{')) f.objects.push(JSON.parse(l));
      });
      resolve(res);
    });
    f.request.on('error', reject);
  });
  return f;
}

test('several containers in one stream, by time, each line with host, container, stream and time', async () => {
  const a = await listed('wa', 'echo one; busybox usleep 200000; echo two >&2; sleep 600');
  const b = await listed('wb', 'busybox usleep 100000; echo other; sleep 600');
  await sleep(1000);
  const s = await open();
  s.subscribe(1, world.host.id, a.name);
  s.subscribe(2, world.host.id, b.id);
  await eventually(() => s.lines.length === 3);
  const times = s.lines.map((l) => l.timestamp);
  assert.deepEqual(times, [...times].sort());
  const one = s.lines.find((l) => l.log === 'one');
  assert.deepEqual({ ...one, timestamp: '' }, { id: 1, host: world.host.name, container: a.name, stream: 'stdout', timestamp: '', log: 'one' });
  assert.match(one.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  assert.equal(s.lines.find((l) => l.log === 'two').stream, 'stderr');
  assert.equal((await s.message((m) => m.type === 'subscribed' && m.id === 2)).container_id, b.id);
  s.send({ type: 'unsubscribe', id: 1 });
  s.subscribe(1, world.host.id, a.name, { stdout: false, tail: 5 });
  await eventually(() => s.texts(1).filter((t) => t === 'two').length === 2);
  assert.equal(s.texts(1).filter((t) => t === 'one').length, 1);
  await s.close();
});

test('reading a log is in the audit log, once while it continues', async () => {
  const c = await listed('read', 'echo one; sleep 600');
  const admin = await world.server.client('admin');
  const rows = async () => (await admin.get('/api/audit?action=logs_read&limit=500')).entries.filter((e) => e.target.endsWith(`/${c.name}`));
  const readers = async (n) => (await eventually(async () => ((await rows()).length >= n ? rows() : null), { what: `${n} rows` })).map((e) => e.who);

  const path = pathOf(world.host.id, c.id).replace('?follow=true', '');
  await world.client.get(path);
  await world.client.get(path);
  const [row] = await rows();
  const { user } = await world.client.get('/api/v2/auth/me');
  assert.deepEqual({ ...row, id: 0, timestamp: '' }, { id: 0, timestamp: '', who: user.username, peer: '127.0.0.1', action: 'logs_read', target: `${world.host.name}/${c.name}`, result: 'ok' });

  const other = await world.server.client('operator');
  const s = await LogSocket.open(world.server, other.key);
  s.subscribe(1, world.host.id, c.name);
  await s.has('one');
  assert.equal((await readers(2)).length, 2);
  await s.close();

  const third = await world.server.client('viewer');
  const f = follow(pathOf(world.host.id, c.name), { authorization: `Bearer ${third.key}` });
  await eventually(() => f.objects.some((o) => o.log === 'one'));
  assert.equal(new Set(await readers(3)).size, 3);
  f.request.destroy();

  const own = await open(); // the first reader again, in another way
  own.subscribe(1, world.host.id, c.name);
  await own.has('one');
  await own.close();
  await admin.get(path.replace(c.id, 'nobody'), { status: 404 });
  await admin.get(path); // events stored from now on are later than these
  assert.equal((await readers(4)).length, 4);
});

test('the stream continues when the container is started again, and reports that', async () => {
  const c = await listed('again', 'echo "run $(busybox date +%s%N)"; printf unfinished; sleep 600');
  const s = await open();
  s.subscribe(1, world.host.id, c.name);
  await eventually(() => s.lines.length === 1);
  await engine.docker('restart', '-t', '0', c.id);
  await eventually(() => s.texts().filter((t) => t.startsWith('run')).length === 2);
  assert.deepEqual(s.texts().map((t) => t.split(' ')[0]), ['run', 'unfinished', 'run']);
  await s.message((m) => m.type === 'mark' && m.event === 'restarted' && m.id === 1);
  await s.close();
});

test('the stream continues with a re-created container; it ends with a removed one', async () => {
  const c = await listed('re', 'echo first; sleep 600');
  const s = await open();
  s.subscribe(7, world.host.id, c.name);
  await s.has('first');
  await engine.docker('rm', '-f', c.id);
  const d = await engine.run('re', { command: ['sh', '-c', 'echo second; sleep 600'] });
  await s.has('second', { timeout: 30000 });
  const mark = await s.message((m) => m.type === 'mark' && m.event === 'recreated');
  assert.equal(mark.container_id, d.id);
  assert.ok(s.cursors[7].startsWith(d.id));
  await engine.docker('rm', '-f', d.id);
  const end = await s.message((m) => m.type === 'ended', { timeout: 40000 });
  assert.equal(end.reason, 'removed');
  assert.deepEqual(s.texts(), ['first', 'second']);
  await s.close();
});

test('a subscription continues at its cursor', async () => {
  const c = await listed('cursor', 'i=0; while [ $i -lt 400 ]; do i=$((i + 1)); echo $i; busybox usleep 10000; done; sleep 600');
  const s = await open();
  s.subscribe(1, world.host.id, c.name);
  await s.has('50');
  await s.close();
  const t = await open();
  t.subscribe(3, world.host.id, c.name, { cursor: s.cursors[1] });
  await t.has('400', { timeout: 40000 });
  assert.deepEqual([...s.texts(), ...t.texts()].map(Number), Array.from({ length: 400 }, (_, i) => i + 1));
  await t.close();
});

const rss = async (p) => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${p.child.pid}/status`, 'utf8'))[1]);

test('100,000 lines for a reader that stops: no process grows, nothing is lost', async () => {
  const N = 100000;
  const c = await listed('fast', `while [ ! -f /tmp/go ]; do busybox usleep 50000; done; busybox seq 1 ${N} | busybox sed 's/$/ ${'x'.repeat(100)}/'; sleep 600`);
  const f = follow(pathOf(world.host.id, c.id));
  await f.response;
  f.res.pause();
  const before = [await rss(world.server.process), await rss(world.agent.process)];
  await engine.docker('exec', c.id, 'busybox', 'mkdir', '-p', '/tmp');
  await engine.docker('exec', c.id, 'busybox', 'touch', '/tmp/go');
  await eventually(async () => (await engine.docker('logs', '--tail', '1', c.id)).startsWith(`${N} `), { timeout: 60000 });
  await sleep(1000);
  const after = [await rss(world.server.process), await rss(world.agent.process)];
  for (const i of [0, 1]) assert.ok(after[i] - before[i] < 12 * 1024, `grew from ${before[i]} to ${after[i]} KiB`); // the log has 13 MB, 20 as JSON
  f.res.resume();
  await eventually(() => f.objects.length >= N, { timeout: 120000, interval: 200 });
  assert.ok(f.objects.every((o, i) => o.log.startsWith(`${i + 1} `)));
  f.request.destroy();
});

test('the engine\'s stream ends at once with its reader; a policy may forbid reading', async () => {
  const scripted = await ScriptedEngine.start();
  const c = scriptedContainer(1, { name: 'quiet' });
  let opened = 0;
  let closed = 0;
  scripted.containers.push(c);
  scripted.misbehave = (method, path) =>
    path.endsWith('/logs')
      ? (res) => {
          opened++;
          res.on('close', () => closed++);
          res.writeHead(200, { 'Content-Type': 'application/octet-stream' });
          res.flushHeaders();
        }
      : null;
  const agent = await Agent.start(world.server, scripted);
  try {
    const host = await eventually(async () => (await world.client.get('/api/hosts')).find((h) => h.name === 'scripted-host' && h.status === 'online'));
    await world.client.container('quiet');
    const f = follow(pathOf(host.id, 'quiet'));
    assert.equal((await f.response).headers['content-type'], 'application/x-ndjson');
    await eventually(() => opened === 1);
    f.request.destroy();
    await eventually(() => closed === 1);
    const s = await open();
    s.subscribe(1, host.id, 'quiet');
    await eventually(() => opened === 2);
    s.ws.terminate();
    await eventually(() => closed === 2);

    await agent.down();
    agent.env.AGENT_POLICY = 'start';
    await agent.up();
    const refusal = await eventually(async () => {
      const r = await world.client.fetch('GET', pathOf(host.id, 'quiet'));
      return r.status === 403 && r.json();
    });
    assert.match(refusal.detail, /get_logs is not allowed by the policy/);
  } finally {
    await agent.remove();
    await scripted.stop();
  }
});

test('server-sent events, and a browser that reconnects after an interruption', async () => {
  const c = await listed('sse', 'i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo $i; busybox usleep 20000; done; sleep 600');
  const ids = (text) => [...text.matchAll(/^id: (.*)$/gm)].map((m) => m[1]);
  const logs = (text) => [...text.matchAll(/^event: log\nid: .*\ndata: (\{.*\})\n\n/gm)].map((m) => Number(JSON.parse(m[1]).log));
  const first = follow(pathOf(world.host.id, c.id), { accept: 'text/event-stream' });
  first.keepsText = true;
  assert.equal((await first.response).headers['content-type'], 'text/event-stream');
  await eventually(() => logs(first.text).includes(30));
  first.request.destroy();
  const seen = logs(first.text);
  const second = follow(pathOf(world.host.id, c.id), { accept: 'text/event-stream', 'last-event-id': ids(first.text)[seen.length - 1] });
  second.keepsText = true;
  await eventually(() => logs(second.text).includes(200), { timeout: 40000 });
  assert.deepEqual([...seen, ...logs(second.text)], Array.from({ length: 200 }, (_, i) => i + 1));
  second.request.destroy();
});

test('an agent without streams is polled by the server', async () => {
  const agent = new HandAgent(world.server, { era: 'head' });
  const stamp = (n) => `2026-01-01T00:00:${String(Math.floor(n / 100)).padStart(2, '0')}.${String(n % 100).padStart(9, '0')}Z`;
  let n = 5;
  agent.containers.push(containerElement({ name: 'polled' }));
  agent.operations.get_logs = ({ tail }) => ({
    logs: Array.from({ length: n }, (_, i) => `${stamp(i + 1)} line ${i + 1}\n`).slice(-tail).join(''),
  });
  assert.equal((await agent.connect(await world.server.token())).type, 'auth_success');
  await world.client.container('polled');
  const s = await open();
  s.subscribe(1, agent.hostId, 'polled', { tail: 2 });
  await s.has('line 5');
  n = 3000; // more than usual for one answer
  await s.has('line 3000');
  assert.deepEqual(s.texts(), Array.from({ length: 2997 }, (_, i) => `line ${i + 4}`));
  assert.ok(agent.commands.every((m) => m.type !== 'log_stream'));
  agent.operations.get_logs = () => { throw new Error('No such container: polled'); };
  agent.containers.length = 0;
  assert.equal((await s.message((m) => m.type === 'ended', { timeout: 40000 })).reason, 'removed');
  await s.close();
  await agent.close();
});

test("both streams of today's Go agents are followed without loss, in time order", async () => {
  const agent = new HandAgent(world.server, { era: 'head' });
  const stamp = (n) => `2026-01-01T00:00:00.${String(n).padStart(9, '0')}Z`;
  let n = 4;
  agent.containers.push(containerElement({ name: 'both' }));
  // All of stdout, then all of stderr.
  agent.operations.get_logs = ({ tail }) => {
    const all = Array.from({ length: n }, (_, i) => i + 1).slice(-tail);
    const part = (rest, word) => all.filter((i) => i % 2 === rest).map((i) => `${stamp(i)} ${word} ${i}\n`).join('');
    return { logs: part(1, 'out') + part(0, 'err') };
  };
  assert.equal((await agent.connect(await world.server.token())).type, 'auth_success');
  await world.client.container('both');
  const s = await open();
  s.subscribe(1, agent.hostId, 'both', { tail: 'all' });
  await s.has('err 4');
  n = 30;
  await s.has('err 30');
  const word = (i) => `${i % 2 ? 'out' : 'err'} ${i}`;
  assert.deepEqual(s.texts(), Array.from({ length: 30 }, (_, i) => word(i + 1)));
  assert.deepEqual([...new Set(s.lines.map((l) => `${l.stream} ${l.log.slice(0, 3)}`))].sort(), ['stderr err', 'stdout out']);
  await s.close();
  const path = `/api/hosts/${agent.hostId}/containers/both/logs`;
  const answer = await world.client.get(`${path}?tail=3`);
  assert.deepEqual(answer.logs.map((l) => l.log), [28, 29, 30].map(word));
  assert.equal(answer.truncated, null);
  const between = '2026-01-01T00:00:00.000Z';
  assert.deepEqual((await world.client.get(`${path}?since=2026-01-01T00:00:01Z`)).logs, []);
  assert.deepEqual((await world.client.get(`${path}?until=${between}`)).logs, []);
  assert.equal((await world.client.get(`${path}?since=${between}&tail=7`)).logs.length, 7);
  await agent.close();
});

test('logs of the seed-era agent: frames without times', async () => {
  const agent = new HandAgent(world.server, { era: 'seed' });
  const frame = (kind, text) => String.fromCharCode(kind, 0, 0, 0, 0, 0, 0, text.length) + text;
  let n = 2;
  agent.containers.push(containerElement({ name: 'framed' }));
  agent.operations.get_logs = ({ tail }) => ({ logs: Array.from({ length: n }, (_, i) => frame(1 + (i % 2), i % 2 ? 'err\n' : 'tick\n')).slice(-tail).join('') });
  assert.equal((await agent.connect(await world.server.token())).type, 'auth_success');
  await world.client.container('framed');
  const path = `/api/hosts/${agent.hostId}/containers/framed/logs`;
  const answer = await world.client.get(path);
  assert.deepEqual(answer.logs, [{ timestamp: null, log: 'tick', stream: 'stdout' }, { timestamp: null, log: 'err', stream: 'stderr' }]);
  assert.equal(answer.last_timestamp, null);
  assert.match((await world.client.call('GET', `${path}?since=2026-01-01T00:00:00Z`, { status: 501 })).detail, /without times/);
  const s = await open();
  s.subscribe(1, agent.hostId, 'framed');
  await s.has('err');
  n = 7; // the same lines again
  await eventually(() => s.lines.length === 7, { what: 'each equal line comes' });
  assert.ok(s.lines.every((l) => l.timestamp === null && l.stream === (l.log === 'err' ? 'stderr' : 'stdout')));
  s.subscribe(2, agent.hostId, 'framed', { since: '2026-01-01T00:00:00Z' });
  assert.equal((await s.message((m) => m.type === 'ended' && m.id === 2)).status, 501);
  await s.close();
  await agent.close();
});

test('permissions for reading logs', async () => {
  const c = await listed('rights', 'echo secret; sleep 600');
  const none = await LogSocket.open(world.server, null);
  assert.equal((await none.closed).code, 1008);
  await assert.rejects(LogSocket.open(world.server, world.client.key, { origin: 'http://evil.example' }), /403/);
  const limited = await world.server.admin('apikey', 'create', '--name', 'limited', '--role', 'viewer', '--scope', 'label=not=there');
  const outside = await LogSocket.open(world.server, limited);
  outside.subscribe(1, world.host.id, c.name);
  assert.equal((await outside.message((m) => m.id === 1)).status, 404);
  assert.deepEqual(outside.lines, []);
  await outside.close();
  const s = await open();
  s.subscribe(1, world.host.id, 'nobody');
  assert.equal((await s.message((m) => m.id === 1)).status, 404);
  s.subscribe(2, world.host.id, '../x');
  assert.equal((await s.message((m) => m.id === 2)).status, 422);
  s.subscribe(3, world.host.id, c.name, { cursor: 'nonsense' });
  assert.equal((await s.message((m) => m.id === 3)).status, 422);
  s.send('nonsense');
  assert.equal((await s.closed).code, 1003);
  const r = await world.client.fetch('GET', pathOf(world.host.id, c.id, '&cursor=x'));
  assert.equal(r.status, 422);
  assert.equal((await world.client.fetch('GET', pathOf(world.host.id, 'nobody'))).status, 404);
});

test('a stream survives a restart of the engine without loss or duplicates', async () => {
  const own = await OwnEngine.start(); // with the same id as the machine's other engine, hence a separate server
  const server = await Server.start();
  const agent = await Agent.start(server, own);
  try {
    await own.ensureImage();
    const client = await server.client('viewer');
    const c = await own.run('daemon', { command: ['sh', '-c', 'i=0; while [ $i -lt 600 ]; do i=$((i + 1)); echo $i; busybox usleep 50000; done; sleep 600'] });
    const { host_id: host } = await client.container(c.name);
    const s = await LogSocket.open(server, client.key);
    s.subscribe(1, host, c.name);
    await s.has('40');
    await own.down(); // the container keeps running
    await own.up();
    await s.has('600', { timeout: 120000 });
    assert.deepEqual(s.texts().map(Number), Array.from({ length: 600 }, (_, i) => i + 1));
    await s.close();
  } finally {
    await agent.remove();
    await server.remove();
    await own.remove();
  }
});

// Shells in containers on the real engine: with and without a terminal, input in order, resize, exit codes, the end of
// the process with every end of the session, 100 MB of output, and clients that do not read.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { Agent, dockmon } from './lib/dockmon.mjs';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;

const open = (c, options) => Shell.open(world.server, world.client.key, world.host.id, c.id ?? c, options);
const listed = async (name, options) => {
  const c = await engine.run(name, options);
  await world.client.container(c.name);
  return c;
};
const processes = async (c) => (await engine.docker('top', c.id, '-o', 'pid,args')).split('\n').slice(1).map((l) => l.trim().replace(/^\d+\s+/, ''));
const rssKb = async (p) => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${p.child.pid}/status`, 'utf8'))[1]);

test('a shell with a terminal: input, output, size, resize, exit code', async () => {
  const c = await listed('tty');
  const shell = await open(c);

  shell.write('echo "sum=$((20 + 22))" TERM=$TERM\n');
  await shell.until(/sum=42 TERM=xterm-256color/);
  shell.send({ type: 'resize', cols: 132, rows: 43 });
  await eventually(async () => {
    shell.write('busybox stty size\n');
    await shell.until(/43 132/, { timeout: 1000 });
    return true;
  });
  shell.send({ type: 'resize', cols: 80, rows: 25 });
  await sleep(300);
  shell.write('busybox stty size\n');
  await shell.until(/25 80/);
  shell.write('exit 7\n');
  assert.deepEqual(await shell.closed, { code: 1000, reason: '' });
  assert.deepEqual(shell.messages, [{ type: 'exit', code: 7 }]);
});

test('input before the process runs is kept in order', async () => {
  const c = await listed('early');
  const shell = await open(c);

  for (let i = 0; i < 200; i++) shell.write(`echo n$((${i} + 1000))\n`);
  shell.write('exit 0\n');
  await shell.closed;
  // The terminal's echo of earlier input may precede the first answer on its line.
  const numbers = [...shell.text.matchAll(/n(1\d{3})\r?$/gm)].map((m) => Number(m[1]) - 1000);
  assert.deepEqual(numbers, Array.from({ length: 200 }, (_, i) => i));
});

test('a command without a terminal: separate stdout and stderr, end of input, exit code', async () => {
  const c = await listed('plain');
  const shell = await open(c, { start: { cmd: ['sh', '-c', 'cat; echo problem >&2; echo "$WHO in $PWD"; exit 3'], tty: false, env: ['WHO=me'], workdir: '/bin' } });

  shell.write('all of it\n');
  shell.send({ type: 'eof' });
  assert.equal((await shell.closed).code, 1000);
  assert.equal(shell.stdout, 'all of it\nme in /bin\n');
  assert.equal(shell.stderr, 'problem\n');
  assert.deepEqual(shell.messages.at(-1), { type: 'exit', code: 3 });
});

test('a command that cannot be started fails with the reason', async () => {
  const c = await listed('nothing');
  const shell = await open(c, { start: { cmd: ['/no/such/program'], tty: false } });
  const end = await shell.closed;

  if (end.code === 1000) assert.ok([126, 127].includes(shell.messages.at(-1).code), JSON.stringify(shell.messages));
  else assert.match(end.reason, /no such file|not found/);

  await engine.docker('stop', '-t', '0', c.id);
  const stopped = await (await open(c)).closed;
  assert.equal(stopped.code, 1011);
  assert.match(stopped.reason, /not running/);
});

// Where such a field leaves the server: src/server/rights/secret_fields.c.
test('secrets in command lines and environments: every door, for every role', async () => {
  const admin = await world.server.client('admin');
  const viewer = await world.server.client('viewer');
  const c = await engine.run('secretive', {
    args: ['-e', 'TOKEN=s3cret-env', '--health-cmd', 'echo s3cret-health', '--health-interval', '1s', '--log-driver', 'json-file', '--log-opt', 'tag=s3cret-option'],
    command: ['sh', '-c', 'echo line; sleep 3600 # s3cret-command'],
  });
  await world.client.container(c.name);
  const long = `: ${'\u00e9'.repeat(8000)} s3cret-end`;
  for (const cmd of [['sh', '-c', 'exit 0 # s3cret-exec'], ['/no/such/s3cret-program'], ['sh', '-c', long]])
    await (await open(c, { start: { cmd, tty: false, env: ['X=s3cret-exec-env'] } })).closed;

  const base = `/api/hosts/${world.host.id}/containers/${c.id}`;
  const feed = async (client, message) => {
    const ws = new WebSocket(`ws://127.0.0.1:${world.server.port}/ws`, { headers: { authorization: `Bearer ${client.key}` } });
    const texts = [];
    ws.on('message', (data) => texts.push(String(data)));
    if (message) ws.on('open', () => ws.send(JSON.stringify(message)));
    await eventually(() => texts.some((t) => t.includes(c.name)), { what: 'the container on the feed' });
    ws.close();
    return texts.join();
  };
  const doors = {
    list: async (client) => JSON.stringify((await client.get('/api/containers')).find((x) => x.full_id === c.id)),
    inspect: async (client) => JSON.stringify(await client.get(`${base}/inspect`)),
    feed: (client) => feed(client),
    subscription: (client) => feed(client, { type: 'subscribe', id: 1, topics: ['containers'] }),
  };
  const followed = (client) => new Promise((done) => {
    const ws = new WebSocket(`ws://127.0.0.1:${world.server.port}/ws/logs`, { headers: { authorization: `Bearer ${client.key}` } });
    ws.on('open', () => ws.send(JSON.stringify({ type: 'subscribe', id: 1, host: world.host.id, container: c.id, details: true })));
    ws.on('message', (data) => /"(lines|ended)"/.test(data) && (ws.close(), done(String(data))));
  });
  for (const client of [viewer, world.client]) {
    const status = client === viewer ? 403 : 200;
    const logs = [`${base}/logs?details=true`, `${base}/logs?details=true&follow=true&until=${new Date().toISOString()}`];
    for (const path of logs) {
      const r = await client.fetch('GET', path);
      assert.equal(r.status, status, path);
      assert.equal((await r.text()).includes('s3cret-option'), status === 200, path);
    }
    assert.equal((await followed(client)).includes('s3cret-option'), status === 200);
  }
  for (const [door, read] of Object.entries(doors)) {
    assert.doesNotMatch(await read(viewer), /s3cret/, `${door}: viewer`);
    for (const client of [world.client, admin]) {
      const text = await read(client);
      for (const word of ['s3cret-env', 's3cret-command', ...(door === 'inspect' ? ['s3cret-health', 's3cret-option'] : [])])
        assert.ok(text.includes(word), `${door}: ${word}`);
      assert.doesNotMatch(text, /s3cret-(exec|program|end)/, door);
    }
  }
  for (const client of [viewer, world.client, admin]) {
    const { events } = await client.get('/api/events?limit=200');
    assert.ok(events.some((e) => e.event_type === 'shell_start' && e.message === 'shell started'), JSON.stringify(events[0]));
    assert.doesNotMatch(JSON.stringify(events), /s3cret/);
  }
  const starts = (await admin.get('/api/audit?limit=100')).entries.filter((e) => e.action === 'shell_start' && e.target.endsWith(c.name));
  assert.match(starts[2].result, /^ok, command \["sh","-c","exit 0 # s3cret-exec"\], env \["X=s3cret-exec-env"\] \(\d+ bytes, sha256 [0-9a-f]{64}\)$/);
  assert.match(starts[0].result, /^ok, command \["sh","-c",": \u00e9+\.\.\. \(160\d\d bytes, sha256 [0-9a-f]{64}\)$/);
  await viewer.get('/api/audit', { status: 403 });
  for (const p of [world.server.process, world.agent.process]) assert.deepEqual(p.lines.filter((l) => l.includes('s3cret')), []);
});

test('missing permissions and missing containers', async () => {
  const c = await listed('refused');
  const viewer = await world.server.client('viewer');

  assert.equal((await (await Shell.open(world.server, viewer.key, world.host.id, c.id)).closed).code, 4003);
  assert.equal((await (await Shell.open(world.server, null, world.host.id, c.id)).closed).code, 1008);
  assert.equal((await (await open('no-such-container')).closed).code, 1008);
  const nowhere = await Shell.open(world.server, world.client.key, '11111111-2222-4333-8444-555555555555', c.id);
  assert.equal((await nowhere.closed).code, 1008);
  const labelled = await listed('labelled', { args: ['--label', 'app=dockmon'] });
  assert.equal((await dockmon(world.server, world.client.key, ['exec', labelled.name, 'true'])).code, 0);
  const own = await listed('own');
  await world.agent.runsIn(own.id, world.client);
  const end = await (await open(own)).closed;
  assert.match(end.reason, /belongs to DockMon/);
  await world.agent.runsIn(null, world.client);

  const admin = await world.server.client('admin');
  const refused = await eventually(async () => {
    const { entries } = await admin.get('/api/audit?limit=500');
    const rows = entries.filter((e) => e.action.startsWith('shell_') && !e.result.startsWith('ok'));
    return rows.some((e) => e.target.endsWith(`/${own.name}`)) && rows;
  });
  for (const [who, target, result] of [['test-viewer', c.id, /role operator/], ['test-operator', 'no-such-container', /No such container/], ['test-operator', own.name, /belongs to DockMon/]])
    assert.ok(refused.some((e) => e.who.startsWith(who) && e.peer === '127.0.0.1' && e.target.endsWith(`/${target}`) && result.test(e.result)), `${who} ${target}: ${JSON.stringify(refused)}`);
});

test('the process and its children end when the client closes or vanishes', async () => {
  const c = await listed('end');

  for (const leave of [(s) => s.ws.close(), (s) => s.ws.terminate()]) {
    const shell = await open(c);
    shell.write('sleep 1111 & sleep 2222\n');
    await eventually(async () => (await processes(c)).filter((p) => /sleep (1111|2222)/.test(p)).length === 2);
    leave(shell);
    await eventually(async () => (await processes(c)).length === 1, { what: 'only the main process is left' });
  }
});

test('a process that ignores the hangup is killed', async () => {
  const c = await listed('stubborn');
  const shell = await open(c, { start: { cmd: ['sh', '-c', 'trap "" HUP TERM; echo up; while true; do sleep 1; done'], tty: true } });

  await shell.until(/up/);
  shell.ws.close();
  await eventually(async () => !(await processes(c)).some((p) => p.includes('trap')), { what: 'its end' });
});

test('100 MB of output arrive complete', async () => {
  const c = await listed('bulk');
  const shell = await open(c, { start: { cmd: ['sh', '-c', 'yes 0123456789abcdef | head -c 104857600'], tty: false }, keep: false });

  assert.equal((await shell.closed).code, 1000);
  assert.equal(shell.n, 104857600);
  assert.deepEqual(shell.messages.at(-1), { type: 'exit', code: 0 });
});

test('a client that does not read makes no process grow and delays no other client', async () => {
  const c = await listed('slow');
  const shell = await open(c, { start: { cmd: ['yes', 'abcdefghijklmnopqrstuvwxyz'], tty: false }, keep: false });

  await eventually(async () => shell.n > 1000000);
  shell.ws._socket.pause();
  await sleep(1000);
  const before = [await rssKb(world.server.process), await rssKb(world.agent.process)];
  await sleep(4000);
  const after = [await rssKb(world.server.process), await rssKb(world.agent.process)];
  for (const i of [0, 1]) assert.ok(after[i] - before[i] < 16 * 1024, `${before} -> ${after} KiB`);
  const other = await open(c);
  other.write('echo other$((1 + 1))\n');
  await other.until(/other2/);
  other.ws.close();
  const n = shell.n;
  shell.ws._socket.resume();
  await eventually(async () => shell.n > n + 4000000, { what: 'it goes on after the pause' });
  shell.ws.terminate();
  await eventually(async () => (await processes(c)).length === 1);
});

test('input that the process does not read makes no process grow and arrives complete later', async () => {
  const c = await listed('deaf');
  const shell = await open(c, { start: { cmd: ['sh', '-c', 'sleep 3; busybox wc -c'], tty: false } });
  const piece = Buffer.alloc(32768, 'x');
  const before = await rssKb(world.agent.process);

  for (let i = 0; i < 640; i++) shell.write(piece);
  shell.send({ type: 'eof' });
  await sleep(1500);
  assert.ok((await rssKb(world.agent.process)) - before < 16 * 1024);
  assert.equal((await shell.closed).code, 1000);
  assert.equal(shell.stdout.trim(), String(640 * 32768));
});

test('16 shells at once have separate output; the 17th is refused', async () => {
  const c = await listed('many');
  const shells = await Promise.all(Array.from({ length: 16 }, () => open(c)));

  await Promise.all(shells.map(async (s, i) => {
    s.write(`echo mine$((${i} * 3))mine\n`);
    await s.until(new RegExp(`mine${i * 3}mine`));
  }));
  const refused = await (await open(c)).closed;
  assert.equal(refused.code, 1011);
  assert.match(refused.reason, /too many/);
  for (const s of shells) s.write('exit\n');
  for (const s of shells) assert.equal((await s.closed).code, 1000);
});

test('start and end are in the audit log and in the event log', async () => {
  const c = await listed('audit');
  const shell = await open(c);
  const admin = await world.server.client('admin');

  shell.write('exit 5\n');
  await shell.closed;
  const rows = await eventually(async () => {
    const all = (await admin.get('/api/audit')).entries ?? (await admin.get('/api/audit')).audit;
    const mine = all.filter((r) => r.target?.endsWith(`/${c.name}`));
    return mine.length === 2 && mine;
  });
  assert.deepEqual(rows.map((r) => r.action).sort(), ['shell_end', 'shell_start']);
  assert.equal(rows.find((r) => r.action === 'shell_end').result, 'exit code 5');
  assert.ok(rows[0].who.startsWith('test-operator'));
  const events = (await admin.get(`/api/events?container_id=${c.id.slice(0, 12)}`)).events;
  assert.ok(events.some((e) => e.event_type === 'shell_end'));
});

test('when the agent is killed the client is disconnected, and the next run ends leftover processes', async () => {
  const c = await listed('kill9');
  const shell = await open(c);

  shell.write('sleep 3333\n');
  await eventually(async () => (await processes(c)).some((p) => p.includes('sleep 3333')));
  await world.agent.process.stop('SIGKILL');
  assert.equal((await shell.closed).code, 1001);
  await world.agent.up();
  await world.client.onlineHost();
  await eventually(async () => (await processes(c)).length === 1, { what: 'only the main process is left' });
});

test('shells end when the agent or the server stops', async () => {
  const c = await listed('stop');
  let shell = await open(c);

  shell.write('sleep 4444\n');
  await eventually(async () => (await processes(c)).some((p) => p.includes('sleep 4444')));
  await world.agent.down();
  assert.ok([1000, 1001].includes((await shell.closed).code));
  assert.equal((await processes(c)).length, 1, 'nothing is left when the agent has stopped');
  await world.agent.up();
  await world.client.onlineHost();

  shell = await open(c);
  shell.write('sleep 5555\n');
  await eventually(async () => (await processes(c)).some((p) => p.includes('sleep 5555')));
  await world.server.process.stop('SIGKILL');
  await eventually(async () => (await processes(c)).length === 1, { what: 'the agent ends it without the server' });
  await world.server.up();
});

test('an agent that does not see the processes of the host ends them inside the container', async () => {
  await world.agent.down();
  const agent = await Agent.start(world.server, engine, {
    dir: world.agent.dir,
    wrap: ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGTERM'],
  });
  const c = await listed('inside');
  await world.client.onlineHost();

  for (const command of ['sleep 6666 & sleep 7777', 'trap "" HUP; while true; do sleep 1; done']) {
    const shell = await open(c, { start: { cmd: ['sh', '-c', `echo up; ${command}`], user: '1000' } });
    await shell.until(/up/);
    shell.ws.terminate();
    await eventually(async () => (await processes(c)).length === 1, { what: `${command} has ended` });
  }
  await agent.process.stop('SIGKILL');
  await world.agent.up();
  await world.agent.process.line(/connected and accepted/);
});

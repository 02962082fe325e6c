// Logs through REST compared with `docker logs`: with and without a TTY, both streams, binary, 100 MB, a 1 MB line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const MAX_LINES = 10000;
const MAX_BYTES = 4 << 20;
const world = theWorld({ role: 'viewer' });
const { engine } = world;

// A container that has run a shell script to its end.
async function finished(name, script, args = []) {
  const c = await engine.run(name, { args, command: ['sh', '-c', script] });
  await eventually(async () => (await engine.state(c.id)) === 'exited', { timeout: 120000 });
  return c;
}

const logs = (c, query = '') => world.client.get(`/api/hosts/${world.host.id}/containers/${c.id}/logs${query}`);
const text = (answer) => answer.logs.map((l) => l.log).join('\n');

// docker's own view: both streams, with timestamps, in time order.
async function witness(c) {
  const r = await run('docker', ['logs', '-t', c.id], { env: engine.env, timeout: 120000 });
  const lines = (r.stdout + r.stderr).split(/\r?\n/).filter((l) => l !== '');
  return lines.sort().map((l) => ({ stamp: l.slice(0, l.indexOf(' ')), log: l.slice(l.indexOf(' ') + 1) }));
}

test('stdout and stderr come in time order with timestamps', async () => {
  const c = await finished('both', 'for i in 1 2 3 4 5; do echo out $i; sleep 0.02; echo err $i >&2; sleep 0.02; done');
  const answer = await logs(c);
  const expected = await witness(c);

  assert.equal(answer.container_id, c.id);
  assert.deepEqual(answer.logs.map((l) => l.log), expected.map((l) => l.log));
  for (const [i, line] of answer.logs.entries()) {
    assert.match(line.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z$/);
    assert.ok(expected[i].stamp.startsWith(line.timestamp.slice(0, -1).slice(0, 26)), `${line.timestamp} of ${expected[i].stamp}`);
  }
  assert.equal(answer.last_timestamp, answer.logs.at(-1).timestamp);
  assert.equal(answer.truncated, false);
});

test('a TTY container has no stream headers in its log', async () => {
  const c = await finished('tty', 'echo one; echo two >&2; printf "tab\\there\\n"', ['-t']);

  assert.equal(text(await logs(c)), 'one\ntwo\ntab\there');
});

test('tail, since and until', async () => {
  const c = await finished('range', 'for i in $(seq 1 200); do echo line $i; done; sleep 1.2; echo late');
  const all = await logs(c, '?tail=1000');

  assert.equal(all.logs.length, 201);
  assert.equal((await logs(c)).logs.length, 100, 'the default tail is 100');
  assert.equal(text(await logs(c, '?tail=2')), 'line 200\nlate');
  assert.deepEqual((await logs(c, '?tail=0')).logs, []);
  const between = new Date(Date.parse(all.logs.at(-1).timestamp) - 600).toISOString();
  assert.equal(text(await logs(c, `?tail=1000&since=${between}`)), 'late');
  assert.equal((await logs(c, `?tail=1000&until=${between}`)).logs.length, 200);
});

test('a tail outside the limits is clamped', async () => {
  const c = await finished('clamped', 'seq 5');
  assert.equal((await logs(c, '?tail=10001')).logs.length, 5);
  assert.equal((await logs(c, '?tail=-1')).logs.length, 0);

  // An agent is never asked for more than it may be asked for.
  const other = new HandAgent(world.server, { hostname: 'asked-for-tails' });
  const element = containerElement({ name: 'tailed' });
  const asked = [];
  other.containers = [element];
  other.operations.get_logs = ({ tail }) => {
    asked.push(tail);
    return { logs: '' };
  };
  assert.equal((await other.connect(await world.server.token())).type, 'auth_success');
  await world.client.container('tailed');
  for (const tail of ['10000', '10001', '99999999', '']) await world.client.get(`/api/hosts/${other.hostId}/containers/${element.Id}/logs?tail=${tail}`);
  assert.deepEqual(asked, [10000, 10000, 10000, 100]);
  await world.client.get(`/api/hosts/${other.hostId}/containers/${element.Id}/logs?tail=-5`);
  assert.ok(asked.slice(4).every((n) => n >= 0 && n <= 10000));
  await other.close();
});

test('bad parameters are refused by name', async () => {
  const c = await finished('params', 'echo x');

  for (const query of ['tail=x', 'since=yesterday', 'until=x']) {
    const answer = await world.client.call('GET', `/api/hosts/${world.host.id}/containers/${c.id}/logs?${query}`, { status: 422 });
    assert.match(answer.detail, new RegExp(query.split('=')[0]));
  }
});

test('a line without newline at the end and empty lines survive', async () => {
  const c = await finished('edges', 'echo; echo a; echo; printf end');

  assert.deepEqual((await logs(c)).logs.map((l) => l.log), ['', 'a', '', 'end']);
});

test('binary output: NUL and bytes that are not UTF-8 become U+FFFD', async () => {
  const c = await finished('binary', "printf 'a\\377\\376b\\000c\\n'; dd if=/dev/urandom bs=1k count=64 2>/dev/null; echo; echo done");
  const answer = await logs(c, '?tail=10000');

  assert.equal(answer.logs[0].log, 'a\ufffd\ufffdb\ufffdc');
  assert.equal(answer.logs.at(-1).log, 'done');
});

test('a line of 1 MB arrives complete', async () => {
  const c = await finished('long', 'head -c 1048576 /dev/zero | tr "\\000" x; echo; echo after');
  const answer = await logs(c);

  assert.equal(answer.logs.length, 2);
  assert.equal(answer.logs[0].log.length, 1048576);
  assert.match(answer.logs[0].log, /^x+$/);
  assert.equal(answer.logs[1].log, 'after');
});

test('a log of 100 MB is truncated to the newest lines and bytes, and marked', async () => {
  const c = await finished('huge', 'yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 | head -c 104857600; echo; echo last');
  const rss = async () => Number(/VmHWM:\s+(\d+)/.exec((await run('cat', [`/proc/${world.agent.process.child.pid}/status`])).stdout)[1]);
  const before = await rss();
  const answer = await logs(c, `?tail=${MAX_LINES}`);

  assert.ok(answer.logs.length <= MAX_LINES);
  assert.equal(answer.logs.at(-1).log, 'last');
  assert.ok(JSON.stringify(text(answer)).length <= MAX_BYTES);
  assert.ok((await rss()) - before < 64 * 1024, 'the agent streams, it does not hold 100 MB');
});

test('a log that exceeds 4 MiB within 10,000 lines is marked as truncated', async () => {
  const c = await finished('wide', 'line=$(head -c 1000 /dev/zero | tr "\\000" y); for i in $(seq 1 8000); do echo $i $line; done');
  const answer = await logs(c, `?tail=${MAX_LINES}`);

  assert.equal(answer.truncated, true);
  assert.match(answer.logs.at(-1).log, /^8000 y+$/);
  assert.ok(answer.logs.length < 8000);
});

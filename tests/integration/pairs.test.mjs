// Two operations on one container: each pair, on a program that ignores SIGTERM, with our agent (which has the rules)
// and with one of another make (for which the server has them).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;

const STUBBORN = { command: ['sh', '-c', 'trap "" TERM; while true; do sleep 0.1; done'] };
const LONG = 60; // seconds until the engine kills by itself; no pair takes so long

const path = (c, action = '') => `/api/hosts/${world.host.id}/containers/${c.id}${action && `/${action}`}`;

async function call(method, url, body) {
  const began = Date.now();
  const response = await world.client.fetch(method, url, body ? { body } : {});
  const text = await response.text();
  return { status: response.status, body: text ? JSON.parse(text) : null, retry: response.headers.get('retry-after'), ms: Date.now() - began };
}

// Starts the slow operation, and waits until the engine has sent the signal. { done }: its answer.
async function begin(c, action, seconds = LONG) {
  const done = call('POST', path(c, `${action}?timeout=${seconds}`));
  const filters = ['--filter', `container=${c.id}`, '--filter', 'event=kill'];

  await eventually(async () => (await engine.docker('events', '--since', '120s', '--until', '0s', ...filters)) !== '', { what: `${action} has begun` });
  return { done };
}

const ARRIVING = {
  inspect: (c) => call('GET', path(c, 'inspect')),
  logs: (c) => call('GET', path(c, 'logs')),
  kill: (c) => call('POST', path(c, 'kill')),
  'remove -f': (c) => call('DELETE', path(c)),
  stop: (c) => call('POST', path(c, 'stop?timeout=0')),
  restart: (c) => call('POST', path(c, 'restart?timeout=0')),
  pause: (c) => call('POST', path(c, 'pause')),
  unpause: (c) => call('POST', path(c, 'unpause')),
  start: (c) => call('POST', path(c, 'start')),
  rename: (c) => call('POST', path(c, 'rename'), { name: `${c.name}-renamed` }),
  remove: (c) => call('DELETE', `${path(c)}?force=false`),
};

const atOnce = (r) => assert.ok(r.ms < 10000, `after ${r.ms} ms`);

for (const slow of ['stop', 'restart']) {
  for (const read of ['inspect', 'logs']) {
    test(`${read} waits for no ${slow}`, async () => {
      const c = await engine.run(`${slow}-${read}`, STUBBORN);
      const running = await begin(c, slow);
      const r = await ARRIVING[read](c);
      assert.equal(r.status, 200);
      atOnce(r);
      await engine.docker('kill', c.id);
      await running.done;
    });
  }

  test(`kill overtakes ${slow} and ends it`, async () => {
    const c = await engine.run(`${slow}-kill`, STUBBORN);
    const running = await begin(c, slow);
    const r = await ARRIVING.kill(c);

    assert.equal(r.status, 200, JSON.stringify(r.body));
    atOnce(r);
    assert.equal(await engine.state(c.id), 'exited', 'it is not started again');
    assert.equal((await world.client.get('/api/containers')).find((x) => x.full_id === c.id).state, 'exited');
    const overtaken = await running.done;
    if (slow === 'stop') assert.equal(overtaken.status, 200);
    else assert.deepEqual([overtaken.status, overtaken.body.code], [409, 'operation_overtaken']);
    assert.equal(await engine.state(c.id), 'exited');
  });

  test(`remove -f overtakes ${slow} and ends it`, async () => {
    const c = await engine.run(`${slow}-remove-f`, STUBBORN);
    const running = await begin(c, slow);
    const r = await ARRIVING['remove -f'](c);

    assert.equal(r.status, 200, JSON.stringify(r.body));
    atOnce(r);
    assert.equal(await engine.exists(c.id), false);
    const overtaken = await running.done;
    assert.deepEqual([overtaken.status, overtaken.body.code], [409, 'operation_overtaken']);
  });

  test(`kill with another signal than SIGKILL is delivered during ${slow}, which goes on`, async () => {
    const c = await engine.run(`${slow}-mild`, { command: ['sh', '-c', 'trap "" TERM; trap "echo hup" HUP; while true; do sleep 0.1; done'] });
    const running = await begin(c, slow, 4);

    for (const signal of ['HUP', 'sighup', '1']) {
      const r = await call('POST', path(c, `kill?signal=${signal}`));
      assert.equal(r.status, 200, JSON.stringify(r.body));
      atOnce(r);
      assert.equal(await engine.state(c.id), 'running');
    }
    await eventually(async () => (await engine.docker('logs', c.id)).includes('hup'), { what: 'the signal arrives' });
    const first = await running.done;
    assert.equal(first.status, 200, JSON.stringify(first.body));
    assert.ok(first.ms >= 3500, `${slow} ended after ${first.ms} ms`);
    assert.equal(await engine.state(c.id), slow === 'stop' ? 'exited' : 'running');
  });

  test(`a start that waits for ${slow} runs after the kill that overtakes it, and no sooner`, async () => {
    const c = await engine.run(`${slow}-start-kill`, STUBBORN);
    const running = await begin(c, slow);
    const from = world.agent.process.lines.length;
    const start = ARRIVING.start(c);
    await world.agent.process.line(new RegExp(`start waits: ${slow} is in progress`), { from });
    const kill = await ARRIVING.kill(c);

    assert.equal(kill.status, 200, JSON.stringify(kill.body));
    assert.equal((await running.done).status, slow === 'stop' ? 200 : 409);
    assert.equal((await start).status, 200);
    assert.equal(await engine.state(c.id), 'running');
  });

  for (const other of [slow, 'pause', 'unpause']) {
    test(`${other} is refused during ${slow}`, async () => {
      const c = await engine.run(`${slow}-x-${other}`, STUBBORN);
      const running = await begin(c, slow);
      const r = await ARRIVING[other](c);

      assert.deepEqual([r.status, r.body.code], [409, 'operation_in_progress']);
      atOnce(r);
      await engine.docker('kill', c.id);
      await running.done;
    });
  }

  for (const [other, state] of [['start', 'running'], ['rename'], ['remove', null], [slow === 'stop' ? 'restart' : 'stop', slow === 'stop' ? 'running' : 'exited']]) {
    test(`${other} waits for ${slow}`, async () => {
      const c = await engine.run(`${slow}-w-${other}`, STUBBORN);
      const running = await begin(c, slow, 4);
      const r = await ARRIVING[other](c);
      const first = await running.done;

      assert.equal(first.status, 200);
      // A container that was restarted runs, and cannot be removed without force.
      assert.equal(r.status, other === 'remove' && slow === 'restart' ? 409 : 200, JSON.stringify(r.body));
      if (other === 'remove' && slow === 'stop') assert.equal(await engine.exists(c.id), false);
      if (other === 'rename') assert.equal((await engine.inspect(c.id)).Name, `/${c.name}-renamed`);
      if (state) assert.equal(await engine.state(c.id), state);
    });
  }
}

test('a waiting operation gives up with 503 and Retry-After at its deadline', async () => {
  const pairs = ['start', 'rename', 'remove'];
  const results = await Promise.all(
    pairs.map(async (other) => {
      const c = await engine.run(`late-${other}`, STUBBORN);
      const running = await begin(c, 'stop');
      const r = await ARRIVING[other](c);
      await engine.docker('kill', c.id);
      await running.done;
      return r;
    }),
  );
  for (const r of results) {
    assert.deepEqual([r.status, r.body.code], [503, 'container_busy']);
    assert.match(r.retry, /^\d+$/);
  }
});

// --- an agent of another make: it carries out everything at once, so the server has to apply the rules

test('an agent without the rules', async (t) => {
  const hand = new HandAgent(world.server);
  const registration = hand.registration.bind(hand);
  hand.registration = (token) => {
    const message = registration(token);
    return { ...message, capabilities: { ...message.capabilities, kill_signal: true } };
  };
  const element = containerElement({ name: 'hand-web' });
  const base = `/containers/${element.Id}`;
  let pending, state;

  const show = (next) => {
    state = next;
    hand.containers = state ? [{ ...element, State: state }] : [];
  };
  const answer = (m, fields = {}) => hand.send({ correlation_id: m.id, success: true, ...fields });
  hand.onOperation = (m) => pending.push(m);
  show('running');
  pending = [];
  assert.equal((await hand.connect(await world.server.token())).type, 'auth_success');
  await world.client.container('hand-web');

  const ask = (action, method = 'POST') =>
    call(method, `/api/hosts/${hand.hostId}${base}${action && `/${action}`}`, action === 'rename' ? { name: 'hand-web' } : undefined);
  const arrives = (action) => eventually(() => pending.find((m) => m.payload.action === action), { what: `${action} arrives` });

  for (const slow of ['stop', 'restart']) {
    await t.test(`kill overtakes ${slow}`, async () => {
      pending = [];
      const running = ask(slow);
      const first = await arrives(slow);
      const kill = ask('kill');
      answer(await arrives('kill'));
      show('exited');
      assert.equal((await kill).status, 200);
      pending = [];
      answer(first);
      if (slow === 'restart') answer(await arrives('kill')); // the server ends what the restart has started
      const r = await running;
      if (slow === 'stop') assert.equal(r.status, 200);
      else assert.deepEqual([r.status, r.body.code], [409, 'operation_overtaken']);
      show('running');
    });

    await t.test(`another signal than SIGKILL is delivered during ${slow}, which goes on`, async () => {
      pending = [];
      const running = ask(slow);
      const first = await arrives(slow);
      const hup = ask('kill?signal=HUP');
      answer(await arrives('kill'));
      assert.equal((await hup).status, 200);
      pending = [];
      show(slow === 'stop' ? 'exited' : 'running');
      answer(first);
      assert.equal((await running).status, 200);
      assert.deepEqual(pending.map((m) => m.payload.action), []);
      show('running');
    });

    await t.test(`remove -f overtakes ${slow}`, async () => {
      pending = [];
      const running = ask(slow);
      const first = await arrives(slow);
      const remove = ask('', 'DELETE');
      answer(await arrives('remove'));
      show(null);
      assert.equal((await remove).status, 200);
      hand.send({ correlation_id: first.id, success: false, error: 'No such container: x' });
      const r = await running;
      assert.deepEqual([r.status, r.body.code], [409, 'operation_overtaken']);
      show('running');
      await world.client.container('hand-web');
    });

    await t.test(`${slow} is refused during itself, and start waits for it`, async () => {
      pending = [];
      const running = ask(slow);
      const first = await arrives(slow);
      const same = await ask(slow);
      assert.deepEqual([same.status, same.body.code], [409, 'operation_in_progress']);
      const from = world.server.process.lines.length;
      const start = ask('start');
      await world.server.process.line(new RegExp(`start waits: ${slow} is in progress`), { from });
      const rename = ask('rename');
      await world.server.process.line(new RegExp(`rename waits: ${slow} is in progress`), { from });
      await hand.roundTrip(); // a message that was sent would be there
      assert.deepEqual(pending.map((m) => m.payload.action), [slow]);
      show(slow === 'stop' ? 'exited' : 'running');
      answer(first);
      assert.equal((await running).status, 200);
      const second = await arrives('start');
      show('running');
      answer(second);
      assert.equal((await start).status, 200);
      answer(await arrives('rename'));
      assert.equal((await rename).status, 200);
    });
  }
  await hand.close();
});

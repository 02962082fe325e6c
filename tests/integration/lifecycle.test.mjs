// Server, agent and engine are restarted, each twice in a row, also with SIGKILL: everything recovers by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, Server } from './lib/dockmon.mjs';
import { OwnEngine } from './lib/engine.mjs';
import { eventually } from './lib/wait.mjs';

let engine, server, agent, client, host;

before(async () => {
  engine = await OwnEngine.start();
  await engine.ensureImage();
  server = await Server.start();
  client = await server.client('admin');
  agent = await Agent.start(server, engine);
  host = await client.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine?.remove();
});

const status = async () => (await client.get('/api/hosts')).find((h) => h.id === host.id).status;
const becomes = (wanted) => eventually(async () => (await status()) === wanted, { what: `the host is ${wanted}`, timeout: 60000 });

// The whole chain works: a new container is listed, and an operation on it reaches the engine.
let counter = 0;
async function assertWorks() {
  await becomes('online');
  const c = await engine.run(`works-${counter++}`);
  await client.container(c.name);
  await client.post(`/api/hosts/${host.id}/containers/${c.id}/stop?timeout=0`);
  assert.equal(await engine.state(c.id), 'exited');
  await client.delete(`/api/hosts/${host.id}/containers/${c.id}`);
  assert.equal((await client.get('/api/hosts')).length, 1, 'no second host was created');
}

async function assertNoDuplicateEvents() {
  const { events } = await client.get('/api/events?category=container&limit=1000');
  const seen = new Map();
  for (const e of events.filter((x) => x.event_type !== 'container_action')) {
    const key = `${e.container_id} ${e.event_type} ${e.timestamp}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  assert.deepEqual([...seen].filter(([, n]) => n > 1), []);
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
  for (const round of [1, 2]) {
    test(`server ${signal}, round ${round}`, async () => {
      await server.down(signal);
      const c = await engine.run(`during-server-${signal}-${round}`);
      await engine.docker('kill', c.id);
      await server.up();
      await assertWorks();
      const events = await eventually(async () => {
        const list = (await client.get(`/api/events?container_id=${c.id}`)).events.map((e) => e.event_type);
        return list.includes('died') && list;
      });
      assert.ok(events.includes('started'), `events of the server's downtime are stored: ${events}`);
      await assertNoDuplicateEvents();
    });

    test(`agent ${signal}, round ${round}`, async () => {
      await agent.down(signal);
      await becomes('offline');
      assert.ok((await client.get('/api/containers')).length >= 0, 'the list is still served');
      const c = await engine.run(`during-agent-${signal}-${round}`);
      await engine.docker('kill', c.id);
      await agent.up();
      await assertWorks();
      await eventually(async () => (await client.get(`/api/events?container_id=${c.id}`)).events.some((e) => e.event_type === 'died'), {
        what: 'events of the downtime of the agent are stored',
      });
      await assertNoDuplicateEvents();
    });
  }
}

for (const round of [1, 2]) {
  test(`engine restart, round ${round}`, async () => {
    await engine.down();
    const unreachable = await client.fetch('POST', `/api/hosts/${host.id}/containers/${'d'.repeat(64)}/start`);
    assert.ok(unreachable.status >= 500, `${unreachable.status}`);
    assert.match((await unreachable.json()).detail, /engine|docker/i);
    assert.equal(await status(), 'online', 'the agent stays connected');
    await engine.up();
    await eventually(async () => {
      const answer = await client.fetch('GET', `/api/hosts/${host.id}/containers/${'d'.repeat(64)}/inspect`);
      return answer.status === 404;
    }, { what: 'the engine answers again', timeout: 60000 });
    await assertWorks();
    const c = await engine.run(`after-engine-${round}`, { command: ['true'] });
    const types = async () => (await client.get(`/api/events?container_id=${c.id}`)).events.map((e) => e.event_type);
    await eventually(async () => (await types()).includes('stopped'), { what: 'events arrive again' });
    assert.equal((await types()).filter((t) => t === 'started').length, 1);
    await assertNoDuplicateEvents();
  });
}

test('an agent that starts before its engine waits for it', async () => {
  await agent.down();
  await engine.down();
  await agent.up();
  await agent.process.line(/engine/i);
  await engine.up();
  await assertWorks();
});

test('two agents with copies of one data directory do not supersede each other in a tight loop', async () => {
  const clone = await Agent.start(server, engine, { dir: agent.dir, token: '' });
  try {
    const superseded = /New connection established/;
    const begin = clone.process.lines.length + agent.process.lines.length;
    await eventually(() => [...agent.process.lines, ...clone.process.lines].some((l) => superseded.test(l)), { timeout: 30000 });
    await new Promise((r) => setTimeout(r, 3000));
    const takeovers = [...agent.process.lines, ...clone.process.lines].slice(begin).filter((l) => superseded.test(l)).length;
    assert.ok(takeovers <= 16, `${takeovers} takeovers in 3 s with RECONNECT_MAX=1s`);
    assert.equal((await client.get('/api/hosts')).length, 1);
  } finally {
    await clone.down();
  }
  await assertWorks();
});

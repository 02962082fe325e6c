// The permissions of the host: AGENT_POLICY and protecting labels override the server's requests.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Agent, Server, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, client, agent, host;

const restart = async (policy) => {
  await agent.down();
  agent.env = { AGENT_POLICY: policy };
  await agent.up();
  await eventually(async () => {
    const h = await client.get(`/api/hosts/${host.id}/agent`);
    return h.status === 'online' && h.policy === policy;
  });
};
const path = (c, action = '') => `/api/hosts/${host.id}/containers/${c.id}${action && `/${action}`}`;

before(async () => {
  await engine.ensureImage();
  server = await Server.start();
  client = await server.client('admin');
  agent = await Agent.start(server, engine, { env: { AGENT_POLICY: 'observe' } });
  host = await client.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
});

test('observe: reading is allowed, everything else is 403 and named', async () => {
  const c = await engine.run('watched');

  await client.get(path(c, 'inspect'));
  await client.get(path(c, 'logs'));
  for (const read of ['top', 'changes']) await client.get(path(c, read));
  await client.get(`/api/hosts/${host.id}/images`);
  for (const action of ['stop', 'start', 'restart', 'kill', 'pause', 'unpause']) {
    const { detail } = await client.post(path(c, action), {}, { status: 403 });
    assert.match(detail, new RegExp(`^${action} is not allowed by the policy of this host \\(AGENT_POLICY=observe\\)`));
  }
  await client.post(path(c, 'rename'), { name: `${engine.prefix}-other` }, { status: 403 });
  await client.delete(path(c), { status: 403 });
  await client.post(`/api/hosts/${host.id}/volumes`, { name: `${engine.prefix}-v` }, { status: 403 });
  assert.equal(await engine.state(c.id), 'running');
});

test('the refusal is in the event log and in the audit log', async () => {
  const { events } = await client.get('/api/events?limit=200');
  const { entries } = await client.get('/api/audit?limit=500');

  assert.ok(events.some((e) => /AGENT_POLICY=observe/.test(e.message ?? '') && /could not be stopped$/.test(e.title)), JSON.stringify(events));
  assert.ok(entries.some((e) => e.action === 'container_stop' && /^403 .*AGENT_POLICY=observe/.test(e.result)));
});

test('the policy is shown', async () => {
  assert.equal((await client.get(`/api/hosts/${host.id}/agent`)).policy, 'observe');
  const r = await dockmon(server, client.key, ['hosts', '--wide']);
  assert.equal(r.code, 0, r.stderr);
  assert.match(r.stdout, /POLICY/);
  assert.match(r.stdout, /\bobserve\b/);
});

test('a list allows the operations that it names', async () => {
  const c = await engine.run('listed');

  await restart('observe,stop');
  await client.post(path(c, 'stop?timeout=0'));
  assert.equal(await engine.state(c.id), 'exited');
  await client.post(path(c, 'start'), {}, { status: 403 });
});

test('labels protect single containers under the full policy', async () => {
  const shut = await engine.run('shut', { args: ['--label', 'dockmon.protect=true'] });
  const half = await engine.run('half', { args: ['--label', 'dockmon.protect=stop,remove'] });
  const open = await engine.run('open', { args: ['--label', 'dockmon.protect=false'] });

  await restart('full');
  const { detail } = await client.post(path(shut, 'stop?timeout=0'), {}, { status: 403 });
  assert.match(detail, /protected by its label dockmon\.protect=true/);
  await client.delete(path(shut), { status: 403 });
  await client.get(path(shut, 'inspect'));
  await client.post(path(half, 'stop?timeout=0'), {}, { status: 403 });
  await client.delete(path(half), { status: 403 });
  await client.post(path(half, 'restart?timeout=0'));
  await client.post(path(open, 'stop?timeout=0'));
  assert.equal(await engine.state(shut.id), 'running');
  assert.equal(await engine.state(half.id), 'running');
  assert.equal(await engine.state(open.id), 'exited');
});

test('copies are refused by a label, and by every policy below full', async () => {
  const labelled = await engine.run('nocopy', { args: ['--label', 'dockmon.protect=copy'] });
  const plain = await engine.run('copied');
  const words = (c) => [[`${c.name}:/bin/busybox`, '-'], ['/etc/hostname', `${c.name}:/bin`]];
  const copy = async (args, code, says) => {
    const r = await dockmon(server, client.key, ['cp', ...args]);
    assert.equal(r.code, code, r.stderr);
    assert.match(r.stderr, says);
  };

  for (const args of words(labelled)) await copy(args, 1, /copy is not allowed: .* label dockmon\.protect=copy/);
  await copy(words(plain)[1], 0, /Successfully copied/);
  await restart('operate');
  for (const args of words(plain)) await copy(args, 1, /copy is not allowed by the policy of this host \(AGENT_POLICY=operate\)/);
  await restart('full');
});

test('a shell is refused like any other action', async () => {
  const c = await engine.run('noshell', { args: ['--label', 'dockmon.protect=shell'] });
  const r = await dockmon(server, client.key, ['exec', `${engine.prefix}-noshell`, 'true']);

  assert.notEqual(r.code, 0);
  assert.match(r.stderr + r.stdout, /protected by its label dockmon\.protect=shell/);
  assert.equal(await engine.state(c.id), 'running');
});

test('an invalid policy is a startup error', async () => {
  await agent.down();
  agent.env = { AGENT_POLICY: 'observe,fly' };
  await agent.up();
  const exit = await agent.process.exited;
  assert.equal(exit.code, 2);
  agent.env = {};
  await agent.up();
  await agent.process.line(/connected and accepted/);
});

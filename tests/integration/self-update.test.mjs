// Self-updates of an agent under its launcher, by the real server: that the new program takes over, and that the one before
// it runs, with the reason in the report, whatever goes wrong.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { mkdir, readFile, readdir, realpath, rm, truncate, open } from 'node:fs/promises';
import { after, afterEach, before, test } from 'node:test';
import { Agent, Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { LaunchedAgent, PLATFORM, describe, serverKey, writeDescription, writeProgram } from './lib/launched.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const CRASHES = '#!/bin/sh\nexit 3\n';
let server, client, agents, agent, program, host;

before(async () => {
  await engine.ensureImage();
  agents = await temporaryDirectory();
  program = await readFile(bin('dockmon-agent'));
  await offer(variant());
  server = await Server.start({ args: ['--agent-dir', agents] });
  client = await server.client('admin');
});

afterEach(async () => {
  await agent?.remove();
  agent = null;
  for (const h of await client.get('/api/hosts')) await client.delete(`/api/hosts/${h.id}`); // the engine is the next one's
});

after(async () => {
  await server?.remove();
  await engine.cleanup();
  await rm(agents, { recursive: true, force: true });
});

// The same agent with another sum: bytes behind the end of an ELF file mean nothing.
let nVariants = 0;
const variant = () => Buffer.concat([program, Buffer.from(`variant ${nVariants++}`)]);

// Replaces the file that the server offers; the server reads it when it starts.
async function offer(content, description) {
  await rm(agents, { recursive: true, force: true });
  await mkdir(agents);
  await writeProgram(agents, content);
  if (description) await writeDescription(agents, description);
}

async function offerNow(content, description) {
  await offer(content, description);
  await server.down();
  await server.up();
  if (agent) await online();
}

async function start(options) {
  agent = await LaunchedAgent.start(server, engine, options);
  host = await client.onlineHost();
  await eventually(() => readFile(`${agent.dir}/release_key`), { what: 'the key is pinned' });
}

const online = async () => (host = await client.onlineHost());
const details = () => client.get(`/api/hosts/${host.id}/agent`);
const update = (body = {}, status = 200) => client.call('POST', `/api/hosts/${host.id}/agent/update`, { body, status });

// The record of an update that has ended, after the agent is back.
async function ended(started) {
  const record = await eventually(async () => {
    const { update: u, status } = await details();
    return status === 'online' && u?.update_id === started.update_id && u.state !== 'running' && u;
  }, { what: 'the update has ended', timeout: 60000 });
  return record;
}

// The program before the update runs, and nothing of the new one is in its way.
async function assertFailed(record, why) {
  assert.equal(record.state, 'failed');
  assert.match(record.error, why);
  assert.equal(await agent.program(), await realpath(bin('dockmon-agent')));
  const left = (await readdir(agent.file('.'))).filter((f) => f === 'tries' || f === 'dockmon-agent' || f.endsWith('.new'));
  assert.deepEqual(left, []);
  const { events } = await client.get('/api/events?limit=20');
  assert.ok(events.some((e) => e.event_type === 'agent_update_failed' && why.test(e.message ?? e.title)));
}

test('the new program takes over, and a second update keeps the first one', { timeout: 90000 }, async () => {
  await offerNow(variant());
  await start();
  const first = await update();
  assert.deepEqual([first.success, first.current_version, first.target_version], [true, '0.1.0', '0.1.0']);
  assert.equal((await ended(first)).state, 'done');
  assert.equal(await agent.program(), agent.file('dockmon-agent'));
  assert.deepEqual((await readdir(agent.file('.'))).sort(), ['dockmon-agent', 'lock', 'self-update.json']);

  const again = await update({}, 409);
  assert.match(again.detail, /this agent is that program already/);

  const content = variant();
  await offerNow(content);
  const second = await update();
  assert.equal((await ended(second)).state, 'done');
  assert.deepEqual(await readFile(await agent.program()), content);
  assert.ok((await readdir(agent.file('.'))).includes('dockmon-agent.old'));
});

// Starts the update of a program that cannot become the agent, and returns how that ended.
async function tryProgram(content, description) {
  await offerNow(content, description);
  return ended(await update());
}

test('a program that does not start, or crashes at its start, is undone', { timeout: 90000 }, async () => {
  await start();
  await assertFailed(await tryProgram('\x7fELF and no more'), /version 0\.1\.0 was undone: the new program does not start/);
  await assertFailed(await tryProgram(CRASHES), /was undone: it was started three times without reaching the server/);
  // The former version still updates itself.
  assert.equal((await tryProgram(variant())).state, 'done');
});

test('a program that cannot reach the server is undone, and says why', { timeout: 90000 }, async () => {
  await start({ env: { SELF_UPDATE_TIMEOUT: '1s' } });
  await offerNow(variant());
  await update();
  await agent.process.line(/self-update.* stage=restart/);
  await server.down();
  await agent.process.line(/the self-update has failed/, { timeout: 60000 });
  await server.up();
  await online();
  const { update: record } = await eventually(async () => {
    const d = await details();
    return d.update && d;
  }, { what: 'the agent has reported' });
  await assertFailed(record, /started three times without reaching the server; at its last try: .*Connection refused/);
});

test('a program that is changed or cut on the way is not installed', { timeout: 90000 }, async () => {
  await start();
  await offerNow(variant());
  const file = await open(`${agents}/agent-${PLATFORM}`, 'r+'); // the server has it open and knows its sum
  await file.write('X', 100);
  await file.close();
  await assertFailed(await ended(await update()), /has the SHA-256 [0-9a-f]{64} instead of [0-9a-f]{64}: it is damaged, or somebody/);
  await truncate(`${agents}/agent-${PLATFORM}`, 100000);
  await assertFailed(await ended(await update()), /download of http.*\/download\/agent\/linux-/);
  assert.ok(agent.process.lines.filter((l) => l.startsWith('supervisor: started')).length === 1, 'the agent was never restarted');
});

test('only a description for this agent by a key that it trusts is accepted', { timeout: 90000 }, async () => {
  await start();
  const key = await serverKey(server);
  const stranger = generateKeyPairSync('ed25519').privateKey;
  const content = variant();
  const refused = async (description, why) => {
    await offerNow(content, description);
    assert.match((await update({}, 409)).detail, why);
  };
  await refused(describe(stranger, content), /the signature of the release 0\.1\.0 is not by a key that this agent trusts/);
  await refused(describe(key, content).replace(/^signature.*$/m, `signature ${'A'.repeat(86)}==`), /signature of the release/);
  await refused(describe(key, content, { version: '0.0.9' }), /version 0\.0\.9 is older than this one, 0\.1\.0/);
  await refused(describe(key, content, { version: '3.0.0', minimum: '2.0.0' }), /version 3\.0\.0 replaces version 2\.0\.0 or later/);
  await refused(describe(key, variant()), /describes another program than/); // by the server already
  assert.equal((await details()).update, null);

  await offerNow(content, describe(key, content, { version: '0.0.9' }));
  assert.equal((await ended(await update({ allow_older: true }))).state, 'done');
});

test('with a URL the program comes from there, with its description', { timeout: 90000 }, async () => {
  await start();
  const key = await serverKey(server);
  const content = variant();
  const requests = [];
  const other = createServer((request, response) => {
    requests.push([request.url, request.headers.authorization]);
    if (request.url === '/latest') response.writeHead(302, { location: '/agent' }).end();
    else if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else response.end(content);
  });
  await new Promise((done) => other.listen(0, '127.0.0.1', done));
  const url = (path) => `http://127.0.0.1:${other.address().port}${path}`;
  const description = describe(key, content);
  try {
    await update({ url: url('/agent') }, 422);
    await assertFailed(await ended(await update({ url: url('/loop'), description })), /more than 5 redirects/);
    await assertFailed(await ended(await update({ url: url('/agent'), description: describe(key, variant()) })), /has the SHA-256/);
    assert.equal((await ended(await update({ url: url('/latest'), description }))).state, 'done');
    assert.ok(requests.every(([, authorization]) => authorization === undefined), 'the token is for the server only');
  } finally {
    other.closeAllConnections();
    other.close();
  }
});

test('on a full disk the update is refused or fails, and the agent runs on', { timeout: 90000 }, async () => {
  await offerNow(variant());
  await start({ before: 'mkdir -p "$DATA_PATH/bin" && mount -t tmpfs -o size=1m,mode=700 tmpfs "$DATA_PATH/bin";', wrapper: ['unshare', '-m'] });
  const record = await ended(await update());
  assert.equal(record.state, 'failed');
  assert.match(record.error, /write .*dockmon-agent\.new: No space left on device/);
  assert.equal(await agent.program(), await realpath(bin('dockmon-agent')));
});

test('killed at any stage, one version or the other runs in the end', { timeout: 120000 }, async () => {
  await start();
  for (const stage of ['download', 'restart', 'trial']) {
    await offerNow(variant());
    const from = agent.process.lines.length;
    const watch = agent.process.line(stage === 'download' ? /self-update begins/ : new RegExp(`self-update.* stage=${stage}`), { from })
      .then(() => process.kill(agent.pid, 'SIGKILL'));
    const started = await client.fetch('POST', `/api/hosts/${host.id}/agent/update`, { body: {} }).then((r) => r.json(), () => null);
    await watch;
    await online();
    const { update: record } = await eventually(async () => {
      const d = await details();
      return d.update?.state !== 'running' && d.update && d;
    }, { what: `the agent has reported after a kill at ${stage}` });
    if (started?.update_id) assert.equal(record.update_id, started.update_id);
    const isNew = (await agent.program()) === agent.file('dockmon-agent');
    assert.ok(record.state === 'done' ? isNew : /nothing was changed/.test(record.error), JSON.stringify([stage, record]));
    assert.ok(!(await readdir(agent.file('.'))).includes('tries'));
  }
});

test('of two agents on one host only the one that is asked changes', { timeout: 90000 }, async () => {
  await start({ env: { AGENT_NAME: 'one', FORCE_UNIQUE_REGISTRATION: 'true' } });
  const one = agent;
  const other = await LaunchedAgent.start(server, engine, { env: { AGENT_NAME: 'two', FORCE_UNIQUE_REGISTRATION: 'true' } });
  try {
    await eventually(async () => (await client.get('/api/hosts')).filter((h) => h.status === 'online').length === 2, { what: 'both are online' });
    host = (await client.get('/api/hosts')).find((h) => h.name === 'one' && h.status === 'online');
    assert.equal((await ended(await update())).state, 'done');
    assert.equal(await one.program(), one.file('dockmon-agent'));
    assert.equal(await other.program(), await realpath(bin('dockmon-agent')));
    assert.ok(!other.process.lines.some((l) => /self-update begins/.test(l)));
  } finally {
    await other.remove();
  }
});

test('without the launcher, or against the policy, the agent refuses and says what to do', { timeout: 60000 }, async () => {
  agent = await Agent.start(server, engine);
  await online();
  assert.match((await update({}, 409)).detail, /was not started by dockmon-agent-launch, .*update its package/);
  await agent.remove();
  await client.delete(`/api/hosts/${host.id}`);
  await start({ env: { AGENT_POLICY: 'operate' } });
  assert.match((await update({}, 403)).detail, /self_update/);
});

test('dockmon agent update prints the versions, waits, and fails with the reason', { timeout: 90000 }, async () => {
  await offerNow(variant());
  await start();
  const cli = (...args) => dockmon(server, client.key, ['agent', 'update', ...args]);
  const preview = await cli('--dry-run', host.name);
  assert.deepEqual([preview.code, preview.stdout], [0, `${host.name}: 0.1.0 -> 0.1.0\n`]);
  assert.equal((await details()).update, null);
  const done = await cli('--wait', host.name);
  assert.deepEqual([done.code, done.stdout], [0, `${host.name}: 0.1.0 -> 0.1.0\n`], done.stderr);
  await offerNow(CRASHES);
  const failed = await cli('--wait', host.name);
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /was undone: it was started three times/);
  assert.equal((await cli('--url', 'https://example.org/x', host.name)).code, 125);
  const entry = (await client.get('/api/audit?limit=20')).entries?.find((e) => e.action === 'agent_update');
  assert.ok(entry, 'the audit log has it');
});

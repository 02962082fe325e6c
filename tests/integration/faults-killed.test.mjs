// kill -9 of the agent or of the server in the middle of a command: the client receives the truth (the outcome is
// unknown), and everything recovers by itself, with the engine's state of the containers.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { Process } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
const UNKNOWN = /not known whether this was done/;

before(() => engine.ensureImage());
later(() => engine.cleanup());

async function makeWorld(on = engine) {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('admin');
  const agent = await Agent.start(server, on);
  later(() => agent.remove());
  const host = await client.onlineHost();
  return { server, client, agent, host, container: (c) => `/api/hosts/${host.id}/containers/${c.id}` };
}

// `sleep` as the first process of a container ignores SIGTERM: a stop waits for its full timeout.
async function stubborn(w, name) {
  const c = await engine.run(name);
  await w.client.container(c.name);
  return c;
}

// A command that is running and known to the agent.
async function shell(w, c) {
  const p = new Process(bin('dockmon'), ['exec', c.name, 'sh', '-c', 'echo here; sleep 1000'], {
    name: 'dockmon',
    env: { DOCKMON_URL: w.server.url, DOCKMON_API_KEY: w.client.key },
  });
  later(() => p.stop('SIGKILL'));
  await p.line(/here/);
  return p;
}

// The engine has sent the first signal and waits.
const isStopping = (c) =>
  eventually(() => engine.docker('events', '--since', '2m', '--until', '0s', '--filter', `container=${c.id}`, '--filter', 'event=kill'), {
    what: `${c.name} is being stopped`,
  });

// The list agrees with the engine, and the next command succeeds.
async function isWellAgain(w, c) {
  await w.client.onlineHost();
  await eventually(async () => (await w.client.container(c.name)).state === (await engine.state(c.id)), { what: 'the list is right' });
  await w.client.post(`${w.container(c)}/kill`).catch(() => {}); // it may have stopped meanwhile
  await w.client.delete(`${w.container(c)}?force=true`);
  assert.equal(await engine.exists(c.id), false);
  assert.equal((await w.client.get('/api/hosts')).length, 1);
}

async function outcome(promise) {
  const r = await promise;
  return { status: r.status, detail: (await r.json()).detail };
}

async function agentKilled() {
  const w = await makeWorld();
  const c = await stubborn(w, 'stop-agent');
  const many = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => stubborn(w, `bulk-agent-${i}`)));
  const stop = w.client.fetch('POST', `${w.container(c)}/stop?timeout=10`);
  const cli = dockmon(w.server, w.client.key, ['stop', '-t', '10', many[0].name]);
  const exec = await shell(w, many[1]);
  const job = await w.client.post(
    '/api/bulk',
    { action: 'stop', options: { timeout: 10 }, containers: many.slice(2).concat(c).map((x) => ({ host_id: w.host.id, container_id: x.id })) },
    { status: 202 },
  );
  await eventually(async () => (await w.client.get(`/api/bulk/${job.id}`)).items.filter((i) => i.status === 'running').length === 4);
  await Promise.all([c, many[0]].map(isStopping));
  await w.agent.down('SIGKILL');

  const told = await outcome(stop);
  assert.equal(told.status, 503);
  assert.match(told.detail, UNKNOWN);
  const said = await cli;
  assert.equal(said.code, 1);
  assert.match(said.stderr, UNKNOWN);
  assert.notEqual((await exec.exited).code, 0);
  await exec.line(/agent|connection/i);
  const ended = await eventually(async () => {
    const j = await w.client.get(`/api/bulk/${job.id}`);
    return j.status === 'failed' && j;
  }, { what: 'the job ends' });
  assert.equal(ended.error, 5);
  assert.equal(ended.items.filter((i) => UNKNOWN.test(i.error)).length, 4, JSON.stringify(ended.items));
  assert.match(ended.items[4].error, /offline/, 'a command that was not started is not in doubt');
  const { entries } = await w.client.get('/api/audit?limit=100');
  assert.ok(entries.some((e) => e.action === 'container_stop' && e.result !== 'ok'), 'the audit does not say it was done');

  await w.agent.up();
  await isWellAgain(w, c);
  for (const m of many) await isWellAgain(w, m);
}

async function serverKilled() {
  const w = await makeWorld();
  const c = await stubborn(w, 'stop-server');
  const many = await Promise.all([0, 1, 2].map((i) => stubborn(w, `bulk-server-${i}`)));
  const stop = w.client.fetch('POST', `${w.container(c)}/stop?timeout=10`).then((r) => r.status, () => 'no answer');
  const cli = dockmon(w.server, w.client.key, ['stop', '-t', '10', many[0].name]);
  const exec = await shell(w, many[1]);
  const job = await w.client.post('/api/bulk', { action: 'stop', options: { timeout: 10 }, containers: [{ host_id: w.host.id, container_id: many[2].id }] }, { status: 202 });
  await Promise.all([c, many[0], many[2]].map(isStopping));
  await w.server.down('SIGKILL');

  assert.equal(await stop, 'no answer');
  const said = await cli;
  assert.equal(said.code, 1);
  assert.match(said.stderr, UNKNOWN);
  assert.notEqual((await exec.exited).code, 0);
  await exec.line(/server|connection/i);
  // Its output has no reader any more: the agent ends it.
  await eventually(async () => !/sleep 1000/.test(await engine.docker('top', many[1].id)), { what: 'the process of the exec is ended', timeout: 60000 });

  await w.server.up();
  const gone = await w.client.fetch('GET', `/api/bulk/${job.id}`);
  assert.equal(gone.status, 404, 'jobs do not survive, and are not reported as done');
  await isWellAgain(w, c);
  for (const m of many) await isWellAgain(w, m);
}

// A log request and an inspect that the engine answers slowly.
async function readersKilled() {
  const slow = await ScriptedEngine.start();
  later(() => slow.stop());
  slow.containers = [scriptedContainer(1, { name: 'slow' })];
  const w = await makeWorld(slow);
  await w.client.container('slow');
  const path = w.container({ id: scriptedContainer(1).Id });
  let asked = 0;
  slow.misbehave = (method, p) => (/\/(logs|json)$/.test(p) && p.startsWith('/containers/0') ? () => asked++ : null);
  const calls = ['logs', 'inspect'].map((what) => outcome(w.client.fetch('GET', `${path}/${what}`)));
  await eventually(() => asked >= 1);
  await w.agent.down('SIGKILL');
  for (const told of await Promise.all(calls)) {
    assert.equal(told.status, 503);
    assert.match(told.detail, /disconnected|is not connected/); // the second: of the attempt that followed
  }
  slow.misbehave = () => null;
  await w.agent.up();
  await w.client.onlineHost();
  assert.equal((await w.client.fetch('GET', `${path}/inspect`)).status, 200);
}

test('killed in the middle of a command', { concurrency: true, timeout: 180000 }, async (t) => {
  await Promise.all([
    t.test('the agent', agentKilled),
    t.test('the server', serverKilled),
    t.test('the agent, while something is read', readersKilled),
  ]);
});

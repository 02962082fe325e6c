// The server ends while API requests wait for the database: a job that has begun is finished before the objects that it
// uses are freed, and no further job begins.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { Process } from './lib/process.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
let container;

before(async () => {
  await engine.ensureImage();
  container = await engine.run('waiting');
});
later(() => engine.cleanup());

// Starts a server with a host that has the container. The agent has ended, so that the server does not wait for it.
async function makeWorld() {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('admin');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  const host = await client.onlineHost();
  await client.container(container.name);
  await agent.down();
  return { server, client, host };
}

// Another process locks the database for 2 s: the next job that writes waits for it, and all others wait behind that job.
async function lockDatabase(server) {
  const lock = new Process('sqlite3', [join(server.dir, 'dockmon.db'), 'BEGIN IMMEDIATE', '.shell echo locked; sleep 2', 'COMMIT']);
  later(() => lock.stop('SIGKILL'));
  await lock.line(/locked/);
}

async function sendAndWait({ server, client, host }) {
  const of = `/api/hosts/${host.id}/containers/${container.id}`;
  const reads = ['/metrics', `/api/hosts/${host.id}/stats/live`, `${of}/logs?follow=true`, `${of}/inspect`];
  // The server must look these keys up; that of `client` is cached.
  const uncached = await Promise.all(reads.map(() => server.client('admin')));
  const waiting = async () => (await (await fetch(`${server.url}/health`)).json()).components.store_queue.waiting;

  await client.get('/api/hosts');
  await lockDatabase(server);
  const answers = [client.fetch('POST', '/api/agent/generate-token', { body: {} })];
  await eventually(async () => (await waiting()) >= 1);
  for (const [i, path] of reads.entries()) answers.push(uncached[i].fetch('GET', path));
  answers.push(client.fetch('DELETE', `/api/hosts/${host.id}`));
  await eventually(async () => (await waiting()) >= answers.length, { what: 'all requests wait' });
  return { ended: Promise.allSettled(answers) };
}

async function endServer(signals) {
  const w = await makeWorld();
  const { ended } = await sendAndWait(w);
  for (const signal of signals) {
    w.server.process.child.kill(signal);
    await w.server.process.line(/received, stopping/);
    await sleep(50);
  }
  assert.deepEqual(await w.server.process.exited, { code: 0, signal: null });
  assert.ok(!w.server.process.lines.some((l) => /configuration reloaded/.test(l)), 'a server that ends reads nothing again');
  await w.server.down();
  await ended;
  await w.server.up();
  assert.deepEqual(await w.client.get('/api/hosts'), [], 'the deletion was finished');
}

test('the server ends while requests wait for the database', { concurrency: true, timeout: 120000 }, async (t) => {
  const cases = [['SIGTERM'], ['SIGTERM', 'SIGTERM'], ['SIGTERM', 'SIGHUP', 'SIGTERM', 'SIGHUP']];
  await Promise.all(cases.map((signals) => t.test(signals.join(', '), () => endServer(signals))));
});

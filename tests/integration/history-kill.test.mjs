// A server that is killed at any moment keeps all acknowledged samples, and sealed chunks are intact.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Server } from './lib/dockmon.mjs';
import { containerElement } from './lib/hand-agent.mjs';
import { assertClean } from './lib/process.mjs';
import { STEP, Sampler, history, span } from './lib/sampler.mjs';
import { eventually, sleep } from './lib/wait.mjs';

const later = cleanups();
const AHEAD = 150; // batches in flight
const PER_QUESTION = 400; // steps

// One batch for each step of the last hours, which are sealed on arrival; `seq` is the number of the step.
class Past {
  static async start(server, n) {
    const p = new Past();
    p.server = server;
    p.n = n;
    p.from = Math.floor(Date.now() / STEP) * STEP - (n + 6) * STEP;
    p.client = await server.client('viewer');
    p.web = containerElement({ name: 'killed-web' });
    p.agent = await Sampler.start(server, p.client, [p.web]);
    return p;
  }

  // Keeps sending until `isEnough`.
  async send(isEnough) {
    const a = this.agent;
    await eventually(() => {
      for (; a.seq < this.n && a.seq <= a.acknowledged + AHEAD;)
        a.batch(this.from + a.seq * STEP, { [this.web.Id]: { cpu: a.seq + 1, net_rx: 1000 * a.seq } }, { uptime: 10 * a.seq }, { late: true });
      return isEnough(a.acknowledged);
    }, { timeout: 120000, interval: 10, what: 'acknowledgements' });
  }

  async kill() {
    const last = this.agent.acknowledged;
    await this.server.process.stop('SIGKILL');
    assertClean(this.server.process);
    await this.server.up();
    return Math.max(last, this.agent.acknowledged); // also the batches in flight
  }

  // The last durable batch according to the server, -1: none; the agent continues from there.
  async reconnect() {
    const a = this.agent;
    const reply = await a.reconnect(this.client);
    assert.equal(reply.type, 'auth_success');
    assert.ok(reply.samples_epoch === undefined || reply.samples_epoch === a.epoch);
    const kept = reply.samples_epoch ? (reply.samples_seq ?? 0) : -1;
    a.commands.push({ type: 'samples_ack', epoch: a.epoch, seq: kept });
    a.seq = kept + 1;
    return kept;
  }

  async assertThere(to) {
    for (let i = 0; i < to; i += PER_QUESTION) {
      const n = Math.min(PER_QUESTION, to - i);
      const r = await history(this.client, this.agent, this.web.Id, span(this.from + i * STEP, n));
      assert.deepEqual(r.cpu, Array.from({ length: n }, (_, k) => (i + k + 1) / 100), `steps from ${i} on`);
    }
  }
}

test('acknowledged samples survive a kill -9 at any moment, sealed or not', { timeout: 300000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const p = await Past.start(server, 1500);
  for (let round = 0; round < 6; round++) {
    const target = p.agent.acknowledged + 1 + 30 * round;
    await p.send((seq) => seq >= target);
    // At once, with the next ones in flight, or at some time between two writes.
    await sleep(round % 2 ? Math.random() * 1500 : 0);
    const acknowledged = await p.kill();
    const kept = await p.reconnect();
    assert.ok(kept >= acknowledged, `${acknowledged} was acknowledged, ${kept} is there`);
    await p.assertThere(kept + 1);
  }
  await p.send((seq) => seq === p.n - 1);
  await p.kill();
  await p.reconnect();
  await p.assertThere(p.n);
  const sealed = (usage) => usage.tiers.find((t) => t.step_seconds === 10).bytes > 0;
  const usage = await eventually(async () => {
    const u = await p.client.get('/api/history');
    return sealed(u) && u;
  }, { timeout: 90000, what: 'sealed chunks' });
  assert.equal(usage.damaged, 0);
  await p.agent.close();
});

test('a kill -9 loses at most the last 10 s of samples that are not sent again', { timeout: 120000 }, async () => {
  const server = await Server.start();
  later(() => server.remove());
  const client = await server.client('viewer');
  const web = containerElement({ name: 'killed-live' });
  const a = await Sampler.start(server, client, [web]);
  const from = Math.floor(Date.now() / STEP) * STEP + STEP;
  // Into the third step, 8 s of which are lost.
  for (let at = Date.now(); at < from + 2 * STEP + 8000; at = Date.now()) {
    a.batch(at, { [web.Id]: { cpu: 100 } });
    await sleep(1000);
  }
  await server.process.stop('SIGKILL');
  assertClean(server.process);
  await server.up();
  await a.reconnect(client);
  const r = await history(client, a, web.Id, span(from, 2));
  assert.deepEqual(r.cpu, [1, 1]);
  await a.close();
});

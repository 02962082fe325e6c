// A scripted agent that sends samples, and queries for the results.
import { HandAgent } from './hand-agent.mjs';
import { writeSamples } from './msgpack.mjs';

export const STEP = 10000;
export const KNOWS_SAMPLES = { capabilities: { container_operations: true, stats_collection: true, samples: true } };

export class Sampler extends HandAgent {
  // `elements` are the elements of its container lists.
  static async start(on, client, elements) {
    const a = new Sampler(on, { fields: KNOWS_SAMPLES });
    a.epoch = Date.now();
    a.seq = 0;
    a.containers = elements;
    await a.connect(await on.token());
    for (const e of elements) await client.container(e.Id);
    return a;
  }

  // After the server was stopped.
  async reconnect(client) {
    this.fields = { ...this.fields, token: this.permanentToken };
    const reply = await this.connect(this.permanentToken);
    for (const e of this.containers) await client.container(e.Id);
    return reply;
  }

  batch(at, containers, host, { late } = {}) {
    this.send(writeSamples({ epoch: this.epoch, seq: this.seq++, at, late, containers, host }));
  }

  // The newest acknowledgement; -1: none.
  get acknowledged() {
    return this.commands.reduce((seq, m) => (m.type === 'samples_ack' && m.epoch === this.epoch && m.seq > seq ? m.seq : seq), -1);
  }
}

export const history = (client, a, id, query) => client.get(`/api/hosts/${a.hostId}/containers/${id}/stats/history?${query}`);
// From a complete step 10 minutes ago: such late samples only enter the history.
export const start = () => Math.floor(Date.now() / STEP) * STEP - 60 * STEP;
export const span = (from, n) => `from=${new Date(from).toISOString()}&to=${new Date(from + n * STEP).toISOString()}&step=10`;

// An agent and a scripted server that receives its samples, with a network between them that can be cut.
import assert from 'node:assert/strict';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, temporaryDirectory } from './dockmon.mjs';
import { HandServer } from './hand-server.mjs';
import { readSamples } from './msgpack.mjs';
import { Relay } from './relay.mjs';

const ACCEPT = { type: 'auth_success', agent_id: 'agent-1', host_id: 'host-1', permanent_token: 'permanent-1' };

// The records of the files, in the format of src/agent/spool/spool_record.h.
export async function spooled(dir, name = 'spool') {
  const folder = join(dir, name);
  const names = await readdir(folder).catch(() => []);
  const records = [];
  for (const name of names.filter((n) => n.endsWith('.spool')).sort()) {
    const data = await readFile(join(folder, name)).catch(() => Buffer.alloc(0));
    for (let at = 0; at + 25 <= data.length; at += 25 + data.readUInt32LE(at))
      records.push({ epoch: Number(data.readBigUInt64LE(at + 9)), seq: Number(data.readBigUInt64LE(at + 17)) });
  }
  return records;
}

export async function folderBytes(folder) {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

// Every batch of every epoch, once, and in order: `places` are [epoch, seq].
export function assertWhole(places) {
  for (let i = 0; i < places.length; i++) {
    const [epoch, seq] = places[i];
    const before = places[i - 1];
    if (before && before[0] === epoch) assert.equal(seq, before[1] + 1, `after ${before}`);
    else assert.ok(seq === 0 && (!before || epoch > before[0]), `${epoch} ${seq} after ${before}`);
  }
}

// All batches that the server received are durable: it reports that when the agent reconnects, and acknowledges when
// the test asks.
export class SamplePair {
  // `on`: an engine; `later` receives the clean-ups; `network`: the agent is at the end of a cable (lib/netns.mjs).
  static async start({ on, later, samples = true, env = {}, prepare = () => {}, network }) {
    const p = new SamplePair();
    p.batches = [];
    p.read = 0;
    p.server = await HandServer.start({
      authorize: () => {
        p.server.sockets.forEach((ws) => ws.terminate()); // of the same agent, as our server does
        const last = p.all().at(-1);
        return {
          ...ACCEPT,
          ...(samples && { capabilities: { samples: true, event_replay: true } }),
          ...(last && { samples_epoch: last.epoch, samples_seq: last.seq }),
          events_since: p.server.events('container_event').at(-1)?.time_nano ?? 0,
        };
      },
    });
    later(() => p.server.stop());
    const url = await p.lay(network, later);
    p.dir = await temporaryDirectory();
    await prepare(p.dir);
    p.agent = await Agent.start({ url }, on, {
      dir: p.dir,
      token: 'registration-token',
      env: { STATS_INTERVAL: '1s', INSECURE_HTTP: 'true', ...env },
      wrap: p.site?.wrap,
    });
    later(() => p.agent.remove());
    await p.server.session();
    return p;
  }

  // Creates the network between the two; returns the URL of the agent's end.
  async lay(network, later) {
    const to = { host: '127.0.0.1', port: Number(new URL(this.server.url).port) };
    if (!network) {
      this.relay = await Relay.start({ to });
      later(() => this.relay.stop());
      return `http://127.0.0.1:${this.relay.port}`;
    }
    this.site = await network.site();
    const path = join('/tmp', `${this.site.name}.sock`);
    this.relay = await Relay.start({ listen: { path }, to });
    const inner = await Relay.start({ listen: { host: '0.0.0.0', port: 0 }, to: { path } }, { wrap: network.wrap });
    later(() => inner.stop());
    later(() => this.relay.stop());
    return `http://${this.site.server}:${inner.port}`;
  }

  all() {
    for (; this.read < this.server.messages.length; this.read++)
      if (this.server.messages[this.read].binary) this.batches.push(readSamples(this.server.messages[this.read].binary));
    return this.batches;
  }

  acknowledge() {
    const { epoch, seq } = this.all().at(-1);
    this.server.send({ type: 'samples_ack', epoch, seq });
  }

  // A cut that both ends notice.
  cut() {
    this.relay.set({ mode: 'drop' });
    this.relay.cut();
  }

  assertWhole() {
    assertWhole(this.all().map((b) => [b.epoch, b.seq]));
  }
}

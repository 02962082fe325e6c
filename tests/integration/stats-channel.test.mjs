// The second connection of our agent with today's servers of DockMon, on which their history gets its samples.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent } from './lib/dockmon.mjs';
import { HandServer } from './lib/hand-server.mjs';
import { ScriptedEngine, scriptedContainer } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
const WARNING = /cannot send statistics on their own channel/;
let engine;
let n = 0;

// A container whose counters grow; the host of its engine is this machine.
function busy(name, number = 1, more = {}) {
  const usage = (at) => ({ cpu_usage: { total_usage: at * 1e7 }, system_cpu_usage: at * 1e9, online_cpus: 2 });
  const stats = () => {
    n++;
    return {
      read: new Date().toISOString(), cpu_stats: usage(n), precpu_stats: usage(n - 1), pids_stats: { current: 1 },
      memory_stats: { usage: 651264 + n, limit: 25276510208, stats: { inactive_file: 0 } },
      networks: { eth0: { rx_bytes: 516 + n, tx_bytes: n } }, blkio_stats: { io_service_bytes_recursive: [] }, ...more,
    };
  };
  return { ...scriptedContainer(number, { name }), stats };
}

before(async () => {
  engine = await ScriptedEngine.start();
  engine.containers = [busy('web')];
  later(() => engine.stop());
});

async function pair(options, env = {}, on = engine) {
  const server = await HandServer.start(options);
  later(() => server.stop());
  const agent = await Agent.start(server, on, { token: 'registration', env: { STATS_SOURCE: 'api', ...env } });
  later(() => agent.remove());
  await server.session();
  return { server, agent };
}

describe('the channel', { concurrency: true }, () => {
  test('the samples of the main connection come on the channel, too, and it is dialled again after its end', { timeout: 90000 }, async () => {
    const { server, agent } = await pair({ ingest: 'open' });
    const sample = async (from) => (await eventually(() => server.samples.length > from, { timeout: 40000, what: `sample ${from + 1}` })) && server.samples[from];

    await eventually(() => server.channels.length === 1, { what: 'the channel' });
    assert.equal(server.dials[0].authorization, 'Bearer permanent-1');
    const text = await sample(0);
    const flat = JSON.parse(text);
    assert.ok(text.length <= 16384);
    assert.deepEqual(Object.keys(flat).sort(), [
      'container_id', 'container_name', 'cpu_percent', 'disk_read', 'disk_write', 'memory_limit', 'memory_percent', 'memory_usage', 'network_rx', 'network_tx', 'timestamp',
    ]);
    // The server reads them as unsigned integers, and a fraction or an exponent ends the connection.
    for (const name of ['memory_usage', 'memory_limit', 'network_rx', 'network_tx', 'disk_read', 'disk_write'])
      assert.match(text, new RegExp(`"${name}": ?\\d+[,}]`), name);
    assert.equal(flat.container_id, engine.containers[0].Id);
    const main = await server.message((m) => m.command === 'container_stats', { what: 'the sample on the main connection' });
    assert.deepEqual(main.payload, flat);

    server.channels[0].terminate();
    await eventually(() => server.channels.length === 2, { timeout: 40000, what: 'the second channel' });
    await sample(server.samples.length);
    assert.equal(server.registrations.length, 1, 'the session continues');
    assert.equal(agent.process.lines.filter((l) => WARNING.test(l)).length, 1);
  });

  test('the newest 256 samples are kept while the channel is refused, which is said once', { timeout: 90000 }, async () => {
    const many = await ScriptedEngine.start();
    later(() => many.stop());
    many.containers = Array.from({ length: 300 }, (_, i) => busy(`c-${i}`, i + 1));
    const { server, agent } = await pair({ ingest: 401 }, {}, many);
    const main = () => server.events('container_stats').map((p) => JSON.stringify(p));

    await eventually(() => server.dials.length >= 2, { timeout: 40000, what: 'a second attempt' });
    await eventually(() => main().length >= 300, { timeout: 60000, what: 'all samples on the main connection' });
    server.ingest = 'open';
    await eventually(() => server.samples.length >= 256, { timeout: 60000, what: 'the samples that were kept' });
    const kept = server.samples.slice(0, 256).map((text) => JSON.stringify(JSON.parse(text)));
    const first = main().indexOf(kept[0]);
    assert.ok(first >= 44, `${first}: the oldest ones were dropped`);
    assert.deepEqual(kept, main().slice(first, first + 256));
    assert.equal(agent.process.lines.filter((l) => WARNING.test(l)).length, 1);
  });

  test('a server without the channel is asked seldom, one that takes batches and the protocol 1.0 never', { timeout: 90000 }, async () => {
    const batches = { type: 'auth_success', agent_id: 'a', host_id: 'h', permanent_token: 'p', capabilities: { samples: true } };
    const [older, behindProxy, ours, seed] = [await pair({ ingest: 404 }), await pair({ ingest: 502 }), await pair({ ingest: 'open', authorize: () => batches }), await pair({ ingest: 'open' }, { PROTO_VERSION: '1.0' })];

    await older.server.message((m) => m.command === 'container_stats', { timeout: 40000, what: 'a sample' });
    await behindProxy.server.message((m) => m.command === 'container_stats', { timeout: 40000, what: 'a sample' });
    assert.deepEqual([older, behindProxy, ours, seed].map((p) => p.server.dials.length), [1, 1, 0, 0]);
    for (const { agent } of [older, behindProxy]) assert.ok(!agent.process.lines.some((l) => WARNING.test(l)));
  });

  test('no sample is longer than 16,384 bytes or has a number that ends the connection', { timeout: 90000 }, async () => {
    const odd = await ScriptedEngine.start();
    later(() => odd.stop());
    odd.containers = [
      busy('x'.repeat(255), 1),
      busy('negative', 2, { memory_stats: { usage: 100, limit: -1, stats: { inactive_file: 5000 } }, networks: { eth0: { rx_bytes: -5, tx_bytes: -6 } } }),
      busy('fractions', 3, { memory_stats: { usage: 1.5, limit: 2.5e9 + 0.5, stats: {} }, networks: { eth0: { rx_bytes: 7.5, tx_bytes: 1e300 } } }),
      busy('plain', 4),
    ];
    const { server } = await pair({ ingest: 'open' }, {}, odd);
    const names = () => server.samples.map((text) => JSON.parse(text).container_name.replace('/', ''));

    await eventually(() => ['x'.repeat(255), 'negative', 'fractions', 'plain'].every((name) => names().filter((x) => x === name).length > 1), { timeout: 60000, what: 'two samples of each container' });
    for (const text of server.samples) {
      assert.ok(Buffer.byteLength(text) <= 16384, `${text.length} bytes`);
      for (const name of ['memory_usage', 'memory_limit', 'network_rx', 'network_tx', 'disk_read', 'disk_write']) assert.match(text, new RegExp(`"${name}": ?\\d{1,19}[,}]`), name);
    }
    assert.equal(server.channels.length, 1, 'the connection continues');
  });
});

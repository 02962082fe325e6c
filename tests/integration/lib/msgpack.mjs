// Reads MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), written for the tests, so that our C code is not on
// both ends. Integers beyond 2^53 lose digits, which no test needs.
export function unpack(buffer) {
  let at = 0;
  const number = (name, size) => {
    const v = Number(buffer[name](at));
    at += size;
    return v;
  };
  const u8 = () => number('readUInt8', 1);
  const u16 = () => number('readUInt16BE', 2);
  const u32 = () => number('readUInt32BE', 4);
  const bytes = (n) => {
    if (at + n > buffer.length) throw new Error('cut off');
    at += n;
    return buffer.subarray(at - n, at);
  };
  const text = (n) => bytes(n).toString('utf8');
  const list = (n) => Array.from({ length: n }, value);
  const map = (n) => Object.fromEntries(Array.from({ length: n }, () => [value(), value()]));
  const long = {
    0xc0: () => null, 0xc2: () => false, 0xc3: () => true,
    0xc4: () => bytes(u8()), 0xc5: () => bytes(u16()), 0xc6: () => bytes(u32()),
    0xca: () => number('readFloatBE', 4), 0xcb: () => number('readDoubleBE', 8),
    0xcc: u8, 0xcd: u16, 0xce: u32, 0xcf: () => number('readBigUInt64BE', 8),
    0xd0: () => number('readInt8', 1), 0xd1: () => number('readInt16BE', 2),
    0xd2: () => number('readInt32BE', 4), 0xd3: () => number('readBigInt64BE', 8),
    0xd9: () => text(u8()), 0xda: () => text(u16()), 0xdb: () => text(u32()),
    0xdc: () => list(u16()), 0xdd: () => list(u32()), 0xde: () => map(u16()), 0xdf: () => map(u32()),
  };
  function value() {
    const b = u8();
    if (b < 0x80) return b;
    if (b < 0x90) return map(b & 15);
    if (b < 0xa0) return list(b & 15);
    if (b < 0xc0) return text(b & 31);
    if (b >= 0xe0) return b - 256;
    if (!long[b]) throw new Error(`byte ${b.toString(16)} is no MessagePack we use`);
    return long[b]();
  }
  const v = value();
  if (at !== buffer.length) throw new Error('something follows the message');
  return v;
}

// The order of docs/protocol.md, "Samples".
const CONTAINER = [
  'cpu', 'cpu_time', 'cpu_periods', 'cpu_throttled', 'cpu_throttled_time', 'mem_used', 'mem_limit', 'mem_anon', 'mem_file',
  'mem_kernel', 'pids', 'net_rx', 'net_tx', 'blk_read', 'blk_write', 'oom_kills', 'psi_cpu_some', 'psi_cpu_full',
  'psi_mem_some', 'psi_mem_full', 'psi_io_some', 'psi_io_full', 'restarts', 'started_at',
];
const HOST = [
  'cpu', 'cpus', 'load_1', 'load_5', 'load_15', 'mem_total', 'mem_used', 'swap_total', 'swap_used', 'net_rx', 'net_tx', 'uptime',
  'containers', 'containers_running',
];
const named = (names, values) => Object.fromEntries(names.map((name, i) => [name, values[i] ?? null]));

// A batch with names instead of positions: { at, seq, host, source, containers: { id: {...} } }.
export function readSamples(buffer) {
  const m = unpack(buffer);
  return {
    ...m,
    host: m.host && {
      ...named(HOST, m.host.values),
      mounts: m.host.mounts.map((v) => named(['path', 'device', 'type', 'size', 'used', 'available', 'read', 'written'], v)),
      temperatures: m.host.temperatures,
    },
    containers: Object.fromEntries(
      m.containers.map(([id, name, ...values]) => [id.toString('hex'), { name, ...named(CONTAINER, values) }]),
    ),
  };
}

// Writes the types that we need: null, integers, text, bytes, arrays and maps.
export function pack(value) {
  const parts = [];
  const head = (byte, name, size, v) => {
    const b = Buffer.alloc(1 + size);
    b[0] = byte;
    if (size) b[name](v, 1);
    parts.push(b);
  };
  const put = (v) => {
    if (v === null || v === undefined) head(0xc0, '', 0);
    else if (typeof v === 'number') head(0xd3, 'writeBigInt64BE', 8, BigInt(v));
    else if (Buffer.isBuffer(v)) {
      head(0xc6, 'writeUInt32BE', 4, v.length);
      parts.push(v);
    } else if (typeof v === 'string') {
      head(0xdb, 'writeUInt32BE', 4, Buffer.byteLength(v));
      parts.push(Buffer.from(v));
    } else if (Array.isArray(v)) {
      head(0xdd, 'writeUInt32BE', 4, v.length);
      v.forEach(put);
    } else {
      const entries = Object.entries(v);
      head(0xdf, 'writeUInt32BE', 4, entries.length);
      for (const [key, e] of entries) {
        put(key);
        put(e);
      }
    }
  };
  put(value);
  return Buffer.concat(parts);
}

// The opposite of readSamples(): { epoch, seq, at, host: {cpu, ...}, containers: { id: { name, cpu, ... } } }.
export function writeSamples({ epoch, seq, at, late, host, containers = {} }) {
  return pack({
    type: 'samples',
    epoch,
    seq,
    at,
    ...(late && { late: 1 }),
    ...(host && { host: { values: HOST.map((name) => host[name] ?? null), mounts: [], temperatures: [] } }),
    containers: Object.entries(containers).map(([id, { name, ...values }]) => [
      Buffer.from(id, 'hex'), name ?? '', ...CONTAINER.map((metric) => values[metric] ?? null),
    ]),
  });
}

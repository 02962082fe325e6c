// Requests that are made from docs/api/openapi.json by chance: valid ones, values at their limits and beyond, of another
// type, missing, repeated and unknown. The same seed makes the same requests: an object that the server names, such as a
// host, is a reference ("@host0") in them, which lib/api-fuzz.mjs fills in.
import { resolve } from './openapi.mjs';

const CALLERS = ['admin', 'admin', 'admin', 'admin', 'session', 'operator', 'viewer', 'none'];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const ODD_TEXTS = [
  '', ' ', '.', '..', '-x', 'ü', 'a b', 'a/b', '\u0000', 'a\u0000b', '\r\nX: y', '\ud83d\udca5', '%', '%00', "'; --", '<b>', '$(x)', '0',
  '-1', 'null', 'NaN', '1e9', '99999999999999999999', 'a'.repeat(256), 'ü'.repeat(600), '@', ':', ',', '=', '\u202e',
];
const ODD_SEGMENTS = ['.', '..', '%00', '%2F', '%2e%2e', '%zz', '%ff', '-x', '%20', '%C3%BC', '', 'x'.repeat(300), '~', ':', '@', '%25', '*', "'"];
// JSON text in place of a member's value.
const ODD_JSON = ['123456789012345678901234567890', '-1', '0', '1.5', '1e999', 'null', 'true', '""', '"\\u0000"', '"\\ud800"', '[]', '{}', '[[]]', '"x"', '{"a":1}', '[null]', '9223372036854775807', '-9223372036854775809'];
const ODD_BODIES = ['', '{', '[1]', '"text"', 'null', '{}{}', '{"a":1,"a":2}', '\u0000', '[['.repeat(200), '{"a":'.repeat(100), '\ufeff{}', '{"x":"\\ud800"}', 'a=b'];
// Values of path parameters by name; users begin at 2 because user 1 owns the session.
const SEGMENTS = {
  host: ['@host0', '@host0', '@host1', 'fuzzed', 'none'],
  container: ['@container0', '@container1', '@container2', 'c-1', 'none'],
  agent: ['@agent0', '@agent1', 'none'],
  source: ['@host0', '@host1', 'none'],
  user: ['2', '3', '4', '9999'],
  key: ['1', '5', '6', '7', '9999'],
  session: ['0123456789abcdef', 'none'],
  job: ['@job', '@batch', 'none'],
  image: ['nginx:1.27', 'sha256:aaaaaaaaaaaa', 'a/b/c:d', 'none'],
  network: ['bridge', 'shop', 'none'],
  volume: ['data', 'none'],
  event: ['1', '2', '9999'],
};

// A small generator of pseudo-random numbers (mulberry32): it must be the same on every machine.
export class Chance {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  below(n) {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }

  of(list) {
    return list[this.below(list.length)];
  }

  is(percent) {
    return this.below(100) < percent;
  }
}

const letters = (chance, n) => Array.from({ length: n }, () => chance.of('abcdefghijklmnopqrstuvwxyz0123456789')).join('');

function text(chance, schema) {
  if (schema.examples) return chance.of(schema.examples);
  const [min, max] = [schema.minLength ?? 0, schema.maxLength ?? 40];
  const sizes = [min, max, Math.min(max, min + chance.below(12))].filter((n) => n <= 5000);
  const made = letters(chance, chance.of(sizes));
  const isFit = (s) => !schema.pattern || new RegExp(schema.pattern, 'u').test(s);
  return [made, `h:${made}`, letters(chance, Math.max(1, min))].find(isFit) ?? made;
}

const wrong = (chance) => ({ odd: chance.of(ODD_JSON) });

// A value for the schema; `spoil` is the chance in percent of each part to be another one.
function value(api, chance, schema, spoil, depth = 0) {
  const s = resolve(api.doc, schema);
  if (chance.is(spoil)) return wrong(chance);
  const type = chance.of([s.type ?? 'string'].flat());
  if (s.enum) return chance.of(s.enum);
  switch (type) {
    case 'null': return null;
    case 'boolean': return chance.is(50);
    case 'integer':
    case 'number': return integer(chance, s, spoil);
    case 'array': {
      const n = chance.of([s.minItems ?? 0, 1, 2, chance.is(spoil) ? Math.min((s.maxItems ?? 8) + 1, 200) : 1]);
      return Array.from({ length: n }, () => value(api, chance, s.items ?? {}, spoil, depth + 1));
    }
    case 'object': {
      const o = {};
      for (const [name, p] of Object.entries(s.properties ?? {}))
        if (chance.is((s.required ?? []).includes(name) ? 100 - spoil : 50)) o[name] = value(api, chance, p, spoil, depth + 1);
      if (chance.is(spoil)) o[chance.of(['unknown', '', 'a b'])] = wrong(chance);
      return o;
    }
    default: return chance.is(spoil) ? (s.maxLength < 5000 ? 'x'.repeat(s.maxLength + 1) : chance.of(ODD_TEXTS)) : text(chance, s);
  }
}

function integer(chance, s, spoil) {
  const [min, max] = [s.minimum ?? 0, s.maximum ?? 1000];
  if (chance.is(spoil)) return chance.of([min - 1, max + 1, 2 ** 31, 2 ** 53]);
  return chance.of([min, max, min + chance.below(Math.min(max - min, 1e6) + 1)]);
}

// Writes JSON; a value { odd: TEXT } is the text itself, because some are no values of JavaScript.
function write(v) {
  if (v && typeof v === 'object' && 'odd' in v) return v.odd;
  if (Array.isArray(v)) return `[${v.map(write).join()}]`;
  if (v && typeof v === 'object') return `{${Object.entries(v).map(([k, m]) => `${JSON.stringify(k)}:${write(m)}`).join()}}`;
  return JSON.stringify(v);
}

function body(api, chance, o, spoil) {
  const media = o.requestBody?.content['application/json'];
  if (!media) return o['x-max-body'] && chance.is(10) ? chance.of(ODD_BODIES) : undefined;
  if (chance.is(spoil)) return chance.of([...ODD_BODIES, undefined]);
  if (chance.is(2)) return JSON.stringify({ x: 'x'.repeat(Math.min(o['x-max-body'], 100000)) });
  if (!spoil && chance.is(30)) return JSON.stringify(media.example);
  return write(value(api, chance, media.schema, spoil));
}

function query(api, chance, o, spoil) {
  const parts = [];
  for (const { name, schema, required } of api.parameters(o).filter((p) => p.in === 'query')) {
    if (!chance.is(required ? 95 : 35)) continue;
    const s = resolve(api.doc, schema);
    for (let n = chance.is(5) ? 2 : 1; n > 0; n--) {
      const v = chance.is(spoil) ? chance.of(ODD_TEXTS) : [value(api, chance, s, 0)].flat()[0] ?? '';
      parts.push(`${name}=${encodeURIComponent(v)}`);
    }
  }
  if (chance.is(spoil)) parts.push(chance.of(['unknown=1', '=', '&', '%', 'limit', 'a=%zz', 'x'.repeat(3000)]));
  return parts.length ? `?${parts.join('&')}` : '';
}

function path(chance, o, spoil) {
  return o.path.replace(/{(\w+)}/g, (_, name) => (chance.is(spoil) ? chance.of(ODD_SEGMENTS) : chance.of(SEGMENTS[name] ?? ['none', '1', 'x'])));
}

// The endless sequence of requests: { id, caller, method, path, headers, body }.
export function* requests(api, seed) {
  const chance = new Chance(seed);

  for (;;) {
    const o = chance.of(api.operations);
    const spoil = chance.of([0, 0, 5, 15, 40]);
    const isUsual = chance.is(95);
    const headers = chance.is(5) ? { accept: chance.of(['text/csv', 'text/event-stream', '*/*', 'x']) } : {};
    yield {
      id: o.operationId,
      caller: o.operationId === 'changePassword' ? 'admin' : chance.of(CALLERS),
      method: isUsual ? o.method : chance.of(METHODS),
      path: path(chance, o, spoil) + query(api, chance, o, spoil) + (chance.is(spoil / 5) ? '/' : ''),
      headers,
      body: body(api, chance, o, spoil),
    };
  }
}

// The requests that clients of DockMon make, from tests/compat/*.json, against a real server, agent and engine. Each
// file is one client; tests/compat/README.md has the form.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const PASSWORD = 'correct horse battery';
const folder = new URL('../compat/', import.meta.url);
const world = theWorld({ role: 'operator' });
const { engine } = world;
let callers;
const values = {};

const types = {
  any: () => true,
  array: Array.isArray,
  bool: (v) => typeof v === 'boolean',
  int: Number.isInteger,
  null: (v) => v === null,
  number: (v) => typeof v === 'number',
  object: (v) => v !== null && typeof v === 'object' && !Array.isArray(v),
  seconds: (v) => Number.isInteger(v) && v > 1e9 && v < 1e10,
  string: (v) => typeof v === 'string',
};
const fits = (v, type) => (types[type] ? types[type](v) : type.startsWith('/') ? new RegExp(type.slice(1, -1)).test(v) : v === type.replace(/^=/, ''));

function check(v, shape, where) {
  if (Array.isArray(shape)) {
    assert.ok(Array.isArray(v), `${where} is a list: ${JSON.stringify(v)}`);
    v.forEach((x, i) => check(x, shape[0], `${where}[${i}]`));
  } else if (typeof shape === 'object' && shape !== null) {
    assert.ok(types.object(v), `${where} is an object: ${JSON.stringify(v)}`);
    for (const [name, inner] of Object.entries(shape)) check(v[name], inner, `${where}.${name}`);
  } else if (typeof shape === 'string') {
    const alternatives = shape.startsWith('/') ? [shape] : shape.split('|');
    assert.ok(alternatives.some((type) => fits(v, type)), `${where} is ${shape}: ${JSON.stringify(v)}`);
  } else {
    assert.deepEqual(v, shape, where);
  }
}

const fill = (text) => text.replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
const fillBody = (body) => (body === undefined ? undefined : JSON.parse(fill(JSON.stringify(body))));

async function play(request) {
  const path = fill(request.path) + (request.query ? `?${fill(request.query)}` : '');
  const r = await callers[request.as].fetch(request.method, path, { body: fillBody(request.body) });
  const text = await r.text();
  const what = `${request.method} ${path}`;

  assert.equal(r.status, request.status ?? 200, `${what}: ${text.slice(0, 300)}`);
  for (const [name, pattern] of Object.entries(request.headers ?? {})) assert.match(r.headers.get(name) ?? '', new RegExp(pattern), `${what}: ${name}`);
  if (request.text) assert.match(text, new RegExp(request.text), what);
  if (request.answer !== undefined) check(JSON.parse(text), request.answer, what);
  for (const [name, member] of Object.entries(request.save ?? {})) values[name] = JSON.parse(text)[member];
}

before(async () => {
  await eventually(() => world.host, { timeout: 60000, what: 'the world' }); // hooks of a file run side by side
  const c = await world.listed('compat', 'while sleep 1; do echo tick; done', ['-l', 'dockmon.tag=lab']);
  const admin = await world.server.adminSession(PASSWORD);
  const key = await world.server.client('admin');

  callers = { session: admin, key, operator: world.client, nobody: new world.client.constructor(world.server) };
  Object.assign(values, { host: world.host.id, c: c.id.slice(0, 12), full: c.id, name: c.name, password: PASSWORD });
  await world.client.post(`/api/hosts/${values.host}/containers/${values.c}/restart?timeout=0`);
  await eventually(async () => {
    const { events } = await world.client.get('/api/events');
    values.event = events.find((e) => e.container_id === values.c)?.id;
    return values.event;
  });
});

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const client = JSON.parse(readFileSync(new URL(file, folder), 'utf8'));
  test(`the requests of ${client.client}`, async (t) => {
    for (const r of client.requests) await t.test(`${r.method} ${r.path}`, () => play({ as: client.as, ...r }));
  });
}

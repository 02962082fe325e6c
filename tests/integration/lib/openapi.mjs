// Checks real answers against docs/api/openapi.json: it must list the status, and the body must match
// its schema, without members that the schema does not name.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { ROOT } from './dockmon.mjs';

const ID = 'openapi.json';

// The file allows additional members; the test does not.
function close(node) {
  if (Array.isArray(node)) return node.map(close);
  if (!node || typeof node !== 'object') return node;
  const copy = Object.fromEntries(Object.entries(node).map(([k, v]) => [k, close(v)]));
  if (node.properties && node.type === 'object' && !('additionalProperties' in node)) copy.additionalProperties = false;
  return copy;
}

// Only the name of an image has slashes.
function pathPattern(path) {
  const pattern = path.replaceAll('.', '\\.').replaceAll('{image}', '.+').replace(/{\w+}/g, '[^/]+');
  return new RegExp(`^${pattern}$`);
}

// The schema itself, also of a reference.
export const resolve = (doc, schema) => (schema.$ref ? resolve(doc, doc.components.schemas[schema.$ref.split('/').pop()]) : schema);

// The value of a query parameter; text that is none of the type stays text.
function fromText(type, text) {
  if (type === 'integer' && /^\d+$/.test(text)) return Number(text);
  return type === 'boolean' && /^(true|false)$/.test(text) ? text === 'true' : text;
}

export class OpenApi {
  static async load() {
    const api = new OpenApi();
    api.text = await readFile(join(ROOT, 'docs/api/openapi.json'), 'utf8');
    api.doc = JSON.parse(api.text);
    api.ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(api.ajv);
    api.ajv.addSchema({ $id: ID, ...close(api.doc) });
    api.open = new Ajv2020({ strict: false }); // for requests, whose unknown members are ignored
    addFormats.default(api.open);
    api.open.addSchema({ $id: ID, ...api.doc });
    api.operations = [];
    for (const [path, item] of Object.entries(api.doc.paths))
      for (const [method, o] of Object.entries(item)) api.operations.push({ ...o, path, method: method.toUpperCase() });
    api.matchers = [...api.operations]
      .sort((a, b) => a.path.split('{').length - b.path.split('{').length)
      .map((o) => ({ o, pattern: pathPattern(o.path) }));
    api.seen = new Set();
    return api;
  }

  operation(id) {
    const o = this.operations.find((x) => x.operationId === id);
    assert.ok(o, `no operation ${id} in docs/api/openapi.json`);
    return o;
  }

  parameters(o) {
    return (o.parameters ?? []).map((p) => (p.$ref ? this.doc.components.parameters[p.$ref.split('/').pop()] : p));
  }

  // The path with its parameters filled in from `values`.
  url(o, values = {}, query = '') {
    const path = o.path.replace(/{(\w+)}/g, (_, name) => {
      assert.ok(name in values, `${o.operationId}: what is {${name}}?`);
      return encodeURIComponent(values[name]);
    });
    return path + (query ? `?${query}` : '');
  }

  // The first part of a request's query or body that the file does not allow, or null. An empty parameter is an absent one.
  spoiltPart(o, path, body) {
    const given = new URLSearchParams(path.split('?')[1] ?? '');
    for (const p of this.parameters(o).filter((x) => x.in === 'query')) {
      const [value] = given.getAll(p.name);
      if (/^with follow/.test(p.description) && given.get('follow') !== 'true') continue;
      if (!value) {
        if (p.required) return p.name;
        continue;
      }
      if (!this.fits(p.schema, p.schema.type === 'array' ? given.getAll(p.name).filter((v) => v) : fromText(p.schema.type, value))) return p.name;
    }
    const media = o.requestBody?.content['application/json'];
    if (!media) return null;
    if (!body) return media.schema.required ? 'body' : null;
    try {
      // A number that no double holds is null for the server.
      return this.fits(media.schema, JSON.parse(body, (_, v) => (typeof v === 'number' && !Number.isFinite(v) ? null : v))) ? null : 'body';
    } catch {
      return 'body';
    }
  }

  fits(schema, value) {
    this.validators ??= new Map();
    if (!this.validators.has(schema)) this.validators.set(schema, this.open.compile({ ...schema, components: this.doc.components }));
    return this.validators.get(schema)(value);
  }

  // The operation of a request, or undefined: literal paths before those with parameters. A slash at the end is ignored,
  // except for WebSockets.
  find(method, path) {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const [given] = path.split('?');
    const plain = given.replace(/(.)\/$/, '$1');
    return this.matchers.find((m) => m.o.method === wanted && m.pattern.test(m.o['x-websocket'] ? given : plain))?.o;
  }

  // Checks an answer against the file: status, content type, schema. `text` is null when the body is not read.
  check(o, { status, type, text }) {
    const what = `${o.method} ${o.path}: ${status} ${text?.slice(0, 2000)}`;
    const answer = o.responses[status];
    assert.ok(answer, `status ${status} is not in docs/api/openapi.json. ${what}`);
    const { content } = answer.$ref ? this.doc.components.responses[answer.$ref.split('/').pop()] : answer;
    const media = type?.split(';')[0];
    assert.ok(content ? media in content : !text, `content type ${type} is not in docs/api/openapi.json. ${what}`);
    if (text === null || media !== 'application/json' || !content[media].schema) return null;
    const pointer = answer.$ref
      ? `${answer.$ref}/content/application~1json/schema`
      : `#/paths/${o.path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${o.method.toLowerCase()}/responses/${status}/content/application~1json/schema`;
    const json = JSON.parse(text);
    const validate = this.ajv.getSchema(ID + pointer);
    assert.ok(validate, pointer);
    assert.ok(validate(json), `${this.ajv.errorsText(validate.errors)}\n${what}`);
    return json;
  }

  // Sends a request and checks the answer against the file. Returns the parsed body.
  async call(client, id, { values, query, body, status = 200 } = {}) {
    const o = this.operation(id);
    const r = await client.fetch(o.method, this.url(o, values, query), { body });
    const text = await r.text();

    assert.equal(r.status, status, `${o.method} ${o.path}: ${r.status} ${text.slice(0, 2000)}`);
    assert.match(r.headers.get('content-type') ?? '', /^application\/json/, `${o.method} ${o.path}: ${text}`);
    const json = this.check(o, { status: r.status, type: r.headers.get('content-type'), text });
    this.seen.add(`${id} ${r.status}`);
    return json;
  }
}

let loaded;

// Checks an answer that a test has received, if the file describes its path. Other paths must be refused, or be files.
export async function checkAnswer(method, path, r) {
  loaded ??= OpenApi.load();
  const api = await loaded;
  const o = api.find(method, path);
  const type = r.headers.get('content-type');
  if (!o) {
    assert.ok(!/^\/api\//.test(path) || !r.ok, `${method} ${path}: ${r.status}, but docs/api/openapi.json has no such operation`);
    return;
  }
  const isRead = method !== 'HEAD' && /^application\/json/.test(type ?? '');
  api.check(o, { status: r.status, type, text: isRead ? await r.clone().text() : null });
}

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

export class OpenApi {
  static async load() {
    const api = new OpenApi();
    api.text = await readFile(join(ROOT, 'docs/api/openapi.json'), 'utf8');
    api.doc = JSON.parse(api.text);
    api.ajv = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(api.ajv);
    api.ajv.addSchema({ $id: ID, ...close(api.doc) });
    api.operations = [];
    for (const [path, item] of Object.entries(api.doc.paths))
      for (const [method, o] of Object.entries(item)) api.operations.push({ ...o, path, method: method.toUpperCase() });
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

  // Sends a request and checks the answer against the file. Returns the parsed body.
  async call(client, id, { values, query, body, status = 200 } = {}) {
    const o = this.operation(id);
    const r = await client.fetch(o.method, this.url(o, values, query), { body });
    const text = await r.text();
    const what = `${o.method} ${o.path}: ${r.status} ${text.slice(0, 2000)}`;

    assert.equal(r.status, status, what);
    const [key, answer] = Object.entries(o.responses).find(([k]) => k === String(r.status)) ?? [];
    assert.ok(answer, `status ${r.status} is not in docs/api/openapi.json. ${what}`);
    assert.match(r.headers.get('content-type') ?? '', /^application\/json/, what);
    const pointer = answer.$ref
      ? `${answer.$ref}/content/application~1json/schema`
      : `#/paths/${o.path.replaceAll('~', '~0').replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}/${o.method.toLowerCase()}/responses/${key}/content/application~1json/schema`;
    const json = JSON.parse(text);
    const validate = this.ajv.getSchema(ID + pointer);
    assert.ok(validate, pointer);
    assert.ok(validate(json), `${this.ajv.errorsText(validate.errors)}\n${what}`);
    this.seen.add(`${id} ${r.status}`);
    return json;
  }
}

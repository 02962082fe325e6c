// Requests made by chance from docs/api/openapi.json: each answer is one that the document describes. script/fuzz-api sends
// more of them.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { ApiFuzz } from './lib/api-fuzz.mjs';
import { requests } from './lib/api-requests.mjs';
import { cleanups } from './lib/cleanup.mjs';

const SEED = 11;
const later = cleanups();
let fuzz;

before(async () => {
  fuzz = await ApiFuzz.start();
  later(() => fuzz.remove());
});

function first(seed, n) {
  const made = requests(fuzz.api, seed);
  return Array.from({ length: n }, () => made.next().value);
}

test('the same seed makes the same requests', () => {
  assert.deepEqual(first(SEED, 500), first(SEED, 500));
  assert.notDeepEqual(first(SEED, 20), first(SEED + 1, 20));
});

test('500 requests have answers that the document describes', async () => {
  const findings = await fuzz.run(SEED, 500);
  assert.equal(findings.length, 0, findings.join('\n'));
  for (const status of [200, 400, 401, 403, 404, 405, 422]) assert.ok(fuzz.counts.get(status) > 0, `no answer had the status ${status}`);
});

test('requests that were findings have answers that the document describes', async () => {
  const json = (id, method, path, body) => ({ caller: 'admin', id, method, path, headers: {}, body: JSON.stringify(body) });
  const settings = ['add-tags', 'remove-tags', 'set-auto-restart', 'set-desired-state'];
  const params = [undefined, null, {}, { tags: [7] }, { tags: null }, { enabled: null }, { desired_state: 'up' }, { desired_state: null }, { tags: ['a'], enabled: true, desired_state: 'on_demand' }];
  const tags = (members) => json('changeContainerTags', 'PATCH', '/api/hosts/@host0/containers/c-1/tags', members);
  const history = (query) => ({ caller: 'admin', id: 'getHostHistory', method: 'GET', path: `/api/hosts/@host0/stats/history?range=8h&${query}`, headers: {} });
  const all = [
    ...settings.flatMap((action) => params.map((p) => [json('createBatch', 'POST', '/api/batch', { scope: 'container', action, ids: ['h:c'], params: p }), p?.tags?.[0] === 'a' ? 201 : 422])),
    [json('createBatch', 'POST', '/api/batch', { scope: 'container', action: 'check-updates', ids: ['h:c'] }), 201],
    [tags({ tags_to_add: ['x'], tags_to_remove: null, container_name: 'c' }), 200],
    [tags({ tags_to_add: ['x'], 'a b': {} }), 422],
    ...['from=aaa', 'to=aaa', 'since=aaa'].map((query) => [history(query), 422]),
    [history('from=1769860800&to=1'), 200],
  ];
  for (const [q, status] of all) {
    const r = await fuzz.send(q);
    assert.equal(r.status, status, `${q.path} ${q.body}: ${r.text}`);
    fuzz.check(q, r);
  }
});

test('an answer that the document does not describe is a finding', () => {
  const q = { method: 'GET', path: '/api/hosts' };
  const answer = (status, text, headers = {}) => ({ status, text, type: 'application/json', headers });
  const error = '{"detail":"x","code":"x"}';

  fuzz.check(q, answer(200, '[]'));
  fuzz.check(q, answer(401, error, { 'www-authenticate': 'Bearer' }));
  for (const [status, text] of [[200, '{}'], [200, '[{"id":"x"}]'], [204, ''], [401, error], [405, error], [429, error], [500, error], [503, error], [418, error]])
    assert.throws(() => fuzz.check(q, answer(status, text)), `${status} ${text}`);
  assert.throws(() => fuzz.check({ method: 'GET', path: '/api/unknown' }, answer(200, '{}')));
});

test('a limit that the document and the server do not share is a finding', () => {
  const o = fuzz.api.operation('createVolume');
  const check = (body, status, detail = 'x') => fuzz.checkRequest(o, { path: o.path, body }, { status, text: JSON.stringify({ detail }) });

  check('{"name":"a"}', 200);
  check('{"name":7}', 422);
  check('{"name":"a\\u0000"}', 422, '`name` contains a NUL character');
  assert.throws(() => check('{"name":7}', 200), /takes what the document forbids: body/);
  assert.throws(() => check('{"name":"a"}', 422), /refuses what the document allows/);
  const list = fuzz.api.operation('listEvents');
  for (const query of ['limit=0', 'since=x', 'hours=a']) assert.throws(() => fuzz.checkRequest(list, { path: `/api/events?${query}` }, { status: 200 }), query);
});

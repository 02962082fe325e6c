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

// Completion in real shells: verbs, options, values, and names from the server.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Server, bin, dockmon, temporaryDirectory } from './lib/dockmon.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { run } from './lib/process.mjs';
import { Typist } from './lib/typist.mjs';

const IMAGE = { id: '0123456789ab', tags: ['registry:5000/shop/web:1.2'], size: 1, created: '2026-01-01T00:00:00Z', in_use: true, container_count: 0, containers: [], dangling: false };
const later = cleanups();
let server, client, env;

// The candidates, without their descriptions.
const candidates = async (words, more = {}) => {
  const r = await dockmon(server, client.key, ['__complete', ...words], { env: more });
  assert.deepEqual([r.code, r.stderr], [0, '']);
  return r.stdout.split('\n').filter(Boolean).map((line) => line.split('\t')[0]);
};

before(async () => {
  server = await Server.start();
  later(() => server.remove());
  client = await server.client('admin');
  env = { DOCKMON_URL: server.url, DOCKMON_API_KEY: client.key, PATH: `${dirname(bin('dockmon'))}:${process.env.PATH}` };
  for (const [hostname, names] of [
    ['prod-1', { web: 'running', database: 'exited', 'batch$(touch${IFS}x)': 'running' }],
    ['prod-2', { web: 'running', queue: 'paused' }],
  ]) {
    const a = new HandAgent(server, { hostname });
    a.containers = Object.entries(names).map(([name, state]) => containerElement({ name, state }));
    const { onNamedCommand } = a;
    a.onNamedCommand = function answer(message) {
      const reply = { type: 'response', id: message.id, timestamp: new Date().toISOString() };
      if (message.command === 'list_images') this.send({ ...reply, payload: [IMAGE] });
      else onNamedCommand.call(this, message);
    };
    await a.connect(await server.token());
    later(() => a.close());
  }
  await client.container('queue');
  await client.container('database');
});

test('candidates for each kind of word', async () => {
  const cases = [
    [['sto'], ['stop']],
    [['network', ''], ['ls', 'create', 'rm', 'prune']],
    [['image', ''], ['ls', 'rm', 'prune']],
    [['help', 'ver'], ['version']],
    [['nonsense', ''], []],
    [['stop', '--t'], ['--time']],
    [['stop', '-t', ''], []],
    [['user', 'create', '--role', ''], ['viewer', 'operator', 'admin']],
    [['user', 'create', '-r=o'], []],
    [['user', 'create', '--role=o'], ['--role=operator']],
    [['login', '--ca-file', ''], [':files']],
    [['stop', ''], ['prod-1/web', 'prod-2/web', 'queue']],
    [['kill', 'que'], ['queue']],
    [['pause', ''], ['prod-1/web', 'prod-2/web']],
    [['agent', 'revoke', ''], ['prod-1', 'prod-2']],
    [['host', 'tag', 'prod-1'], ['prod-1']],
    [['ps', '--filter', 'he'], ['health=']],
    [['ps', '--filter', 'status=r'], ['status=running', 'status=restarting', 'status=removing']],
    [['ps', '--filter=health=u'], ['--filter=health=unhealthy']],
    [['images', '-f', 'dang'], ['dangling=']],
    [['events', '--filter', 'sev'], ['severity=']],
    [['stats', '--sort', 'n'], ['net', 'name']],
    [['start', ''], ['database']],
    [['unpause', ''], ['queue']],
    [['logs', 'prod-1/'], ['prod-1/database', 'prod-1/web']],
    [['logs', '-f', 'database', 'que'], ['queue']],
    [['logs', 'prod'], ['prod-1/web', 'prod-2/web', 'prod-1/', 'prod-2/']],
    [['container', 'stop', 'prod-2/w'], ['prod-2/web']],
    [['rename', 'queue', ''], []],
    [['exec', '-it', 'prod-1/web', ''], []],
    [['exec', '-it', 'prod-1/web', '--'], []],
    [['rmi', ''], ['registry:5000/shop/web:1.2']],
    [['rmi', '--host', 'pr'], ['prod-1', 'prod-2']],
    [['images', '--host', ''], ['prod-1', 'prod-2', 'all']],
    [['apikey', 'rm', client.key.slice(0, 3)], []],
    [['user', 'rm', ''], ['admin']],
    [['hosts', ''], []],
    [['rm', '--', '--'], []],
    [['completion', 'z'], ['zsh']],
  ];
  for (const [words, wanted] of cases) {
    const found = await candidates(words);
    assert.deepEqual([...new Set(found)].sort(), [...wanted].sort(), JSON.stringify(words));
  }
});

test('nothing is printed without a server, or with an invalid address or key', async () => {
  for (const url of ['http://127.0.0.1:1', 'http://127.0.0.1:1/\u0001', 'ftp://x'])
    assert.deepEqual(await candidates(['stop', ''], { DOCKMON_URL: url }), []);
  assert.deepEqual(await candidates(['stop', ''], { DOCKMON_API_KEY: 'wrong' }), []);
  assert.deepEqual(await candidates(['sto'], { DOCKMON_URL: 'http://127.0.0.1:1' }), ['stop']);
});

test('every verb of --help is offered, with every option of its --help', async () => {
  const help = (await dockmon(server, client.key, ['--help'])).stdout;
  const verbs = [...help.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}[A-Z]/gm)].map((m) => m[1].split(' '));
  assert.ok(verbs.length > 30, help);
  for (const words of verbs) {
    const first = await candidates([words[0].slice(0, -1)]);
    assert.ok(first.includes(words[0]), `${words[0]} among ${first}`);
    if (words.length > 1) assert.ok((await candidates([words[0], ''])).includes(words[1]), words.join(' '));
    const options = [...(await dockmon(server, client.key, [...words, '--help'])).stdout.matchAll(/^ {2}(?:-\w,| {3}) (--[\w-]+)/gm)].map((m) => m[1]);
    assert.deepEqual(await candidates([...words, '-']).then((x) => x.filter((o) => o !== '--help')), options.filter((o) => o !== '--help'), words.join(' '));
  }
});

for (const shell of ['bash', 'zsh', 'fish']) {
  test(`${shell}: the script is clean`, async () => {
    const script = (await dockmon(server, client.key, ['completion', shell])).stdout;
    const dir = await temporaryDirectory();
    await writeFile(join(dir, 'script'), script);
    const r = await run(shell, ['-n', join(dir, 'script')]);
    await rm(dir, { recursive: true });
    assert.deepEqual([r.code, r.stderr], [0, '']);
  });

  test(`${shell}: TAB completes`, async () => {
    const t = await Typist.start(shell, env);
    try {
      const cases = [
        ['dockmon comple', 'dockmon completion'],
        ['dockmon volume cre', 'dockmon volume create'],
        ['dockmon ps --no', 'dockmon ps --no-trunc'],
        ['dockmon user create --role=op', 'dockmon user create --role=operator'],
        ['dockmon user create -r ad', 'dockmon user create -r admin'],
        ['dockmon start dat', 'dockmon start database'],
        ['dockmon stop prod-2/w', 'dockmon stop prod-2/web'],
        ['dockmon logs --tail 5 prod-1/da', 'dockmon logs --tail 5 prod-1/database'],
        ['dockmon rmi regi', 'dockmon rmi registry:5000/shop/web:1.2'],
        ['dockmon rmi registry:5000/sh', 'dockmon rmi registry:5000/shop/web:1.2'],
        ['dockmon login --ca-file /etc/hostn', 'dockmon login --ca-file /etc/hostname'],
      ];
      for (const [typed, wanted] of cases) assert.equal(await t.complete(typed), wanted);
      await t.list('dockmon logs prod-', /prod-1\/web[^]*prod-2\/web|prod-2\/web[^]*prod-1\/web/);
    } finally {
      await t.stop();
    }
  });
}

// The CLI against a malicious or foreign server: its answers cannot move the cursor, crash or hang the program, or pass for
// a success.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { bin, dockmon } from './lib/dockmon.mjs';
import { Process, assertClean, run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const EVIL = 'a\x1b[2J\x1b]0;t\x07b\rc\nd\u202ee\u009bf';
const SAFE = 'a\\x1b[2J\\x1b]0;t\\x07b\\x0dc\\x0ad\\u202ee\\x9bf';
const ID = 'ab'.repeat(32);
const HOST = { id: 'h1', name: 'prod-1', status: 'online', container_count: 1, agent: { version: EVIL, policy: EVIL, stats: { containers: EVIL, network: EVIL, why: EVIL, notes: [EVIL, null] } } };
const CONTAINER = { id: ID, name: 'web', state: 'running', status_text: 'Up', host_id: 'h1', host_name: 'prod-1', image: 'i', command: 'c', created: '2026-01-01T00:00:00Z', labels: {}, ports_raw: [] };

// Answers requests from `rest` by path (a value, or a function of the request); `socket` handles WebSockets.
class MaliciousServer {
  static async start() {
    const s = new MaliciousServer();
    s.good();
    s.http = createServer(async (req, res) => {
      const path = req.url.split('?')[0];
      const found = Object.entries(s.rest).find(([p]) => new RegExp(`^${p}$`).test(path));
      const body = found ? (typeof found[1] === 'function' ? found[1](req) : found[1]) : s.fallback;
      s.asked.push(`${req.method} ${req.url}`);
      req.resume();
      res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    s.wss = new WebSocketServer({ server: s.http });
    s.wss.on('connection', (ws, req) => {
      s.sockets.push(ws);
      ws.on('error', () => {});
      s.socket(ws, req);
    });
    s.http.listen(0, '127.0.0.1');
    await once(s.http, 'listening');
    s.url = `http://127.0.0.1:${s.http.address().port}`;
    return s;
  }

  good() {
    this.asked = [];
    this.sockets = [];
    this.rest = { '/api/hosts': [HOST], '/api/containers': [CONTAINER] };
    this.fallback = {};
    this.socket = (ws) => ws.close(1011, 'x');
  }

  stop() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

let s, home;

before(async () => {
  s = await MaliciousServer.start();
  home = await mkdtemp(join(tmpdir(), 'dockmon-malicious-'));
});

after(async () => {
  s.stop();
  await rm(home, { recursive: true, force: true });
});

const cli = (args, options = {}) => dockmon(s, 'key', args, { ...options, env: { HOME: home, XDG_CONFIG_HOME: '', ...options.env } });
const clean = (text) => assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
const env = { DOCKMON_API_KEY: 'key', SHELL: '/bin/sh', TERM: 'xterm', DOCKMON: bin('dockmon') };
// In a terminal of its own, made by script(1).
const inTerminal = (script, input) => run('script', ['-qec', script, '/dev/null'], { env: { ...env, DOCKMON_URL: s.url }, input });

test('text of the server is escaped before it reaches the terminal', async () => {
  s.good();
  const evil = { ...CONTAINER, name: EVIL, host_name: EVIL, image: EVIL, command: EVIL, status_text: EVIL, state: 'running', created: EVIL, ports_raw: [{ IP: EVIL, PrivatePort: 1, PublicPort: 2, Type: EVIL }] };
  const host = { ...HOST, name: EVIL, os_version: EVIL, docker_version: EVIL, host_ip: EVIL };
  const point = { unit: EVIL, values: [1, null, 2], max: [1, null, 3] };
  s.rest = {
    '/api/hosts': [host],
    '/api/containers': [evil],
    '/api/events': { events: [{ timestamp: EVIL, category: EVIL, event_type: EVIL, host_name: EVIL, container_name: EVIL, container_id: EVIL, message: EVIL }], has_more: false },
    '/api/agent/list': { agents: [{ agent_id: EVIL, host_name: EVIL, status: EVIL, version: EVIL, registered_at: EVIL, last_seen_at: EVIL }] },
    '/api/agent/generate-token': { token: EVIL, fingerprint: EVIL, expires_at: EVIL },
    '/api/hosts/h1/images': [{ id: EVIL, tags: [`${EVIL}:${EVIL}`], created: EVIL, size: 1 }],
    '/api/hosts/h1/networks': [{ id: EVIL, name: EVIL, driver: EVIL, scope: EVIL, subnets: [EVIL] }],
    '/api/hosts/h1/volumes': [{ name: EVIL, driver: EVIL, mountpoint: EVIL }],
    '/api/v2/users': { users: [{ username: EVIL, role: EVIL, scope: [EVIL], created_at: EVIL }] },
    '/api/v2/api-keys': [{ name: EVIL, role: EVIL, scope: [EVIL], prefix: EVIL, created_at: EVIL }],
    '/health': { version: EVIL },
    '.*/stats/history': { from_iso: EVIL, to_iso: EVIL, step_seconds: 10, timestamps: [1, 2, 3], metrics: { [EVIL]: point }, marks: [{ at: EVIL, kind: EVIL, text: EVIL }] },
    '.*/logs': { logs: [{ timestamp: EVIL, log: 'plain' }] },
  };
  s.socket = (ws, req) => {
    if (req.url.startsWith('/ws/logs')) ws.send(JSON.stringify({ type: 'ended', id: 0, status: 1, message: EVIL }));
    else ws.on('message', () => ws.send(JSON.stringify({ type: 'state', timestamp: new Date().toISOString(), complete: true, part: 0, last: true, hosts: [host], containers: [evil], stats: [], host_stats: [] })));
  };
  for (const args of [
    ['ps'], ['ps', '-q'], ['hosts'], ['hosts', '--wide'], ['events'], ['agent', 'ls'], ['agent', 'ls', '--wide'], ['agent', 'ls', '-q'], ['token', 'create'], ['images'], ['network', 'ls'],
    ['volume', 'ls'], ['user', 'ls'], ['apikey', 'ls'], ['apikey', 'ls', '-w'], ['version'], ['history', 'h1'], ['history', ID], ['logs', '-t', ID], ['logs', '-f', ID], ['stats', '--no-stream'], ['stats', '--hosts', '--no-stream'],
  ]) {
    const r = await cli(args);
    clean(r.stdout);
    clean(r.stderr);
    assert.ok((r.stdout + r.stderr).includes('a\\x1b') || args[1] === '-q' || args.includes('-t'), `${args}: ${r.stdout}${r.stderr}`);
  }
  assert.match((await cli(['ps'])).stdout, new RegExp(SAFE.replaceAll(/[\\[\]]/g, '\\$&')));
  const csv = (await cli(['history', 'h1', '--csv'])).stdout;
  clean(csv.replaceAll('\r\n', '\n'));
});

test('the tables of a real site fit a terminal of 80 columns; --wide shows the rest', async () => {
  s.good();
  const ago = (minutes) => new Date(Date.now() - minutes * 60000).toISOString();
  const uuid = '7f0c7a51-3c55-4d1e-9d2a-0b6f6b7c8d9e';
  const policy = 'observe,start,stop';
  const hosts = [
    { ...HOST, id: uuid, name: 'web-frontend-03.fra1', status: 'online', error: 'cannot read', container_count: 120, running_count: 117, os_version: 'Debian GNU/Linux 12 (bookworm)', docker_version: '20.10.24+dfsg1', host_ip: '192.168.178.121', agent: { version: '1.10.2', policy, stats: { containers: 'cgroup2', network: 'netlink', why: 'because', notes: [] } } },
    { ...HOST, id: '1', name: 'old-server', container_count: 4, docker_version: '27.5.1' },
  ];
  s.rest = {
    '/api/hosts': hosts,
    '/api/agent/list': { agents: [{ agent_id: uuid, host_id: uuid, host_name: 'web-frontend-03.fra1', status: 'offline', version: '1.10.2', registered_at: ago(99999), last_seen_at: ago(3), capabilities: { token_rotate: true } }] },
    '/api/v2/api-keys': [
      { id: 117, name: 'dockmon CLI on web-frontend-03', prefix: 'dockmon_aB3dE', role: 'operator', created_at: ago(99), last_used_at: ago(3), expires_at: ago(-99999), allowed_ips: '10.0.0.0/8', scope: ['tag=production'] },
      { id: 8, name: 'never', prefix: 'dockmon_aB3dF', role: 'viewer', created_at: ago(99), last_used_at: null, expires_at: null, allowed_ips: null, scope: [] },
    ],
    '/api/v2/auth/sessions': { sessions: [{ id: '0f1e2d3c4b5a6978', username: 'administrator', peer: '192.168.178.121', created_at: ago(3), expires_at: ago(-1440), is_current: true }] },
    '/api/v2/users': { users: [{ username: 'administrator', role: 'operator', last_login: ago(3), must_change_password: true, scope: [] }] },
  };
  const tables = [
    [['hosts'], /^7f0c7a51-3c5 +web-frontend-03\.fra1 +error +117\/120 +20\.10\.24\+dfsg1$/m, [policy, 'bookworm', '192.168.178.121', 'cgroup2, netlink', 'because', '1.10.2', 'cannot read']],
    [['agent', 'ls'], /^7f0c7a51-3c5 +web-frontend-03\.fra1 +offline +1\.10\.2 +3 minutes ago$/m, ['yes', '2 months ago']],
    [['apikey', 'ls'], /^117 +dockmon CLI on web-frontend-03 +operator +3 minutes ago$/m, ['dockmon_aB3dE', '10.0.0.0/8', 'tag=production', ago(-99999).slice(0, 10)]],
    [['session', 'ls'], /^0f1e2d3c4b5a6978 +administrator +192\.168\.178\.121 +3 minutes ago +this one$/m, [ago(-1440).slice(0, 10)]],
    [['user', 'ls'], /^administrator +operator +3 minutes ago/m],
  ];
  for (const [args, row, more] of tables) {
    const { code, stdout, stderr } = await cli(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, row);
    for (const line of stdout.split('\n')) assert.ok([...line].length < 80, `${args}: ${line.length} columns: ${line}`);
    if (!more) continue;
    const wide = (await cli([...args, '--wide'])).stdout;
    for (const text of more) assert.ok(wide.includes(text) && !stdout.includes(text), `${args}: ${text}: ${wide}`);
  }
  assert.match((await cli(['hosts'])).stdout, /^1 +old-server +online +4 +27\.5\.1$/m, 'a server that does not count running containers');
  assert.match((await cli(['apikey', 'ls'])).stdout, /^8 +never +viewer +never$/m);
});

test('extreme numbers, and names that need quotes in CSV', async () => {
  s.good();
  const values = [1e308, -1e308, null, 1e308, 9007199254740993];
  s.rest['.*/stats/history'] = {
    from_iso: 'x', to_iso: 'y', step_seconds: 2 ** 62, timestamps: [9e18, -9e18, 1, null, 2],
    metrics: { a: { unit: 'bytes_per_second', values, max: values }, 'b,"c"': { unit: 'bytes', values }, d: { unit: 'percent', values: 'none' }, e: null },
  };
  const table = await cli(['history', 'web']);
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /^a +0B\/s +\S+ +9\.22EB\/s/m);
  const csv = await cli(['history', 'web', '--csv']);
  assert.equal(csv.code, 0, csv.stderr);
  assert.equal(csv.stdout.split('\r\n')[0], 'time,a_per_second,a_max,"b,""c""",d,e');
  assert.match(csv.stdout, /\r\n1970-01-01T00:00:02\.000Z,9007199254740992,9007199254740992,9007199254740992,,\r\n$/);
});

test('answers of an unexpected shape end the program without a crash', { timeout: 240000 }, async () => {
  const verbs = [
    ['ps'], ['hosts', '-w'], ['events'], ['events', '--since', '1h', '--filter', 'host=x'], ['images'], ['network', 'ls'], ['volume', 'ls'], ['user', 'ls'], ['apikey', 'ls'], ['agent', 'ls'],
    ['agent', 'rotate', '--all'], ['agent', 'revoke', 'prod-1'], ['version'], ['version', '--json'], ['token', 'create'], ['inspect', 'web'], ['logs', 'web'], ['logs', '-f', 'web'], ['history', 'web'],
    ['history', 'prod-1', '--csv'], ['start', 'web'], ['stop', ...Array(30).fill('web')], ['rename', 'web', 'x'], ['rm', 'web'], ['rmi', 'i'], ['network', 'rm', 'n'], ['network', 'create', 'n'],
    ['volume', 'rm', 'v'], ['volume', 'create', 'v'], ['image', 'prune', '-f'], ['stats', '--no-stream'], ['stats', '--no-stream', 'web'], ['exec', 'web', 'true'],
    ['user', 'create', '--password-stdin', 'x'], ['user', 'rm', 'x'], ['apikey', 'create', 'x'], ['apikey', 'rm', 'x'], ['login', '--api-key-stdin', '-u', 'x'],
    ['__complete', 'rmi', ''], ['__complete', 'logs', ''], ['__complete', 'ps', '--filter', ''],
  ];
  const shapes = [null, 'text', 7, [], {}, [null, 1, 'x', [], {}], [{ id: 1, name: [], tags: [null, 5], state: {}, labels: 'x', ports_raw: [null, 1], created: 5 }]];
  for (const withLists of [true, false]) {
    for (const shape of shapes) {
      s.good();
      if (!withLists) s.rest = {};
      s.fallback = shape;
      s.socket = (ws) => {
        ws.send(JSON.stringify(shape));
        for (const type of ['state', 'update', 'lines', 'mark', 'ended', 'exit', 'error'])
          ws.send(JSON.stringify({ type, id: shape, hosts: shape, containers: shape, stats: shape, removed: shape, removed_hosts: shape, lines: shape, cursors: shape, code: shape, message: shape, last: true }));
        ws.close(1008, 'enough');
      };
      const one = async (args) => {
        const r = await cli(args, { input: 'secret-secret\n' });
        assert.ok(r.signal === null && (args[0] === 'exec' || [0, 1, 125].includes(r.code)), `${args} and ${JSON.stringify(shape)}: ${r.code} ${r.signal} ${r.stderr.slice(0, 4000)}`);
      };
      for (let i = 0; i < verbs.length; i += 6) await Promise.all(verbs.slice(i, i + 6).map(one));
    }
  }
});

test('a bulk job with more or fewer results than containers', async () => {
  for (const n of [0, 19, 21, 3000]) {
    s.good();
    s.rest['/api/bulk'] = { id: 'j' };
    s.rest['/api/bulk/j'] = { status: 'completed', items: Array.from({ length: n }, () => ({ status: 'success' })) };
    const r = await cli(['start', ...Array(20).fill('web')]);
    assert.equal(r.stdout, 'web\n'.repeat(Math.min(n, 20)));
    assert.equal(r.code, n < 20 ? 1 : 0);
    if (n < 20) assert.match(r.stderr, /^Error: web: .*answer/m);
  }
});

// Runs `stats` in a terminal; `left` is the text after the program left its alternate screen.
async function statsInTerminal() {
  const r = await inTerminal('stty cols 80 rows 24; before=$(stty -g); $DOCKMON stats; echo code $?; [ "$before" = "$(stty -g)" ] && echo the same');
  return { code: /code (\d+)/.exec(r.stdout)[1], left: r.stdout.split('\x1b[?1049l')[1] };
}

test('the error that ends `stats` is printed after its screen is closed', async () => {
  s.good();
  s.socket = (ws) => ws.on('message', () => ws.send(JSON.stringify({ type: 'error', error: 'too_many', message: 'not so many' })));
  let r = await statsInTerminal();
  assert.equal(r.code, '1');
  assert.match(r.left, /Error: not so many/);
  assert.match(r.left, /the same/, 'the terminal is restored');
  s.socket = (ws) => ws.close(1008, 'Invalid or expired session');
  r = await statsInTerminal();
  assert.match(r.left, /Error: Invalid or expired session; log in with `dockmon login`/);
});

test('an unreachable server is named in the error, with advice', async () => {
  s.good();
  const tls = s.url.replace('http:', 'https:');
  for (const [url, says] of [
    ['http://127.0.0.1:9', /cannot talk to the DockMon server at http:\/\/127\.0\.0\.1:9: .*refused; is it running\? `dockmon login` or DOCKMON_URL chooses another/],
    ['https://nosuch.invalid', /cannot talk to the DockMon server at https:\/\/nosuch\.invalid: resolve nosuch\.invalid:443/],
    [tls, /cannot talk to the DockMon server at https:.*TLS.*; does it speak http:\/\/ there, without TLS\?/],
  ]) {
    for (const args of [['stats'], ['stats', '--no-stream'], ['ps'], ['logs', '-f', 'web'], ['exec', 'web', 'id']]) {
      const r = await cli(args, { env: { DOCKMON_URL: url } });
      assert.match(r.stderr, says, args.join(' '));
      assert.equal(r.code, 1);
    }
  }
});

test('an API key with a line end cannot add a header', async () => {
  s.good();
  for (const key of ['a\r\nX-Evil: 1', 'a b', 'a\n', 'k\u00e4y']) {
    for (const args of [['ps'], ['stats']]) {
      const r = await cli(args, { env: { DOCKMON_API_KEY: key } });
      assert.equal(r.code, 1);
      assert.match(r.stderr, /^Error: DOCKMON_API_KEY: it contains a blank, a line end or another character that no key has$/m);
    }
  }
  assert.deepEqual(s.asked, []);
});

test('no command prints the help, an unknown command is an error', async () => {
  for (const args of [[], ['help'], ['--help'], ['-h']]) {
    const r = await cli(args);
    assert.deepEqual([r.code, r.stderr], [0, ''], `${args}`);
    assert.match(r.stdout, /^Usage: {2}dockmon COMMAND\n/);
  }
  const r = await cli(['pss']);
  assert.deepEqual([r.code, r.stderr], [1, 'Error: unknown command: pss; see `dockmon --help`\n']);
});

const execTo = (handler) => {
  s.good();
  s.socket = (ws) => {
    ws.started = [];
    ws.on('message', (d, isBinary) => !isBinary && ws.started.push(JSON.parse(d)));
    handler(ws);
  };
};

test('exec: an invalid exit code is a failure', async () => {
  for (const [code, expected] of [[0, 0], [42, 42], [255, 255], [256, 125], [-1, 125], [2 ** 32, 125], [null, 125], ['0', 125], [undefined, 125]]) {
    execTo((ws) => {
      ws.send(JSON.stringify({ type: 'exit', code }));
      ws.close(1000);
    });
    assert.equal((await cli(['exec', 'web', 'true'])).code, expected, `${code}`);
  }
});

test('exec: words that cannot be sent are refused, not omitted', async () => {
  for (const words of ['web rm -r "$BAD"', '-e "A=$BAD" web true', '-u "$BAD" web id', '-w "$BAD" web pwd']) {
    execTo(() => {});
    const r = await run('sh', ['-c', `BAD=$(printf '\\377x'); exec $DOCKMON exec ${words}`], { env: { ...env, DOCKMON_URL: s.url } });
    assert.equal(r.code, 1, words);
    assert.match(r.stderr, /\\xffx" is not UTF-8/);
    assert.equal(s.sockets.length, 0, 'nothing was started');
  }
});

test('exec: a closed pipe ends it with 141, as it ends docker', async () => {
  execTo((ws) => {
    const pour = setInterval(() => ws.bufferedAmount < 1 << 20 && ws.send(Buffer.concat([Buffer.from([1]), Buffer.alloc(1000, 'y')])), 1);
    ws.on('close', () => clearInterval(pour));
  });
  const r = await run('sh', ['-c', '{ timeout 30 $DOCKMON exec web yes; echo code $? >&2; } | head -c 10'], { env: { ...env, DOCKMON_URL: s.url } });
  assert.equal(r.stdout, 'yyyyyyyyyy');
  assert.equal(r.stderr, 'code 141\n');
  await eventually(() => s.sockets[0].readyState === 3, { what: 'the server sees the connection close' });
});

test('an ambiguous agent is refused', async () => {
  s.good();
  const agent = (id, name) => ({ agent_id: id, host_id: `host-of-${id}`, host_name: name, status: 'online' });
  s.rest['/api/agent/list'] = { agents: [agent('aaaa1', 'twin'), agent('aaaa2', 'twin'), agent('twin-id', 'other')] };
  for (const [word, asked] of [['twin', null], ['aaaa', null], ['aaa', null], ['aaaa2', 'aaaa2'], ['other', 'twin-id'], ['host-of-aaaa1', 'aaaa1'], ['twin-', 'twin-id']]) {
    s.asked = [];
    const r = await cli(['agent', 'revoke', word]);
    assert.deepEqual(s.asked.filter((a) => a.startsWith('POST')), asked ? [`POST /api/agent/${asked}/revoke`] : [], word);
    assert.equal(r.code, asked ? 0 : 1);
    if (word === 'twin') assert.match(r.stderr, /^Error: twin is ambiguous: 2 agents match/m);
  }
});

test('history of a host by the beginning of its id, which `dockmon hosts` shows', async () => {
  s.good();
  s.rest['/api/hosts'] = [{ ...HOST, id: '0123456789abcdef', name: 'long' }, { ...HOST, id: '0123ffff', name: 'offline', status: 'offline' }];
  s.rest['.*/stats/history'] = { timestamps: [], metrics: {} };
  for (const [word, path] of [['0123456789ab', '/api/hosts/0123456789abcdef/stats'], ['offline', '/api/hosts/0123ffff/stats'], ['web', `/api/hosts/h1/containers/${ID}/stats`], ['0123', null], ['nobody', null]]) {
    s.asked = [];
    const r = await cli(['history', word]);
    const got = s.asked.find((a) => a.includes('/stats/'));
    assert.ok(path ? got?.startsWith(`GET ${path}/history?`) : !got, `${word}: ${got}`);
    assert.equal(r.code, path ? 0 : 1);
    if (word === 'nobody') assert.match(r.stderr, /nobody: not found, but host offline is offline/);
    if (word === '0123') assert.match(r.stderr, /0123 is ambiguous: 2 hosts match/);
  }
});

test('history: the query, and the values computed from the answer', async () => {
  s.good();
  s.rest['.*/stats/history'] = { from_iso: 'f', to_iso: 't', step_seconds: 10, timestamps: [0, 10], metrics: { cpu: { unit: 'percent', values: [1, 2], max: [5, 9] }, load: { unit: 'percent', values: [1, 2], max: [null, 7] }, net_rx: { unit: 'bytes_per_second', values: [1000, 3000] } } };
  const asked = async (...args) => {
    s.asked = [];
    const r = await cli(['history', 'web', ...args]);
    assert.equal(r.code, 0, r.stderr);
    return { out: r.stdout, query: new URLSearchParams(s.asked.find((a) => a.includes('/stats/')).split('?')[1]) };
  };
  const { out, query } = await asked();
  assert.match(out, /^cpu +1\.00% +1\.50% +9\.00% +2\.00% /m); // the highest sample, not the highest mean
  assert.match(out, /^load +1\.00% +1\.50% +7\.00% +2\.00% /m); // one peak is enough
  assert.match(out, /^net_rx +1kB\/s +2kB\/s +3kB\/s +3kB\/s /m);
  assert.deepEqual([...query.keys()], ['metrics', 'from']);
  assert.equal(query.get('metrics'), 'cpu,mem_used,net_rx,net_tx');
  assert.ok(Math.abs(Date.now() - 3600000 - Date.parse(query.get('from'))) < 600000, query.get('from'));
  const more = (await asked('--since', '2026-01-01', '--until', '2026-01-02T03:00', '--step', '5m', '-m', 'a&b')).query;
  assert.deepEqual(Object.fromEntries(more), { metrics: 'a&b', step: '5m', from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T03:00:00.000Z' });
});

test('history in a narrow terminal and without UTF-8', async () => {
  s.good();
  s.rest['.*/stats/history'] = { from_iso: 'f', to_iso: 't', step_seconds: 10, timestamps: [0, 10], metrics: { mem_used: { unit: 'bytes', values: [1048576, 2097152] } } };
  const wide = async (cols) => {
    const r = await inTerminal(`stty cols ${cols} rows 24; LC_ALL=C.UTF-8 $DOCKMON history web`);
    return r.stdout.replaceAll('\r', '').trimEnd().split('\n').slice(1);
  };
  assert.deepEqual(await wide(40), ['METRIC     LAST      GRAPH', 'mem_used   2MiB      ▅█']);
  assert.match((await wide(72))[0], /^METRIC +MEAN +MAX +LAST +GRAPH$/);
  assert.match((await wide(120))[0], /^METRIC +MIN +MEAN +MAX +LAST +GRAPH$/);
  for (const [locale, isUtf8] of [[{ LC_ALL: 'C' }, false], [{ LC_ALL: '', LC_CTYPE: '', LANG: 'POSIX' }, false], [{ LC_ALL: '', LC_CTYPE: 'en_US.utf8', LANG: 'C' }, true], [{ LC_ALL: '', LC_CTYPE: '', LANG: '' }, true]]) {
    const r = await cli(['history', 'web'], { env: locale });
    assert.equal(/[▁-█]/.test(r.stdout), isUtf8, JSON.stringify(locale));
  }
});

test('stats subscribes to the rows it shows and unsubscribes from removed ones', async () => {
  s.good();
  const second = { ...CONTAINER, id: 'cd'.repeat(32), name: 'db' };
  const asked = [];
  const say = (ws, more) => ws.send(JSON.stringify({ type: 'update', timestamp: new Date().toISOString(), ...more }));
  s.socket = (ws) => ws.on('message', (d) => {
    const m = JSON.parse(d);
    asked.push(m);
    if (m.topics.includes('containers')) say(ws, { type: 'state', complete: true, part: 0, last: true, hosts: [HOST], containers: [CONTAINER, second] });
    else if (m.type === 'subscribe') say(ws, { removed: [{ host_id: 'h1', id: second.id }] });
  });
  const p = new Process(bin('dockmon'), ['stats', '--json'], { env: { ...env, DOCKMON_URL: s.url } });
  await eventually(() => asked.some((m) => m.type === 'unsubscribe'), { what: 'unsubscribe' });
  assert.deepEqual(asked.map((m) => [m.type, m.topics.sort()]).slice(0, 3), [
    ['subscribe', ['containers', 'hosts']], ['subscribe', ['stats/h1/abababababab', 'stats/h1/cdcdcdcdcdcd']], ['unsubscribe', ['stats/h1/cdcdcdcdcdcd']],
  ]);
  assert.equal((await p.stop()).code, 0);
  assertClean(p);
});

test('a client that is killed while it reconnects ends without a sanitizer report', async () => {
  s.good();
  s.socket = (ws) => ws.on('message', () => ws.send(JSON.stringify({ type: 'state', timestamp: new Date().toISOString(), complete: true, part: 0, last: true, hosts: [HOST], containers: [CONTAINER] })));
  const p = new Process(bin('dockmon'), ['stats'], { env: { ...env, DOCKMON_URL: s.url } });
  await p.line(/web/);
  s.sockets[0].close(1001, 'away');
  await p.line(/trying again/);
  assert.deepEqual(await p.stop('SIGTERM'), { code: 0, signal: null });
  assertClean(p);
});

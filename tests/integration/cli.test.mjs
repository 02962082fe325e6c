// The command line compared with the docker CLI on the same engine: same names, same flags, same output.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Agent, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { HandAgent, containerElement } from './lib/hand-agent.mjs';
import { Process, run } from './lib/process.mjs';
import { ScriptedEngine, scriptedContainer, scriptedId } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
let server, agent, host, keys, home;

before(async () => {
  await engine.ensureImage();
  home = await mkdtemp(join(tmpdir(), 'dockmon-home-'));
  server = await Server.start();
  keys = { viewer: await server.client('viewer'), admin: await server.client('admin') };
  agent = await Agent.start(server, engine);
  host = await keys.viewer.onlineHost();
});

after(async () => {
  await agent?.remove();
  await server?.remove();
  await engine.cleanup();
  await rm(home, { recursive: true });
});

const cli = (...args) => dockmon(server, keys.admin.key, args, { env: { HOME: home, XDG_CONFIG_HOME: '' } });
const listed = (c) => eventually(async () => (await keys.viewer.container(c.id)).state === 'running');

async function succeeds(...args) {
  const r = await cli(...args);
  assert.equal(r.code, 0, `dockmon ${args.join(' ')}: ${r.stderr}${r.stdout}`);
  assert.doesNotMatch(r.stdout + r.stderr, /\x1b/, 'no colours in a pipe');
  return r.stdout;
}

test('ps has the columns and the rows of docker ps', async () => {
  const c = await engine.run('ps', { args: ['--label', 'ps=1'] });
  await listed(c);
  const ours = (await succeeds('ps', '--no-trunc')).trimEnd().split('\n');
  const header = ours[0].trim().split(/ {2,}/);

  assert.deepEqual(header, ['CONTAINER ID', 'HOST', 'IMAGE', 'COMMAND', 'CREATED', 'STATUS', 'PORTS', 'NAMES']);
  const row = ours.find((l) => l.startsWith(c.id));
  assert.ok(row, ours.join('\n'));
  const [id, hostName, image, command, , status] = row.split(/ {2,}/);
  const theirs = (await engine.docker('ps', '--no-trunc', '--filter', `id=${c.id}`, '--format', '{{.ID}}|{{.Image}}|{{.Command}}|{{.Status}}')).split('|');
  assert.equal(id, theirs[0]);
  assert.equal(hostName, host.name);
  assert.equal(image, theirs[1]);
  assert.equal(command, theirs[2]);
  assert.match(status, /^Up /);
});

test('logs -f ends behind the log of a stopped container that the list still has as running', async () => {
  const stale = await ScriptedEngine.start();
  stale.info.ID = 'stale-engine';
  stale.containers = [scriptedContainer(1, { name: 'just-ended', inspect: { State: { Status: 'exited', Running: false } } })];
  stale.misbehave = (method, path) => (path.endsWith('/logs') ? (res) => res.writeHead(200).end() : null);
  const other = await Agent.start(server, stale, { env: { AGENT_NAME: 'stale-host' } });
  try {
    const c = await eventually(() => keys.viewer.container(scriptedId(1)));
    assert.equal(c.state, 'running', 'the list of the server');
    assert.equal(await succeeds('logs', '-f', 'just-ended'), '');
  } finally {
    await other.remove();
    await stale.stop();
  }
});

test('ps formats unusual containers as docker ps does', async () => {
  const odd = await ScriptedEngine.start();
  odd.containers = [
    // docker also lists the names given by links; the API has only the container's own.
    { Names: ['/linked/alias', '/own-name'], Command: 'sh -c "echo a  b"' },
    { Command: 'x'.repeat(100), Image: 'registry.example:5000/team/image:tag' },
    { Image: `sha256:${'a'.repeat(64)}` },
    { Image: `nginx@sha256:${'b'.repeat(64)}` },
    { Image: `registry.example:5000/nginx:1.27@sha256:${'b'.repeat(64)}` },
    { Status: 'Up 3 weeks (Paused)', State: 'paused' },
    {
      Ports: [
        ...[82, 80, 81].map((n) => ({ IP: '127.0.0.1', PrivatePort: n, PublicPort: n, Type: 'tcp' })),
        { IP: '0.0.0.0', PrivatePort: 443, PublicPort: 8443, Type: 'tcp' },
        { PrivatePort: 53, Type: 'udp' },
        { PrivatePort: 54, Type: 'udp' },
      ],
    },
  ].map((more, n) => scriptedContainer(n + 1, more));
  for (const c of odd.containers) {
    // ps computes the uptime itself; a real engine's text and start agree.
    const hours = c.Status.startsWith('Up 3 weeks') ? 22 * 24 : 2;
    c.inspect = { State: { Status: c.State, Running: true, StartedAt: new Date(Date.now() - hours * 3_600_000).toISOString() } };
  }
  const other = await Agent.start(server, odd, { env: { AGENT_NAME: 'odd-host' } });
  try {
    for (const c of odd.containers) await keys.viewer.container(c.Id);
    for (const flags of [['-a'], ['-a', '--no-trunc']]) {
      const ours = (await succeeds('ps', ...flags)).trimEnd().split('\n').filter((l) => / odd-host +/.test(l));
      const theirs = (await run('docker', ['ps', ...flags, '--format', '{{.ID}}|{{.Image}}|{{.Command}}|{{.Status}}|{{.Ports}}|{{.Names}}'], { env: odd.env })).stdout.trim().split('\n');
      assert.equal(ours.length, theirs.length);
      for (const row of theirs.map((r) => r.replace('linked/alias,', ''))) {
        const line = ours.find((l) => l.startsWith(row.split('|')[0]));
        for (const cell of row.split('|')) assert.ok(` ${line} `.includes(cell && ` ${cell} `), `${line}\nlacks ${cell}`);
      }
    }
  } finally {
    await other.remove();
    await odd.stop();
  }
});

test('ps -q, -a and filters choose the same containers as docker', async () => {
  const running = await engine.run('sel-up', { args: ['--label', `sel=${engine.prefix}`] });
  const exited = await engine.run('sel-down', { args: ['--label', `sel=${engine.prefix}`], command: ['true'] });
  await listed(running);
  await eventually(async () => (await engine.state(exited.id)) === 'exited' && (await keys.viewer.container(exited.id)).state === 'exited');

  for (const flags of [['-q'], ['-aq'], ['-aq', '--no-trunc'], ['-aq', '--filter', 'status=exited']]) {
    const filter = ['--filter', `label=sel=${engine.prefix}`];
    const ours = (await succeeds('ps', ...flags, ...filter)).trim().split('\n').sort();
    const theirs = (await engine.docker('ps', ...flags, ...filter)).split('\n').sort();
    assert.deepEqual(ours, theirs, flags.join(' '));
  }
  const json = JSON.parse(await succeeds('ps', '-a', '--json', '--filter', `label=sel=${engine.prefix}`));
  assert.deepEqual(json.map((x) => x.full_id).sort(), [running.id, exited.id].sort());
});

test('a container is named by name, id, id prefix or HOST/NAME', async () => {
  const c = await engine.run('named');
  await listed(c);

  for (const ref of [c.name, c.id, c.id.slice(0, 12), c.id.slice(0, 20), `${host.name}/${c.name}`, `${host.name}/${c.id.slice(0, 12)}`]) {
    const [found] = JSON.parse(await succeeds('inspect', ref));
    assert.equal(found.Id, c.id, ref);
  }
  const missing = await cli('inspect', 'no-such-container');
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /no-such-container/);
});

test('an ambiguous name is refused with the candidates', async () => {
  const c = await engine.run('twice');
  await listed(c);
  const other = new HandAgent(server, { hostname: 'second-host' });
  other.containers = [containerElement({ name: c.name })];
  await other.connect(await server.token());
  await eventually(async () => (await keys.viewer.get('/api/containers')).filter((x) => x.name === c.name).length === 2);

  const r = await cli('stop', c.name);
  assert.equal(r.code, 1);
  assert.match(r.stderr, new RegExp(`${host.name}/${c.name}`));
  assert.match(r.stderr, new RegExp(`second-host/${c.name}`));
  assert.equal(await engine.state(c.id), 'running');
  await succeeds('stop', '-t', '0', `${host.name}/${c.name}`);
  assert.equal(await engine.state(c.id), 'exited');
  await other.close();
});

test('inspect prints the same as docker inspect', async () => {
  const c = await engine.run('inspect');
  await listed(c);

  assert.deepEqual(JSON.parse(await succeeds('inspect', c.name)), JSON.parse(await engine.docker('inspect', c.name)));
});

test('lifecycle verbs take several containers and print a line for each', async () => {
  const made = [await engine.run('many-1'), await engine.run('many-2'), await engine.run('many-3')];
  for (const c of made) await listed(c);
  const names = made.map((c) => c.name);
  const states = async () => Promise.all(made.map((c) => engine.state(c.id)));

  assert.deepEqual((await succeeds('pause', ...names)).trim().split('\n').sort(), [...names].sort());
  assert.deepEqual(await states(), ['paused', 'paused', 'paused']);
  await succeeds('unpause', ...names);
  await succeeds('stop', '-t', '0', ...names);
  assert.deepEqual(await states(), ['exited', 'exited', 'exited']);
  await succeeds('start', ...names);
  await succeeds('restart', '-t', '0', ...names);
  assert.deepEqual(await states(), ['running', 'running', 'running']);
  await succeeds('kill', names[0]);
  await eventually(async () => (await engine.state(made[0].id)) === 'exited');
  await succeeds('rename', names[0], `${names[0]}-new`);
  assert.equal((await engine.inspect(made[0].id)).Name, `/${names[0]}-new`);

  await succeeds('stop', '-t', '0', names[1], names[2]);
  const mixed = await cli('rm', names[1], 'no-such-container', names[2]);
  assert.equal(mixed.code, 1, 'one failure sets the exit code');
  assert.match(mixed.stderr, /no-such-container/);
  assert.equal(await engine.exists(made[1].id), false);
  assert.equal(await engine.exists(made[2].id), false, 'the others are removed nevertheless');
});

test('rm -f names what does not exist and succeeds, as docker does', async () => {
  for (const words of [['rm'], ['rmi'], ['volume', 'rm'], ['network', 'rm']]) {
    const forced = await cli(...words, '-f', 'no-such-object');
    assert.equal(forced.code, 0, `${words}: ${forced.stderr}`);
    assert.match(forced.stderr, /No such .*: no-such-object/);
    assert.equal((await cli(...words, 'no-such-object')).code, 1, words.join(' '));
  }
});

test('top, diff, port and wait print what docker prints', async () => {
  const c = await engine.run('seen', { command: ['sh', '-c', 'echo x >/made; trap "exit 7" USR1; while :; do sleep 0.1; done'] });
  await listed(c);
  await eventually(async () => (await engine.docker('diff', c.name)).includes('/made'));

  assert.equal((await succeeds('diff', c.name)).trim(), await engine.docker('diff', c.name));
  const columns = (text) => text.trim().split('\n')[0].trim().split(/\s+/);
  const top = await succeeds('top', c.name);
  assert.deepEqual(columns(top), columns(await engine.docker('top', c.name)));
  assert.match(top, /trap "exit 7"/);
  const asViewer = await dockmon(server, keys.viewer.key, ['top', c.name]);
  assert.deepEqual(columns(asViewer.stdout), columns(top));
  assert.doesNotMatch(asViewer.stdout, /trap/, 'command lines are for operators');
  assert.equal(await succeeds('port', c.name), '');
  const port = await cli('port', c.name, '80');
  assert.equal(port.code, 1);
  assert.match(port.stderr, /no public port "80" published/);

  // A signal that the process catches: it ends with its own status, which wait prints.
  const waiting = cli('wait', c.name, 'no-such-container');
  await succeeds('kill', '-s', 'USR1', c.name);
  const waited = await waiting;
  assert.equal(waited.stdout, '7\n');
  assert.equal(waited.code, 1);
  assert.match(waited.stderr, /No such container: no-such-container/);
  assert.equal((await cli('top', c.name)).code, 1, 'not running');
  assert.match((await cli('kill', '-s', 'NOT/A/SIGNAL', c.name)).stderr, /name or number of a signal/);
});

test('an agent that knows neither signals nor top is asked for neither', async () => {
  const old = new HandAgent(server, { hostname: 'old-host' });
  old.containers = [containerElement({ name: 'old-web' })];
  await old.connect(await server.token());
  await listed({ id: old.containers[0].Id });
  const refused = await cli('kill', '-s', 'HUP', 'old-web');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /knows no signal but SIGKILL. Update the agent/);
  assert.deepEqual(old.commands.filter((m) => m.payload.action === 'kill'), []);
  for (const verb of ['top', 'diff']) assert.match((await cli(verb, 'old-web')).stderr, /too old for this/);
  await old.close();
});

test('events: who did it, --tail, and --follow prints new ones', async () => {
  const c = await engine.run('followed');
  await listed(c);
  const env = { DOCKMON_URL: server.url, DOCKMON_API_KEY: keys.admin.key };
  const follower = new Process(bin('dockmon'), ['events', '--follow', '--tail', '1', '--filter', `container=${c.name}`], { env });
  try {
    await eventually(() => follower.lines.length === 1);
    await succeeds('stop', '-t', '0', c.name);
    await eventually(() => follower.lines.some((l) => / by test-admin/.test(l) && l.includes(c.name)), { what: 'the action in the stream' });
    await eventually(() => follower.lines.some((l) => l.includes('container died')), { what: 'the event in the stream' });
  } finally {
    await follower.stop();
  }
  assert.equal(new Set(follower.lines).size, follower.lines.length, 'each once');
  const last = (await succeeds('events', '--tail', '2')).trim().split('\n');
  assert.equal(last.length, 2);
  assert.equal((await cli('events', '--follow', '--until', '1h')).code, 125);
});

test('host tag, rename and rm, and audit names what was done', async () => {
  const old = new HandAgent(server, { hostname: 'to-rename' });
  await old.connect(await server.token());
  await eventually(async () => (await succeeds('hosts')).includes('to-rename'));
  assert.equal(await succeeds('host', 'tag', 'to-rename', 'prod', 'eu'), 'prod\neu\n');
  assert.equal(await succeeds('host', 'tag', 'to-rename', 'eu-', 'shop'), 'prod\nshop\n');
  assert.equal(await succeeds('host', 'tag', 'to-rename', '+EU'), 'prod\nshop\neu\n');
  assert.equal(await succeeds('host', 'tag', 'to-rename', '--', '-eu'), 'prod\nshop\n');
  assert.equal(await succeeds('host', 'tag', 'to-rename'), 'prod\nshop\n');
  assert.equal(await succeeds('host', 'rename', 'to-rename', 'renamed'), '');
  assert.match(await succeeds('hosts'), /renamed/);
  assert.match((await cli('host', 'rm', 'renamed')).stderr, /no terminal to ask on; use --force/);
  assert.equal(await succeeds('host', 'rm', '-f', 'renamed'), 'renamed\n');
  assert.doesNotMatch(await succeeds('hosts'), /renamed/);
  assert.equal((await cli('host', 'rm', '-f', 'renamed')).code, 1);
  await old.close();

  const rows = (await succeeds('audit', '--tail', '50')).trim().split('\n');
  assert.match(rows[0], /^TIME +WHO +FROM +ACTION +TARGET +RESULT$/);
  const done = rows.slice(1).map((r) => r.split(/ {2,}/));
  assert.deepEqual(done.filter((r) => r[3].startsWith('host_')).map((r) => [r[1].replace(/-\w+$/, ''), r[3]]).slice(-4),
    [['test-admin', 'host_tags'], ['test-admin', 'host_tags'], ['test-admin', 'host_update'], ['test-admin', 'host_delete']]);
  assert.match((await succeeds('audit', '--action', 'host_delete', '--json')), /"renamed"/);
  const found = async (...flags) => JSON.parse(await succeeds('audit', '--action', 'host_delete', '--json', ...flags)).length > 0;
  const inAnHour = new Date(Date.now() + 3600000).toISOString();
  assert.deepEqual(await Promise.all([found('--since', '1h'), found('--until', inAnHour), found('--since', inAnHour), found('--until', '1h'), found('--user', 'nobody')]),
    [true, true, false, false, false]);
  const refused = await dockmon(server, keys.viewer.key, ['audit']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /admin/);
});

// The reader ends after one line, or before the first: no message, as with any other program.
test('a closed pipe ends every verb in silence', async () => {
  const env = { DOCKMON_URL: server.url, DOCKMON_API_KEY: keys.admin.key };
  const verbs = ['stats --json', 'stats --json --no-stream', 'ps -a', 'events -n 500', 'hosts --json', 'inspect ' + host.name + '/x', 'images', 'audit', '--help'];
  for (const verb of verbs) {
    for (const reader of ['head -1', 'true']) {
      const r = await run('bash', ['-c', `${bin('dockmon')} ${verb} | ${reader}`], { env });
      assert.doesNotMatch(r.stderr, /output|Success|pipe/i, `${verb} | ${reader}: ${r.stderr}`);
    }
  }
  const full = await run('bash', ['-c', `${bin('dockmon')} hosts > /dev/full`], { env });
  assert.match(full.stderr, /cannot write the output: No space left/);
  assert.equal(full.code, 1);
});

test('rm of a running container needs -f, as with docker', async () => {
  const c = await engine.run('rm');
  await listed(c);
  const refused = await cli('rm', c.name);

  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /running|force/i);
  assert.equal(await engine.state(c.id), 'running');
  await succeeds('rm', '-f', c.name);
  assert.equal(await engine.exists(c.id), false);
});

test('logs prints the same as docker logs', async () => {
  const c = await engine.run('logs', { command: ['sh', '-c', 'for i in 1 2 3 4 5 6; do echo line $i; done; sleep 600'] });
  await listed(c);
  await eventually(async () => (await engine.docker('logs', c.id)).includes('line 6'));

  assert.equal(await succeeds('logs', c.name), `${await engine.docker('logs', c.id)}\n`);
  assert.equal(await succeeds('logs', '--tail', '2', c.name), 'line 5\nline 6\n');
  assert.match(await succeeds('logs', '-t', '-n', '1', c.name), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z line 6\n$/);
});

test('hosts and events are listed', async () => {
  const c = await engine.run('events');
  await listed(c);

  assert.match(await succeeds('hosts'), new RegExp(`${host.name}.*online`, 'i'));
  assert.ok(JSON.parse(await succeeds('hosts', '--json')).some((h) => h.id === host.id));
  await eventually(async () => (await succeeds('events')).includes(c.name));
});

test('token create prints a token that registers a host', async () => {
  const out = await succeeds('token', 'create');
  const token = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(out)[0];

  assert.equal((await new HandAgent(server).connect(token)).type, 'auth_success');
});

test('login saves a key in a private file, which the other verbs use', async () => {
  const env = { HOME: home, XDG_CONFIG_HOME: '', DOCKMON_API_KEY: '' };
  const password = 'correct horse';
  const initial = await server.adminPassword();
  const log_in = (word) => dockmon(server, null, ['login', '-u', 'admin', '--password-stdin'], { env, input: `${word}\n` });
  const first = await log_in(initial);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /must be changed before anything else/);
  assert.match((await dockmon(null, null, ['ps'], { env })).stderr, /initial password must be changed/);
  const passwd = await dockmon(null, null, ['user', 'passwd', '--stdin'], { env, input: `${initial}\n${password}\n` });
  assert.equal(passwd.code, 0, passwd.stderr);
  const r = await log_in(password);

  assert.equal(r.code, 0, r.stderr);
  const file = join(home, '.config/dockmon/config');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(!(await readFile(file, 'utf8')).includes(password));
  const ps = await dockmon(null, null, ['ps', '-aq'], { env });
  assert.equal(ps.code, 0, ps.stderr);
  // The login is now an API key, which has no password.
  const whose = await dockmon(null, null, ['user', 'passwd', '--stdin'], { env, input: `${password}\n${password} 2\n` });
  assert.equal(whose.code, 1);
  assert.match(whose.stderr, /API key, which has no password.*--username/);
  const mistyped = await dockmon(null, null, ['user', 'passwd', '-u', 'admin', '--stdin'], { env, input: `wrong\n${password} 2\n` });
  assert.equal(mistyped.code, 1);
  const again = await dockmon(null, null, ['user', 'passwd', '-u', 'admin', '--stdin'], { env, input: `${password}\n${password} 2\n` });
  assert.equal(again.code, 0, again.stderr);
  assert.equal((await log_in(password)).code, 1);
  assert.equal((await log_in(`${password} 2`)).code, 0);
  const wrong = await dockmon(server, null, ['login', '-u', 'admin', '--password-stdin'], { env: { ...env, HOME: '/nonexistent' }, input: 'wrong\n' });
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /password/i);
});

test('user and apikey: create, list, remove', async () => {
  const made = await succeeds('user', 'create', '--role', 'operator', 'olga');
  assert.match(made, /^\S{16,}\n$/);
  assert.match(await succeeds('user', 'ls'), /^olga +operator .*to be changed/m);
  assert.notEqual(await succeeds('user', 'passwd', 'olga'), made);
  assert.equal(await succeeds('user', 'rm', 'olga'), 'olga\n');
  assert.equal((await cli('user', 'rm', 'olga')).code, 1);
  assert.ok(!(await succeeds('user', 'ls', '-q')).includes('olga'));

  const key = (await succeeds('apikey', 'create', '--days', '3', 'deploy')).trim();
  assert.equal((await dockmon(server, key, ['hosts'])).code, 0);
  assert.match(await succeeds('apikey', 'ls', '-w'), /deploy +viewer .*dockmon_\w+/);
  assert.match(await succeeds('apikey', 'ls', '-q'), /^deploy$/m);
  await succeeds('apikey', 'rm', 'deploy');
  assert.equal((await dockmon(server, key, ['hosts'])).code, 1);
});

test('docker\'s other names of verbs work', async () => {
  for (const [other, name] of [
    ['image ls -q', 'images -q'],
    ['container ls -aq', 'ps -aq'],
    ['host ls -q', 'hosts -q'],
  ])
    // Other tests use the same engine: a change between the two commands makes them differ.
    await eventually(async () => (await succeeds(...other.split(' '))) === (await succeeds(...name.split(' '))), { what: `${other} is ${name}` });
  const c = await engine.run('other-name');
  await listed(c);
  assert.equal(await succeeds('container', 'stop', '-t', '0', c.name), `${c.name}\n`);
  assert.equal(await succeeds('container', 'rm', c.name), `${c.name}\n`);
  assert.match((await cli('container', 'dance')).stderr, /unknown command: container dance/);
  assert.match(await succeeds('image'), /ls .*\n.*rm .*\n.*prune /);
  assert.match(await succeeds('token', '--help'), /create/);
  const dance = await cli('help', 'dance');
  assert.deepEqual([dance.code, dance.stdout], [1, '']);
  assert.match(dance.stderr, /unknown command: dance/);
});

test('errors say what happened and what to do', async () => {
  const c = await engine.run('errors');
  await listed(c);
  const forbidden = await dockmon(server, keys.viewer.key, ['stop', c.name]);
  assert.equal(forbidden.code, 1);
  assert.match(forbidden.stderr, /operator/);
  const nobody = await dockmon(server, `dm_${'0'.repeat(64)}`, ['ps']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /login|key/i);
  const away = await dockmon({ url: 'http://127.0.0.1:1' }, 'x', ['ps']);
  assert.equal(away.code, 1);
  assert.match(away.stderr, /127\.0\.0\.1:1/);
  const usage = await cli('ps', '--no-such-flag');
  assert.equal(usage.code, 125);
  for (const words of ['ps --nope', 'ps extra', 'dance', 'start', 'rename a', 'logs --nope x', 'logs', 'container foo', 'exec', 'exec --nope x y', 'kill', 'stop -t abc x', 'stop -t',
    'inspect', 'ps --all=maybe', 'network create', 'rm', 'ps --format {{', 'start -a a b', 'exec nosuch true', 'logs nosuch', 'rm nosuch', 'port nosuch', 'ps --filter status=foo'].map((w) => w.split(' '))) {
    const theirs = await run('docker', words, { env: engine.env });
    assert.equal((await cli(...words)).code, theirs.code, words.join(' '));
  }
  assert.match(usage.stderr, /no-such-flag/);
  const pull = await cli('pull', 'nginx');
  assert.deepEqual([pull.code, pull.stderr], [1, 'Error: unknown command: pull; see `dockmon --help`\n']);
  assert.match((await cli('--help')).stdout, /no `run` and no `pull`/);
  assert.notEqual((await cli('dance')).code, 0);
});

test('colours are used only on a terminal', async () => {
  const env = { ...process.env, DOCKMON_URL: server.url, DOCKMON_API_KEY: keys.viewer.key, TERM: 'xterm' };
  delete env.NO_COLOR;
  const bin = join(process.env.DOCKMON_BIN_DIR ?? '../../build', 'dockmon');
  const tty = await run('script', ['-qec', `${bin} hosts`, '/dev/null'], { env });
  assert.match(tty.stdout, /\x1b\[/);
  const pipe = await run(bin, ['hosts'], { env });
  assert.doesNotMatch(pipe.stdout, /\x1b\[/);
});

test('terminal control characters in names and commands do not reach the terminal', async () => {
  const a = new HandAgent(server, { hostname: 'evil' });
  a.containers = [containerElement({ name: 'evil-name', Command: 'x\u001b[2J\u0007y' })];
  await a.connect(await server.token());
  await keys.viewer.container('evil-name');

  const out = await succeeds('ps', '--no-trunc');
  assert.match(out, /evil-name/);
  assert.doesNotMatch(out, /[\x00-\x09\x0b-\x1f]/);
  await a.close();
});

test('every verb has help with an example', async () => {
  const verbs = [...(await succeeds('--help')).matchAll(/^ {2}([a-z]+) {2,}/gm)].map((m) => m[1]);
  assert.ok(verbs.length >= 16);
  for (const verb of verbs) assert.match(await succeeds(verb, '--help'), /Usage: +dockmon/, verb);
});

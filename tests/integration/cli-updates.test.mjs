// `dockmon update`, `rollback` and `updates` with the real server, agent, engine and registry. Only where an update has to stand
// still, in a pull or before its end, is the agent made by hand.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server, bin, dockmon } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { containerElement, containerId } from './lib/hand-agent.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { JournalAgent, previewOf } from './lib/journal-agent.mjs';
import { Process } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const engine = new Engine();
const later = cleanups();
const QUICK = ['-t', '1', '--health-timeout', '60'];
let server, operator, viewer, host, v1, v2, bad, registry;

later(() => engine.cleanup());

before(async () => {
  await engine.ensureImage();
  registry = await ImageRegistry.start();
  later(() => registry.remove());
  v1 = await registry.push(engine, 'shop:1', ['CMD ["sleep", "3601"]']);
  v2 = await registry.push(engine, 'shop:2', ['CMD ["sleep", "3602"]', 'LABEL org.opencontainers.image.version=2']);
  bad = await registry.push(engine, 'shop:bad', ['CMD ["sh", "-c", "exit 1"]']);
  server = await Server.start();
  later(() => server.remove());
  operator = await server.client('operator');
  viewer = await server.client('viewer');
  const admin = await server.client('admin');
  await admin.post('/api/registry-credentials', { registry_url: registry.name, security: 'plain' }, { status: 201 });
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  host = await operator.onlineHost();
});

const cli = (...args) => dockmon(server, operator.key, args);

async function make(name, args = [], command = []) {
  const full = `${engine.prefix}-${name}`;
  const id = await engine.docker('run', '-d', '--network', 'none', '--name', full, ...args, v1, ...command);

  await operator.container(full);
  return { id, name: full };
}

async function joinByHand(name) {
  const agent = new JournalAgent(server, { hostname: `${name}-host` });

  agent.containers = [containerElement({ name })];
  await agent.connect(await server.token());
  later(() => agent.close());
  await operator.container(name);
  return agent;
}

const asked = (agent) => eventually(() => agent.commands.findLast((m) => m.command === 'update_container'), { what: 'update_container' });
const env = () => ({ DOCKMON_URL: server.url, DOCKMON_API_KEY: operator.key, NO_COLOR: '1', LC_ALL: 'C.UTF-8' });

function pull(agent, order, percent, status) {
  agent.event('update_layer_progress', {
    container_id: order.payload.container_id.slice(0, 12), overall_progress: percent, total_layers: 2, remaining_layers: 1,
    summary: `1 of 2 layers`, speed_mbps: 2,
    layers: [
      { id: 'aaaaaaaaaaaa', status, current: percent * 10000, total: 1000000, percent },
      { id: 'bbbbbbbbbbbb', status: 'Already exists', current: 0, total: 0, percent: 100 },
    ],
  });
}

test('--check shows the outdated containers', async () => {
  const moving = `${registry.name}/moving:1`;
  const name = `${engine.prefix}-moving`;
  for (const image of [v1, v2]) {
    await engine.docker('tag', image, moving);
    await engine.docker('push', '-q', moving);
  }
  // The server may ask the registry as soon as it knows the container, so the tag has moved before.
  await engine.docker('tag', v1, moving);
  await engine.docker('run', '-d', '--network', 'none', '--name', name, moving);
  await operator.container(name);
  const row = await eventually(async () => (await cli('updates', '--check')).stdout.split('\n').find((l) => l.includes(name)), { what: 'the outdated container' });

  assert.ok(row.startsWith(host.name), row);
  assert.ok(row.includes(moving), row);
});

test('--dry-run of the real agent, and an update that is refused because its preview is stale', async () => {
  const c = await make('dry');
  const r = await cli('update', '--dry-run', '--image', v2, c.name);

  assert.equal(r.code, 0, r.stderr);
  assert.ok(r.stdout.startsWith(`${c.name}: ${v1} -> ${v2}\n`), r.stdout);
  assert.match(r.stdout, /\n {2}new image {2}sha256:[0-9a-f]{64} {2}created .* ago {2}\d/);
  assert.equal((await engine.inspect(c.name)).Id, c.id, 'nothing was changed');
  const args = /dockmon (update --image .*)/.exec(r.stdout)[1].split(' ');
  await engine.docker('update', '--restart', 'always', c.name);
  const stale = await cli(...args, '--wait');
  assert.equal(stale.code, 1, stale.stdout);
  assert.match(stale.stderr, /preview/);
  assert.equal((await engine.inspect(c.name)).Id, c.id);

  const same = await cli('update', '--dry-run', c.name);
  assert.ok(same.stdout.startsWith(`${c.name}: ${v1} -> ${v1} (the same image)\n`), same.stdout);
  const none = await cli('update', '--wait', ...QUICK, c.name);
  assert.deepEqual([none.code, none.stdout.split('\n').at(-2)], [0, `${c.name}: has the image already, nothing was changed`], none.stderr);
  assert.equal((await engine.inspect(c.name)).Id, c.id);

  const far = await registry.push(engine, 'far:1', ['LABEL far=1']);
  await engine.docker('rmi', far);
  const remote = await cli('update', '--dry-run', '--image', far, c.name);
  assert.equal(remote.code, 0, remote.stderr);
  assert.match(remote.stdout, /\n {2}new image {2}digest \S*sha256:/);
  assert.doesNotMatch(remote.stdout, /0B/);
});

test('update --wait prints the steps, updates lists it, and rollback starts the old container', async () => {
  const c = await make('whole');
  const r = await cli('update', '--wait', ...QUICK, '--image', v2, `${host.name}/${c.name}`);

  assert.equal(r.code, 0, r.stderr);
  assert.doesNotMatch(r.stdout, /\x1b/, 'no escape sequences in a pipe');
  assert.ok(r.stdout.endsWith(`${host.name}/${c.name}: updated to ${v2}\n`), r.stdout);
  assert.match(r.stderr, /dockmon rollback/);
  assert.deepEqual((await engine.inspect(c.name)).Config.Cmd, ['sleep', '3602']);

  const [row] = (await cli('updates', '--host', host.name)).stdout.split('\n').filter((l) => l.includes(c.name));
  assert.deepEqual(row.split(/ {2,}/).slice(0, 5), [host.name, c.name, v1, v2, 'kept']);
  const id = (await cli('updates', '-q')).stdout.trim().split('\n');
  assert.ok(id.every((x) => /^[0-9a-f-]{36}$/.test(x)), id.join());

  await eventually(async () => (await operator.container(c.name)).full_id !== c.id, { what: 'the list has the new container' });
  const back = await cli('rollback', c.name);
  assert.deepEqual([back.code, back.stdout], [0, `${c.name}\n`], back.stderr);
  assert.equal((await engine.inspect(c.name)).Id, c.id, 'that very container');
  const past = JSON.parse((await cli('updates', '--history', '-n', '5', '--json')).stdout);
  assert.equal(past.find((u) => u.container_name === c.name).state, 'rolled_back');
  const again = await cli('rollback', c.name);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /cannot be rolled back: no container from before an update is kept/);
});

test('the dependent in the network of the container lives', async () => {
  // The program ignores SIGTERM, and the dependent shares its network: both were lost elsewhere.
  const web = await make('web', [], ['sh', '-c', 'trap "" TERM; while true; do sleep 1; done']);
  const dep = { name: `${engine.prefix}-dep` };
  await engine.docker('run', '-d', '--name', dep.name, '--network', `container:${web.name}`, v1);
  await operator.container(dep.name);
  const r = await cli('update', '--wait', ...QUICK, '--image', v2, web.name);

  assert.equal(r.code, 0, r.stderr);
  const now = await engine.inspect(web.name);
  assert.notEqual(now.Id, web.id);
  const other = await engine.inspect(dep.name);
  assert.equal(other.State.Status, 'running');
  assert.equal(other.HostConfig.NetworkMode, `container:${now.Id}`, 'in the network of the new one');
});

test('a crash loop is rolled back and called a failure', async () => {
  const c = await make('loop', ['--restart', 'always']);
  const r = await cli('update', '--wait', ...QUICK, '--image', bad, c.name);

  assert.equal(r.code, 1, r.stdout);
  assert.doesNotMatch(r.stdout, /updated to/);
  assert.match(r.stderr, /the update failed and was rolled back, the old container is in place: /);
  const now = await engine.inspect(c.name);
  assert.deepEqual([now.Id, now.State.Status, now.HostConfig.RestartPolicy.Name], [c.id, 'running', 'always']);
  const left = await engine.docker('ps', '-a', '--filter', `name=${c.name}`, '--format', '{{.Names}}');
  assert.equal(left, c.name, 'nothing else is left');
});

test('a locked container says what locks it and how to update nevertheless', async () => {
  const c = await make('locked', ['--label', 'dockmon.update.lock=backup']);
  const r = await cli('update', '--wait', ...QUICK, '--image', v2, c.name);

  assert.equal(r.code, 1);
  assert.match(r.stderr, /lock/);
  assert.equal((await engine.inspect(c.name)).Id, c.id);
  assert.equal((await cli('update', '--wait', '--ignore-lock', ...QUICK, '--image', v2, c.name)).code, 0);
});

test('in a pipe: one line for each change; Ctrl-C leaves the update in progress and says how to cancel it', async () => {
  const agent = await joinByHand('held');
  const p = new Process(bin('dockmon'), ['update', '--wait', '--image', 'nginx:1.28', 'held'], { env: env() });
  const order = await asked(agent);

  agent.journal(agent.record(order, { container_name: 'held' }));
  pull(agent, order, 40, 'Downloading');
  await p.line(/^held: aaaaaaaaaaaa: Downloading$/);
  await p.line(/^held: pull$/);
  pull(agent, order, 50, 'Downloading');
  pull(agent, order, 70, 'Download complete');
  await p.line(/^held: aaaaaaaaaaaa: Download complete$/);
  assert.equal(p.lines.filter((l) => /Downloading/.test(l)).length, 1, p.lines.join('\n'));
  assert.deepEqual(await p.stop('SIGINT'), { code: 130, signal: null });
  assert.ok(p.lines.some((l) => /the update of held goes on: `dockmon updates --follow` .*`dockmon update --cancel held`/.test(l)), p.lines.join('\n'));
  assert.equal(agent.commands.filter((m) => m.command === 'update_cancel').length, 0);

  const second = await cli('update', 'held');
  assert.equal(second.code, 1);
  assert.ok(second.stderr.includes(`An update of container held is in progress: ${order.payload.update_id}`), second.stderr);
  const follower = new Process(bin('dockmon'), ['updates', '--follow'], { env: env() });
  await follower.line(/^held-host\/held: pull$/);
  const cancel = await cli('update', '--cancel', 'held');
  assert.deepEqual([cancel.code, cancel.stdout], [0, 'held\n'], cancel.stderr);
  agent.journal(agent.record(order, { container_name: 'held', state: 'cancelled', step: 'end', ended_at: Date.now() }));
  assert.deepEqual(await follower.exited, { code: 1, signal: null });
  assert.ok(follower.lines.some((l) => /held-host\/held: the update was cancelled; the old container was not stopped/.test(l)), follower.lines.join('\n'));
  const none = await cli('update', '--cancel', 'held');
  assert.equal(none.code, 1);
  assert.match(none.stderr, /No update of container held is in progress/);
});

test('on a terminal: a bar for each layer, redrawn in place within its width', async () => {
  const agent = await joinByHand('barred');
  const child = spawn('script', ['-qec', `stty cols 60 rows 10; ${bin('dockmon')} update --wait barred`, '/dev/null'],
    { env: { ...process.env, ...env(), SHELL: '/bin/sh', TERM: 'xterm' } });
  const ended = new Promise((done) => child.on('exit', done));
  let text = '';

  child.stdout.on('data', (d) => { text += d; });
  later(() => child.kill('SIGKILL'));
  const order = await asked(agent);
  agent.journal(agent.record(order, { container_name: 'barred' }));
  pull(agent, order, 50, 'Downloading');
  await eventually(() => /aaaaaaaaaaaa \[={15}> {14}\] +50% Downl…/.test(text), { what: 'a bar that is half full' });
  pull(agent, order, 90, 'Extracting');
  await eventually(() => /\x1b\[3A\r\x1b\[J[^]*aaaaaaaaaaaa \[={27}>  \] +90% Extra…/.test(text), { what: 'the next one in its place' });
  for (const line of text.split(/\r?\n/)) assert.ok([...line.replace(/\x1b\[[0-9]*[A-Z]|\r/g, '')].length < 60, line);
  agent.journal(agent.record(order, { container_name: 'barred', state: 'kept', step: 'probation', ended_at: Date.now(), expires_at: Date.now() + 60000 }));
  assert.equal(await ended, 0, text);
  assert.match(text, /barred: updated to nginx:1\.27/);
});

test('--dry-run shows what would change, and fails if the update would be refused', async () => {
  const agent = await joinByHand('dry');
  const preview = previewOf(agent.containers[0], {
    image_id: `sha256:${'a'.repeat(64)}`, new_image_id: `sha256:${'b'.repeat(64)}`, size: 2e6, new_size: 3e6,
    lost_paths: ['/tmp/\x1b[31mred'], lost_paths_total: 300,
    dependents: [{ id: containerId(), new_id: null, name: 'sidecar', action: 'recreate', state: 'running' }], notes: [{ code: 'note', text: 'a port is random' }],
    compose: { project: 'shop', service: 'web', will_recreate: true, reason: 'compose 1 compares images' },
  });

  agent.results.update_preview = preview;
  const r = await cli('update', '--dry-run', '--image', 'nginx:1.28', 'dry');
  assert.equal(r.code, 0, r.stderr);
  assert.deepEqual(r.stdout.split('\n').map((l) => l.replace(/ +/g, ' ').trim()), [
    'dry: nginx:1.27 -> nginx:1.28',
    `old image sha256:${'a'.repeat(64)} created unknown 2MB`,
    `new image sha256:${'b'.repeat(64)} created unknown 3MB`,
    'changed Config.Image: "nginx:1.27" -> "nginx:1.28"',
    'lost /tmp/\\x1b[31mred',
    'lost and 299 other paths',
    'dependent sidecar: recreate',
    'compose service web of project shop: the next `up` recreates it: compose 1 compares images',
    'note a port is random',
    `to update exactly this: dockmon update --image nginx:1.28 --fingerprint ${'ab'.repeat(32)} dry`,
    '',
  ]);
  const json = await cli('update', '--dry-run', '--json', '--image', 'nginx:1.28', 'dry');
  assert.deepEqual(JSON.parse(json.stdout), [preview]);

  agent.results.update_preview = { ...preview, refused: { code: 'update_refused', text: 'a task of a swarm service' } };
  const refused = await cli('update', '--dry-run', 'dry');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Error: dry: a task of a swarm service/);
  assert.equal((await cli('update', '--dry-run', '--json', 'dry')).code, 1);
  assert.equal(agent.commands.filter((m) => m.command === 'update_container').length, 0);
});

test('rings are updated one after the other, and a failure stops the rest', async () => {
  const [a, b] = [await joinByHand('ring-a'), await joinByHand('ring-b')];
  const end = async (agent, n, state, more = {}) => {
    const order = await eventually(() => agent.commands.filter((m) => m.command === 'update_container')[n], { what: 'update_container' });
    agent.journal(agent.record(order, { container_name: agent.containers[0].Names[0].slice(1), state, new_container_id: 'f'.repeat(64), ended_at: Date.now(), ...more }));
  };
  const rings = ['--rings', '1,rest', '--image', 'nginx:1.28', 'ring-a', 'ring-b'];
  const p = new Process(bin('dockmon'), ['update', '--wait', ...rings], { env: env() });
  await end(a, 0, 'kept');
  await end(b, 0, 'kept');
  assert.deepEqual(await p.exited, { code: 0, signal: null });
  assert.deepEqual(p.lines.filter((l) => !l.endsWith(': running')), ['ring 1 of 2', 'ring-a-host/ring-a: success', 'ring 2 of 2', 'ring-b-host/ring-b: success']);

  const started = await cli('update', ...rings);
  assert.equal(started.code, 0, started.stderr);
  const id = started.stdout.trim();
  await end(a, 1, 'rolled_back', { error: { code: 'not_healthy', text: 'it ended' } });
  const followed = await cli('batch', 'follow', id);
  assert.equal(followed.code, 1, followed.stdout);
  assert.match(followed.stderr, /ring-a: it ended/);
  assert.match(followed.stdout, /ring-b-host\/ring-b: cancelled/);
  const list = JSON.parse((await cli('batch', 'ls', '--json')).stdout);
  assert.deepEqual(list.slice(0, 2).map((x) => [x.state, x.success]), [['failed', 0], ['completed', 2]]);
  assert.equal((await cli('batch', 'ls', '-q')).stdout.split('\n')[0], id);
  const over = await cli('batch', 'cancel', id);
  assert.deepEqual([over.code, over.stdout], [1, '']);

  const unknown = await cli('update', '--rings', 'all', 'ring-a', 'no-such');
  assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
  assert.match(unknown.stderr, /No such container: no-such/);
  for (const args of [['--parallel', '2'], ['--rings', 'all', '--parallel', '0'], ['--rings', 'all', '--dry-run'], ['--rings', 'all', '--pids-limit', '5']]) {
    assert.equal((await cli('update', ...args, 'ring-a')).code, 125, `${args}`);
  }
});

test('^C leaves a batch, which can be cancelled', async () => {
  const agent = await joinByHand('batched');
  const p = new Process(bin('dockmon'), ['update', '--rings', 'all', '--wait', 'batched'], { env: env() });
  await asked(agent);
  await p.line(/batched: running$/);
  assert.deepEqual(await p.stop('SIGINT'), { code: 130, signal: null });
  const [, id] = /dockmon batch cancel ([0-9a-f-]{36})/.exec(p.lines.join('\n'));
  assert.equal((await cli('batch', 'cancel', id)).code, 0);
  assert.equal(JSON.parse((await cli('batch', 'ls', '--json')).stdout)[0].state, 'cancelling');
});

test('limits and the restart policy change in place, as with docker update', async () => {
  const c = await make('limits', ['--memory', '64m', '--memory-swap', '128m']);
  const r = await cli('update', '--memory', '96m', '--memory-swap', '192m', '--cpus', '0.5', '--pids-limit', '50', '--restart', 'on-failure:3', c.name);

  assert.deepEqual([r.code, r.stdout], [0, `${c.name}\n`], r.stderr);
  const { Id, State, HostConfig: h } = await engine.inspect(c.name);
  assert.deepEqual([Id, State.Running], [c.id, true]);
  assert.deepEqual([h.Memory, h.MemorySwap, h.NanoCpus, h.PidsLimit], [96 << 20, 192 << 20, 5e8, 50]);
  assert.deepEqual(h.RestartPolicy, { Name: 'on-failure', MaximumRetryCount: 3 });

  const path = `/api/hosts/${host.id}/containers/${c.id}/limits`;
  assert.deepEqual(await operator.call('PATCH', path, { body: { memory_swap: 256 << 20 } }), { status: 'success', warnings: [] });
  assert.equal((await engine.inspect(c.name)).HostConfig.MemorySwap, 256 << 20);
  for (const body of [{}, { memory: '1g' }, { image: 'x' }, { restart: 'sometimes' }]) await operator.call('PATCH', path, { body, status: 422 });
  await viewer.call('PATCH', path, { body: { memory: 128 << 20 }, status: 403 });
  const bad = await cli('update', '--memory', '512m', c.name); // beyond the limit of memory and swap together
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /memoryswap/i);
  assert.equal((await engine.inspect(c.name)).HostConfig.Memory, 96 << 20);

  for (const args of [['--memory', 'much'], ['--pids-limit', '1.5'], ['--cpus', 'two'], ['--memory', '1g', '--image', 'x'], ['--restart', 'no', '--wait']]) {
    const wrong = await cli('update', ...args, c.name);

    assert.equal(wrong.code, 125, `${args}: ${wrong.stderr}`);
    assert.match(wrong.stderr, new RegExp(args[0]));
  }
});

test('wrong command lines are refused before anything is sent, and a viewer may only list', async () => {
  for (const args of [['--dry-run', '--wait'], ['--cancel', '--image', 'x'], ['--json'], ['-t', 'soon']]) {
    const r = await cli('update', ...args, 'nothing');
    assert.equal(r.code, 125, `${args}: ${r.stderr}`);
  }
  assert.equal((await cli('update', '--fingerprint', 'a', 'x', 'y')).code, 125);
  assert.equal((await cli('updates', '--check', '--history')).code, 125);
  assert.equal((await cli('updates', '-n', '3')).code, 125);
  assert.equal((await cli('update')).code, 1);
  assert.equal((await dockmon(server, viewer.key, ['updates'])).code, 0);
  const c = await make('viewed');
  const r = await dockmon(server, viewer.key, ['update', c.name]);
  assert.equal(r.code, 1);
  assert.equal((await engine.inspect(c.name)).Id, c.id);
});

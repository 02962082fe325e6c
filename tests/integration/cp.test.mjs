// `dockmon cp`: what docker cp does on the real engine, and what hostile, old and dying peers cannot do.
import assert from 'node:assert/strict';
import { randomBytes, createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bin, dockmon } from './lib/dockmon.mjs';
import { HandAgent, containerElement, containerId } from './lib/hand-agent.mjs';
import { Process, run } from './lib/process.mjs';
import { Shell } from './lib/shell.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;
let dir, web;

const cp = (args, options) => dockmon(world.server, world.client.key, ['cp', ...args], options);
const sh = async (script, env = {}) => {
  const r = await run('sh', ['-c', script], { env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key, DOCKMON: bin('dockmon'), ...engine.env, ...env } });
  return r;
};
const tree = async (path) => (await run('sh', ['-c', `cd '${path}' && find . -printf '%P %y %m %l\\n' | sort && find . -type f -exec md5sum {} + | sort`])).stdout;
const inside = async (c, path) => (await engine.docker('exec', c.id, 'busybox', 'sh', '-c', `cd ${path} && busybox find . | busybox sort | while read f; do busybox stat -c '%n %F %a %u:%g' "$f"; done; busybox find . -type f -exec busybox md5sum '{}' ';' | busybox sort`));

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dockmon-cp-'));
  await eventually(() => world.host, { what: 'the world is there' });
  web = await world.listed('web', `b() { busybox "$@"; }; b mkdir -p /src/sub/empty /dst && echo one > /src/a && echo two > '/src/sub/b b' && echo ü > /src/sub/ü
    b chmod 600 /src/a && b ln -s a /src/link && b ln /src/a /src/hard && b ln -s /src /dirlink && sleep 3600`);
  await eventually(async () => (await engine.docker('exec', web.id, 'busybox', 'ls', '/dirlink/')).includes('sub'));
});
after(() => rm(dir, { recursive: true, force: true }));

test('out of a container: names and contents are those of docker cp', async () => {
  for (const [i, [from, to]] of [
    ['/src', 'new'], ['/src', 'new/'], ['/src', 'old'], ['/src/', 'old'], ['/src/.', 'old'], ['/src/.', 'new'], ['/src/a', 'new'], ['/src/a', 'old'], ['/src/a', 'old/'],
    ['/src/a', 'file'], ['/src/link', 'new'], ['src/a', 'new'], ['/src/sub/../a', 'new'], ['-L:/src/link', 'old'], ['-L:/dirlink', 'new'], ['/dirlink', 'old'], ['/dirlink/.', 'old'],
    ['/src', 'file'], ['/src/a', 'none/'], ['/src/a', 'none/x'], ['/nosuch', 'old'],
  ].entries()) {
    const flags = from.startsWith('-L:') ? ['-L'] : [];
    const path = from.replace('-L:', '');
    const both = [];
    for (const tool of ['docker', 'dockmon']) {
      const at = join(dir, `out-${i}-${tool}`);
      await mkdir(join(at, 'old'), { recursive: true });
      await writeFile(join(at, 'file'), 'before');
      const words = [...flags, `${web.name}:${path}`, join(at, to)];
      const r = tool === 'docker' ? await run('docker', ['cp', ...words], { env: engine.env }) : await cp(words);
      both.push({ ok: r.code === 0, tree: await tree(at), stderr: r.stderr });
    }
    assert.equal(both[1].ok, both[0].ok, `${from} to ${to}: ${both[0].stderr} / ${both[1].stderr}`);
    assert.equal(both[1].tree, both[0].tree, `${from} to ${to}`);
  }
});

test('into a container: names, contents, modes and owners are those of docker cp', async () => {
  const src = join(dir, 'src');
  await mkdir(join(src, 'sub', 'empty'), { recursive: true });
  await writeFile(join(src, 'a'), 'one');
  await writeFile(join(src, 'sub', 'ü b'), 'x'.repeat(100000), { mode: 0o755 });
  await writeFile(join(src, 'sub', `${'long'.repeat(40)}`), '');
  await symlink('a', join(src, 'link'));
  for (const [i, [from, to, ...flags]] of [
    ['src', 'new'], ['src', 'new/'], ['src', 'old'], ['src/', 'old'], ['src/.', 'old'], ['src/.', 'new'], ['src/a', 'new'], ['src/a', 'old'], ['src/a', 'old/'], ['src/a', 'file'],
    ['src/link', 'old'], ['src/link', 'old', '-L'], ['src', 'old', '-a'], ['src/a', 'there'], ['src/a', 'away'], ['src', 'file'], ['src/a', 'none/'], ['src/a', 'none/x'], ['nosuch', 'old'],
  ].entries()) {
    const both = [];
    for (const tool of ['docker', 'dockmon']) {
      const at = `/dst/${i}-${tool}`;
      await engine.docker('exec', web.id, 'busybox', 'sh', '-c', `busybox mkdir -p ${at}/old && echo before > ${at}/file && cd ${at} && busybox ln -s old there && busybox ln -s ${at}/fresh away`);
      const words = [...flags, join(dir, from), `${web.name}:${at}/${to}`];
      if (from.endsWith('/.')) words[flags.length] += '/.';
      const r = tool === 'docker' ? await run('docker', ['cp', ...words], { env: engine.env }) : await cp(words);
      both.push({ ok: r.code === 0, tree: (await inside(web, at)).replaceAll(tool, ''), stderr: r.stderr });
    }
    assert.equal(both[1].ok, both[0].ok, `${from} to ${to}: ${both[0].stderr} / ${both[1].stderr}`);
    assert.equal(both[1].tree, both[0].tree, `${from} to ${to} ${flags}`);
  }
});

test('20 MB arrive unchanged: as a file both ways, and as a tar stream both ways', async () => {
  const data = randomBytes(20 << 20);
  const sum = (b) => createHash('sha256').update(b).digest('hex');
  await writeFile(join(dir, 'big'), data);
  const r = await cp([join(dir, 'big'), `${web.name}:/dst/big`]);
  assert.deepEqual([r.code, r.stdout], [0, '']);
  assert.match(r.stderr, /Successfully copied 21MB to \S+:\/dst\/big/);
  assert.equal((await cp(['-q', `${web.name}:/dst/big`, join(dir, 'back')])).stderr, '');
  assert.equal(sum(await readFile(join(dir, 'back'))), sum(data));
  const piped = await sh(`set -e; mkdir '${dir}/piped'; $DOCKMON cp ${web.name}:/dst/big - > '${dir}/big.tar'; tar -C '${dir}/piped' -xf '${dir}/big.tar'
    tar -C '${dir}' -c big | (sleep 1; cat) | $DOCKMON cp - ${web.name}:/src; $DOCKMON cp - ${web.name}:/src/sub < '${dir}/big.tar'`);
  assert.deepEqual([piped.code, piped.stderr], [0, '']);
  assert.equal(sum(await readFile(join(dir, 'piped', 'big'))), sum(data));
  const sums = await engine.docker('exec', web.id, 'busybox', 'sha256sum', '/src/big', '/src/sub/big');
  assert.deepEqual(sums.split('\n').map((l) => l.split(' ')[0]), [sum(data), sum(data)]);
});

test('an impossible copy is an error that says why', async () => {
  for (const [args, says, input] of [
    [[`${web.name}:/nosuch`, dir], /could not find \/nosuch in container/],
    [[`${web.name}:/src`, '/nosuch/x'], /\/nosuch does not exist/],
    [[`${web.name}:/src`, `${web.name}:/dst`], /between containers is not supported/],
    [[dir, dir], /must be CONTAINER:PATH/],
    [['nosuch:/x', dir], /No such container: nosuch/],
    [['/nosuch', `${web.name}:/dst`], /\/nosuch: No such file/],
    [['-', `${web.name}:/src/a`], /must be a directory/, ''],
    [['-', `${web.name}:/dst`], /[Tt]ar|EOF|archive/, 'this is no archive, but it is long enough to be one: '.repeat(40)],
  ]) {
    const r = await cp(args, { input });
    assert.equal(r.code, 1, `${args}: ${r.stderr}`);
    assert.match(r.stderr, says);
  }
});

test('copies are audited, with the path, for admins', async () => {
  const { entries } = await (await world.server.client('admin')).get('/api/audit?limit=500');
  const mine = entries.filter((e) => e.target === `${world.host.name}/${web.name}`);
  assert.ok(mine.some((e) => e.action === 'copy_start' && e.result === 'ok, out /dst/big'), JSON.stringify(mine.slice(0, 5)));
  assert.ok(mine.some((e) => e.action === 'copy_start' && e.result === 'ok, in /dst'));
  assert.ok(mine.some((e) => e.action === 'copy_end'));
  assert.ok(!mine.some((e) => e.result.includes('stat ')));
});

test('a viewer may not copy in either direction', async () => {
  const viewer = await world.server.client('viewer');
  for (const args of [[`${web.name}:/src/a`, dir], [join(dir, 'src', 'a'), `${web.name}:/dst`]]) {
    const r = await dockmon(world.server, viewer.key, ['cp', ...args]);
    assert.equal(r.code, 1);
    assert.match(r.stderr, /role|permission/i);
  }
});

// --- an agent by hand ---

const BLOCK = 512;
function entry(name, { type = '0', link = '', data = '' } = {}) {
  const h = Buffer.alloc(BLOCK);
  h.write(name, 0, 100);
  h.write('0004755\0', 100);
  h.write('0000000\0', 108);
  h.write('0000000\0', 116);
  h.write(`${Buffer.byteLength(data).toString(8).padStart(11, '0')}\0`, 124);
  h.write('14000000000\0', 136);
  h.write('        ', 148);
  h.write(type, 156);
  h.write(link, 157, 100);
  h.write('ustar\x0000', 257);
  let sum = 0;
  for (const b of h) sum += b;
  h.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(Buffer.byteLength(data) / BLOCK) * BLOCK);
  body.write(data);
  return Buffer.concat([h, body]);
}
const folder = (name) => entry(name, { type: '5' });
const archive = (...entries) => Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
const STAT = (mode) => Buffer.from(JSON.stringify({ name: 'x', size: 1, mode, mtime: '2026-12-02T00:00:00Z', linkTarget: '' })).toString('base64');
const DIR_MODE = 2147484141, FILE_MODE = 420;

// `serve` gets the start message of "out" or "in"; "stat" is answered with `mode`.
async function byHand(serve, { mode = DIR_MODE, capabilities = { shell_access: true, exec_command: true, copy: true } } = {}) {
  const admin = await world.server.client('admin');
  const a = new HandAgent(world.server, { fields: { capabilities } });
  const id = containerId();
  a.containers = [containerElement({ id, name: 'evil' })];
  await a.connect(await world.server.token());
  await eventually(async () => (await admin.get('/api/containers')).some((c) => c.host_id === a.hostId));
  const seen = { data: 0, actions: [], word: `${a.hostname}/evil` };
  const tell = (session_id, action, more = {}) => a.event('shell_data', { session_id, action, ...more });
  a.ws.on('message', (raw) => {
    const m = JSON.parse(raw);
    if (m.type !== 'shell_session') return;
    const p = m.payload;
    if (p.action === 'data') seen.data += Buffer.from(p.data, 'base64').length;
    else if (p.copy !== 'stat') seen.actions.push(p.action);
    if (p.action !== 'start') return;
    tell(p.session_id, 'started', p.copy === 'stat' ? { stat: STAT(mode) } : {});
    if (p.copy === 'stat') tell(p.session_id, 'closed');
    else serve((action, more) => tell(p.session_id, action, more), p, a);
  });
  return { a, seen };
}
const sendArchive = (bytes) => (tell) => {
  for (let at = 0; at < bytes.length; at += 32768) tell('data', { data: bytes.subarray(at, at + 32768).toString('base64') });
  tell('closed');
};

test('a hostile archive writes nothing outside the destination', async () => {
  const outside = join(dir, 'outside');
  await mkdir(outside);
  await writeFile(join(outside, 'secret'), 'mine');
  for (const [i, [what, says, ...entries]] of [
    ['..', /"\.\."/, folder('d/'), entry('d/../../outside/x', { data: 'x' })],
    ['absolute', /absolute/, folder('d/'), entry(`${outside}/x`, { data: 'x' })],
    ['symlink', /passes a link/, folder('d/'), entry('d/l', { type: '2', link: outside }), entry('d/l/x', { data: 'x' })],
    ['relative symlink', /outside the destination/, folder('d/'), entry('d/l', { type: '2', link: '../../outside' })],
    ['hard link', /outside the destination/, folder('d/'), entry('d/h', { type: '1', link: '../outside/secret' })],
    ['absolute hard link', /outside the destination/, folder('d/'), entry('d/h', { type: '1', link: `${outside}/secret` })],
    ['hard link by a symlink', /outside the destination/, folder('d/'), entry('d/l', { type: '2', link: outside }), entry('d/h', { type: '1', link: 'd/l/secret' }), entry('d/h', { data: 'x' })],
    ['device', /device/, folder('d/'), entry('d/null', { type: '3' })],
    ['FIFO', /FIFO/, folder('d/'), entry('d/fifo', { type: '6' })],
    ['folder for a file', /there is a file/, folder('d/'), folder('d/kept')],
    ['cut short', /[Tt]runcated|archive/, folder('d/'), entry('d/x', { data: 'y'.repeat(5000) }).subarray(0, 1000)],
  ].entries()) {
    const at = join(dir, `evil-${i}`);
    await mkdir(join(at, 'd'), { recursive: true });
    await writeFile(join(at, 'd', 'kept'), 'kept');
    const bytes = what === 'cut short' ? Buffer.concat(entries) : archive(...entries);
    const { a, seen } = await byHand(sendArchive(bytes));
    const r = await cp([`${seen.word}:/d`, at]);
    assert.equal(r.code, 1, `${what}: ${r.stderr}`);
    assert.match(r.stderr, says, what);
    assert.deepEqual(await readdir(outside), ['secret'], what);
    assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'mine', what);
    assert.deepEqual((await readdir(at)), ['d'], what);
    assert.equal(await readFile(join(at, 'd', 'kept'), 'utf8'), 'kept', what);
    await a.close();
  }
});

test('a file in the place of links and setuid bits of an archive is an ordinary file', async () => {
  const at = join(dir, 'plain');
  await mkdir(at);
  await symlink(join(dir, 'outside', 'secret'), join(at, 'x'));
  const { a, seen } = await byHand(sendArchive(archive(folder('d/'), entry('d/x', { data: 'new' }))));
  assert.equal((await cp([`${seen.word}:/d/.`, join(at, 'y')])).code, 0);
  assert.equal((await run('stat', ['-c', '%a %F', join(at, 'y', 'd', 'x')])).stdout, '755 regular file\n');
  await a.close();
  const other = await byHand(sendArchive(archive(entry('./x', { data: 'new' }))));
  const r = await cp([`${other.seen.word}:/d/.`, at]);
  assert.equal(r.code, 0, r.stderr);
  assert.equal(await readFile(join(at, 'x'), 'utf8'), 'new');
  assert.equal(await readFile(join(dir, 'outside', 'secret'), 'utf8'), 'mine');
  await other.a.close();
});

test('an agent that knows no copies is named', async () => {
  const { a, seen } = await byHand(() => assert.fail('it was asked'), { capabilities: { shell_access: true, exec_command: true } });
  const r = await cp([`${seen.word}:/d`, dir]);
  assert.equal(r.code, 1);
  assert.match(r.stderr, new RegExp(`The agent of ${a.hostname} is too old for cp`));
  await a.close();
});

test('an agent that takes nothing gets no more than the window', async () => {
  let ack, acked = 0;
  const { a, seen } = await byHand((tell) => { ack = () => { tell('ack', { bytes: seen.data - acked }); acked = seen.data; }; });
  const p = new Process(bin('dockmon'), ['cp', join(dir, 'big'), `${seen.word}:/d`], { env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key } });
  await eventually(() => seen.data >= 256 * 1024, { what: 'the window is used up' });
  await world.client.get('/api/containers');
  assert.ok(seen.data <= 256 * 1024 + 64 * 1024, `${seen.data} bytes`);
  await p.stop('SIGKILL');
  await eventually(() => {
    ack(); // the server reads the rest, and behind it the end of the connection
    return seen.actions.at(-1) === 'close';
  }, { what: 'the agent learns that the client is gone' });
  assert.ok(!seen.actions.includes('eof'));
  await a.close();
});

test('a link that is cut in the middle fails the copy', async () => {
  for (const out of [true, false]) {
    const { seen } = await byHand((tell, p, agent) => {
      tell('data', { data: entry('d/x', { data: 'y'.repeat(5000) }).subarray(0, 2048).toString('base64') });
      agent.ws.terminate();
    });
    const r = await cp(out ? [`${seen.word}:/d`, join(dir, 'cut')] : [join(dir, 'big'), `${seen.word}:/d`]);
    assert.equal(r.code, 1, r.stderr);
    assert.match(r.stderr, /agent (disconnected|does not take the input)/);
  }
});

test('the ninth copy on a host is refused', async () => {
  const open = (action, path) => Shell.open(world.server, world.client.key, world.host.id, web.id, { copy: { action, path } });
  const eight = await Promise.all(Array.from({ length: 8 }, () => open('in', '/dst')));
  await eventually(() => eight.every((s) => s.messages.some((m) => m.type === 'started')));
  assert.deepEqual(await (await open('out', '/src')).closed, { code: 1011, reason: 'too many copies are running on this host (8)' });
  for (const s of eight) s.send({ type: 'eof' });
  for (const s of eight) assert.equal((await s.closed).code, 1000);
});

test('a client that is killed in the middle ends the request to the engine', async () => {
  const fifo = join(dir, 'input');
  await run('mkfifo', [fifo]);
  const client = new Process('sh', ['-c', `exec '${bin('dockmon')}' cp - ${web.name}:/dst < '${fifo}'`], { env: { DOCKMON_URL: world.server.url, DOCKMON_API_KEY: world.client.key } });
  const input = await open(fifo, 'w');
  await input.write(entry('killed/x', { data: 'x'.repeat(4 << 20) }).subarray(0, 3 << 20)); // it has read nearly all of it
  const n = world.agent.process.lines.length;
  assert.equal((await client.stop('SIGKILL')).signal, 'SIGKILL');
  await input.close();
  await world.agent.process.line(/copy ended/, { from: n });
  const c = await cp([`${web.name}:/src/a`, join(dir, 'after')]);
  assert.equal(c.code, 0, c.stderr);
});

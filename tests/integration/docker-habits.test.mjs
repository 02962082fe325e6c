// Habits of docker's CLI: filters and times of dockmon choose what they choose there. The docker CLI is the reference.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dockmon } from './lib/dockmon.mjs';
import { IMAGE } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';
import { theWorld } from './lib/world.mjs';

const world = theWorld({ role: 'operator' });
const { engine } = world;
const name = (word) => `${engine.prefix}-${word}`;
const mine = `filter-test=${engine.prefix}`;
const lines = (text) => text.split('\n').filter((l) => l !== '').sort();

const cli = (args, options) => dockmon(world.server, world.client.key, args, options);
async function ours(...args) {
  const r = await cli(args);
  assert.equal(r.code, 0, r.stderr);
  return lines(r.stdout);
}

before(async () => {
  await engine.ensureImage();
  const label = ['--label', mine];
  await engine.docker('network', 'create', '--internal', ...label, name('net'));
  await engine.docker('volume', 'create', ...label, name('vol'));
  await engine.docker('volume', 'create', name('used'));
  const healthy = ['--health-cmd', 'true', '--health-interval', '1s'];
  await engine.run('p1', { args: [...label, '--label', 'tier=front', ...healthy] });
  await engine.docker('tag', IMAGE, `${engine.prefix}/web:1`); // the first run has loaded the image
  await engine.run('p10', { args: [...label, '-v', `${name('used')}:/data`] });
  await engine.run('gone', { args: label, command: ['sh', '-c', 'exit 7'] });
  await engine.docker('rm', await engine.docker('create', '--name', name('x'), IMAGE, 'true'));
  const second = () => Math.floor(Date.now() / 1000);
  const now = second(); // the list has whole seconds: the next container is created in another one
  await eventually(() => second() > now);
  await engine.docker('create', ...label, '--name', name('made'), '--network', name('net'), '-p', '127.0.0.1::8080', '--expose', '53/udp', IMAGE, 'true');
  await engine.docker('run', '-d', ...label, '--name', name('net'), '--network', name('net'), `${engine.prefix}/web:1`, 'sleep', '3600');
  for (const word of ['p1', 'p10', 'gone', 'made', 'net']) await world.client.container(name(word));
  await eventually(async () => /healthy/.test((await world.client.container(name('p1'))).status_text), { timeout: 30000, what: 'it is healthy' });
  await eventually(async () => (await world.client.container(name('net'))).state === 'running', { what: 'it runs' });
  await eventually(async () => /Exited/.test((await world.client.container(name('gone'))).status_text), { what: 'it has exited' });
});

after(async () => {
  await engine.cleanup();
  await engine.docker('network', 'rm', name('net'));
  await engine.docker('volume', 'rm', name('vol'), name('used'));
  await engine.docker('rmi', `${engine.prefix}/web:1`);
});

test('ps chooses by the filters of docker', async () => {
  const cases = [
    [], ['-a'], ['-a', `name=^${name('p1')}$`], ['-a', `name=^/${name('p1')}$`], ['-a', `name=${name('p1')}`], ['-a', `name=${name('p')}.$`],
    ['status=created'], ['status=exited'], ['status=exited', 'status=created'], ['status=running'], ['-a', 'exited=7'], ['-a', 'exited=0'],
    ['health=healthy'], ['-a', 'health=none'], ['-a', 'health=unhealthy'], ['-a', `network=${name('net')}`], ['-a', 'network=none'],
    ['-a', `volume=${name('used')}`], ['-a', 'volume=/data'], ['-a', `before=${name('made')}`], ['-a', `since=${name('gone')}`],
    ['-a', 'publish=1'], ['-a', 'label=tier'], ['-a', 'label=tier=front'], ['-a', 'label=tier=back'], ['-a', `ancestor=${IMAGE}`],
    ['-a', `ancestor=${engine.prefix}/web`], ['-a', `ancestor=${engine.prefix}/web:1`], ['-a', 'status=running', 'label=tier'],
  ];
  for (const [first, ...rest] of cases) {
    const words = [first, ...rest].filter(Boolean).flatMap((w) => (w[0] === '-' ? [w] : ['--filter', w]));
    const all = ['--filter', `label=${mine}`, '--no-trunc', '-q', ...words];
    const reference = lines(await engine.docker('ps', ...all));
    assert.deepEqual(await ours('ps', ...all), reference, `${words.join(' ')}: ${reference.length}`);
  }
});

test('the lists of images, networks and volumes have the filters of docker', async () => {
  const network = ['network', 'ls', '--format', '{{.Name}}'];
  const volume = ['volume', 'ls', '-q'];
  for (const [what, filters] of [
    [network, [`name=^${name('net')}$`]], [network, [`label=${mine}`]], [network, ['type=builtin']], [network, ['driver=host']], [network, ['scope=local', `label=${mine}`]],
    [volume, [`name=${engine.prefix}`]], [volume, [`label=${mine}`]], [volume, ['dangling=true', `name=${engine.prefix}`]], [volume, ['dangling=false', `name=${engine.prefix}`]],
    [volume, ['driver=local', `name=${name('vol')}`]],
  ]) {
    const words = filters.flatMap((f) => ['--filter', f]);
    const reference = lines(await engine.docker(...what, ...words));
    const list = JSON.parse((await cli([what[0], 'ls', '--json', ...words])).stdout);
    assert.deepEqual(list.map((e) => e.name).sort(), reference, `${what[0]} ${filters}`);
  }
  for (const filters of [[`reference=${engine.prefix}/web`], [`reference=${engine.prefix}/*:1`], [`reference=${engine.prefix}/w?b:2`], ['dangling=false', `reference=${engine.prefix}/web:1`]]) {
    const words = filters.flatMap((f) => ['--filter', f]);
    const reference = lines(await engine.docker('images', '-q', ...words));
    assert.deepEqual(await ours('images', '-q', ...words), reference, filters.join(' '));
  }
});

test('a filter or value that is not possible is an error', async () => {
  for (const [args, says] of [
    [['ps', '--filter', 'status=foo'], /"foo" is not a possible value of status=; give created running/],
    [['ps', '--filter', 'nam=x'], /"nam=x" is not one of name=, id=/],
    [['ps', '--filter', 'health=good'], /health/],
    [['ps', '--filter', 'exited=no'], /a number/],
    [['ps', '--filter', 'publish=a'], /PORT/],
    [['ps', '--filter', 'name=['], /regular expression/],
    [['stats', '--no-stream', '--filter', 'status=foo'], /"foo"/],
    [['images', '--filter', 'dangling=maybe'], /true or false/],
    [['images', '--filter', 'nosuch=1'], /reference=/],
    [['volume', 'ls', '--filter', 'scope=local'], /name=, driver=/],
    [['network', 'ls', '--filter', 'type=foo'], /custom builtin/],
  ]) {
    const r = await cli(args);
    assert.match(r.stderr, says, args.join(' '));
    assert.equal(r.code, 1, args.join(' '));
  }
  for (const args of [['ps', '--filter', 'before=nosuch'], ['ps', '--filter', 'host=nosuch'], ['stats', '--no-stream', '--filter', 'host=nosuch'], ['images', '--filter', 'since=nosuch:1']]) {
    const r = await cli(args);
    assert.match(r.stderr, /No such (container|host|image): nosuch/, args.join(' '));
    assert.equal(r.code, 1);
  }
});

test('a time without a zone is local, as with docker, in logs and events', async () => {
  const c = await world.listed('clock', 'echo one; exec sleep 3600');
  const local = (ms) => new Date(ms + 3600_000).toISOString().slice(0, 19); // the wall clock of TZ below
  const env = { TZ: 'Etc/GMT-1' }; // an hour before UTC
  for (const [ms, expected] of [[-600_000, 'one\n'], [600_000, '']]) {
    const since = local(Date.now() + ms);
    const reference = await run('docker', ['logs', '--since', since, c.id], { env: { ...engine.env, ...env } });
    assert.equal(reference.stdout, expected);
    assert.equal((await cli(['logs', '--since', since, c.name], { env })).stdout, expected);
    const events = await cli(['events', '--since', since, '--json'], { env });
    assert.equal(events.stdout.includes(c.name), expected !== '', events.stderr);
  }
  for (const since of ['7d', '1w', '1d12h', '90m']) assert.equal((await cli(['logs', '--since', since, c.name])).stdout, 'one\n');
  const wrong = await cli(['logs', '--since', 'yesterday', c.name]);
  assert.match(wrong.stderr, /"yesterday" is not a time; give .* local time.* 7d/);
});

test('--format prints what docker prints', async () => {
  const label = ['--filter', `label=${mine}`];
  const same = async (args, format, { sort = true, drop = [] } = {}) => {
    // The mark keeps rows that are empty from being trimmed at the end.
    const marked = format === 'json' || format.startsWith('table') ? format : `${format}|`;
    const reference = await engine.docker(...args, '--format', marked);
    const r = await cli([...args, '--format', marked]);
    assert.equal(r.code, 0, r.stderr);
    const read = (text) => (format === 'json' ? text.trimEnd().split('\n').map((l) => { const o = JSON.parse(l); for (const k of drop) delete o[k]; return JSON.stringify(o); }) : text.trimEnd().split('\n'));
    const [a, b] = [read(r.stdout), read(reference)];
    assert.deepEqual(sort ? a.sort() : a, sort ? b.sort() : b, `${args.join(' ')} ${format}`);
  };
  const ps = ['ps', '-a', ...label];
  for (const format of [
    '{{.ID}}', '{{.Names}}', '{{.ID}}\\t{{.Names}}', '{{.Image}} {{.Command}} {{.State}}', '{{.Ports}}|{{.Networks}}|{{.Mounts}}|{{.LocalVolumes}}', '{{.Labels}}',
    '{{.Label "tier"}}', '{{json .Names}}', '{{.CreatedAt}}', '{{upper .Names}}{{if eq .State "running"}} up{{else}} down{{end}}', '{{printf "%-40s|" .Names}}',
    '{{range split .Labels ","}}<{{.}}>{{end}}', '{{truncate .ID 4}} {{len .Names}} {{lower "ABC"}}{{println}}',
  ]) await same(ps, format);
  await same([...ps, '--no-trunc'], '{{.ID}} {{.Command}} {{.Mounts}}');
  await same(ps, 'json', { drop: ['Host', 'Platform', 'RunningFor', 'Status'] });
  await same(['images', '--filter', `reference=${engine.prefix}/web`], '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.CreatedAt}} {{.Digest}}');
  await same(['volume', 'ls', ...label], '{{.Name}} {{.Driver}} {{.Scope}} {{.Mountpoint}} {{.Labels}} {{.Label "filter-test"}}');
  await same(['volume', 'ls', ...label], 'json', { drop: ['Host'] });
  await same(['network', 'ls', ...label], '{{.ID}} {{.Name}} {{.Driver}} {{.Scope}} {{.Internal}} {{.Labels}}');
  const table = (args) => same([...args, '--filter', `name=^${name('p1')}$`], 'table {{.ID}}\\t{{.Names}}\\t{{upper .Image}}\\t{{.Label "tier"}}', { sort: false });
  await table(['ps']);
  const stats = (await cli(['stats', '--no-stream', '--format', '{{.Name}} {{.Container}}', name('p1')])).stdout;
  assert.match(stats, new RegExp(`^${name('p1')} [0-9a-f]{12}\n$`));
  const event = JSON.parse((await cli(['events', '--filter', `container=${name('gone')}`, '--filter', 'event=died', '--format', 'json'])).stdout);
  assert.equal(event.Action, 'die');
  assert.equal(event.Actor.Attributes.name, name('gone'));
  assert.match((await cli(['version', '--format', '{{.Client.Version}} {{.Server.Version}}'])).stdout, /^\S+ \S+\n$/);
  assert.equal((await cli(['hosts', '--format', 'table {{.Name}}\\t{{.Status}}'])).stdout.split('\n')[0].trim(), 'NAME      STATUS');
});

test('inspect -f prints what docker prints', async () => {
  for (const format of [
    '{{.Name}}', '{{.State.Status}} {{.State.Running}} {{.RestartCount}}', '{{json .Config.Labels}}', '{{json .Config.Cmd}}', '{{.Config.Cmd}}', '{{index .Config.Labels "tier"}}',
    '{{range $k, $v := .NetworkSettings.Networks}}{{$k}} {{end}}', '{{range .Mounts}}{{.Destination}}{{else}}none{{end}}', '{{if .State.Health}}{{.State.Health.Status}}{{end}}',
    '{{len .Config.Env}} {{join .Config.Cmd " "}}', '{{.HostConfig.Memory}} {{.Created}}', '{{(index .Config.Cmd 0)}}', '{{with .Config}}{{.Image}}{{end}} {{$.Id}}', '{{println .Name}}',
    '{{.Config.Labels}}', '{{json .State.StartedAt}}',
  ]) {
    const reference = await run('docker', ['inspect', '-f', format, name('p1')], { env: engine.env });
    const r = await cli(['inspect', '-f', format, name('p1')]);
    assert.equal(r.stdout, reference.stdout, format);
    assert.equal(r.code, 0);
  }
  const all = JSON.parse((await cli(['inspect', '-f', 'json', name('p1'), name('p10')])).stdout);
  assert.deepEqual(all.map((c) => c.Name), [`/${name('p1')}`, `/${name('p10')}`]);
});

test('a template that is wrong is an error that names the position', async () => {
  for (const args of [['ps'], ['images'], ['hosts'], ['stats', '--no-stream'], ['events'], ['version'], ['volume', 'ls'], ['network', 'ls'], ['inspect', name('p1')]]) {
    const r = await cli([...args, '--format', '{{nosuch .ID}}']);
    assert.match(r.stderr, /--format: template 1:3: function "nosuch" is not defined/, args.join(' '));
    assert.equal(r.code, 1);
  }
  const r = await cli(['ps', '-a', '--format', '{{.NoSuch}}']);
  assert.match(r.stderr, /template 1:3: there is no field \.NoSuch/);
  assert.equal(r.code, 1);
});

test('system df counts what docker counts', async () => {
  const sums = (text) => text.trim().split('\n').map((l) => l.split('|'));
  const format = ['--format', '{{.Type}}|{{.TotalCount}}|{{.Active}}|{{.Size}}|{{.Reclaimable}}'];
  const bytes = (s) => parseFloat(s) * 1000 ** ['B', 'kB', 'MB', 'GB', 'TB'].indexOf(/[a-zA-Z]+/.exec(s)[0]);
  const near = (a, b) => Math.abs(bytes(a) - bytes(b)) <= 0.01 * bytes(b); // docker writes four digits
  await eventually(async () => {
    const theirs = sums(await engine.docker('system', 'df', ...format));
    const own = sums((await cli(['system', 'df', ...format])).stdout);
    assert.deepEqual(own.map((r) => r.slice(0, 3)), theirs.map((r) => r.slice(0, 3)));
    own.forEach((r, i) => assert.ok(near(r[3], theirs[i][3]) && near(r[4], theirs[i][4]), `${r} and ${theirs[i]}`));
    return true;
  }, { timeout: 30000, what: 'both were asked while nothing changed' });
  const table = await cli(['system', 'df', '-v']);
  assert.match(table.stdout, new RegExp(`Images space usage:\n\nIMAGE .*\n(.*\n)*${engine.prefix}/web:1 `));
  assert.match(table.stdout, new RegExp(`Local Volumes space usage:\n\nVOLUME NAME .*\n(.*\n)*${name('used')} +1 `));
  assert.match((await cli(['system', 'df'])).stdout, /^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE +HOST\nImages +\d/);
});

// Every field that an engine takes for a container, through an update: what the inspect says of the old container and
// of the new one, and what the request that made the old one makes of the new image (lib/update-fields.mjs).
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { ROOT } from './lib/dockmon.mjs';
import { Engine } from './lib/engine.mjs';
import { run } from './lib/process.mjs';
import { BODIES, ONLY_CREATED, SECOND, SHOWN_OTHERWISE, WITHOUT, leaves, losses } from './lib/update-fields.mjs';
import { UpdateWorld } from './lib/update-world.mjs';

const engine = new Engine();
const later = cleanups();
const n = Math.floor(Math.random() * 250);
const names = {
  parent: `${engine.prefix}-parent`, friend: `${engine.prefix}-friend`, linked: `${engine.prefix}-pal`, volume: `${engine.prefix}-volume`,
  front: `${engine.prefix}-front`, back: `${engine.prefix}-back`, net4: `10.251.${n}`, back4: `10.252.${n}`, net6: `fd00:251:${n}`,
};
const image = {};
let world;

const IMAGES = (v) => [
  `ENV COLOUR=${v === 1 ? 'red' : 'blue'} KEPT=same ONLY${v}=yes`, `LABEL version=${v} kept=same only${v}=yes`, `EXPOSE 80${v}/tcp 800/tcp`,
  `WORKDIR /version${v}`, `USER ${v - 1}:0`, `STOPSIGNAL ${v === 1 ? 'SIGQUIT' : 'SIGKILL'}`, `SHELL ["/bin/sh", "-${v === 1 ? 'c' : 'ec'}"]`,
  `ENTRYPOINT ["/bin/busybox"${v === 1 ? '' : ', "env"'}]`, `CMD ["sleep", "360${v}"]`,
];

later(() => engine.cleanup());
after(async () => {
  for (const network of [names.front, names.back]) await run('docker', ['network', 'rm', network], { env: engine.env });
  await run('docker', ['volume', 'rm', '-f', names.volume, `${names.volume}-made`], { env: engine.env });
});

before(async () => {
  await engine.ensureImage();
  world = await UpdateWorld.start(engine, later, {});
  names.dir = await mkdtemp(join(tmpdir(), 'dockmon-bound-'));
  later(() => rm(names.dir, { recursive: true }));
  await engine.docker('network', 'create', '--subnet', `${names.net4}.0/24`, '--ipv6', '--subnet', `${names.net6}::/64`, names.front);
  await engine.docker('network', 'create', '--subnet', `${names.back4}.0/24`, names.back);
  for (const v of [1, 2]) {
    image[`plain${v}`] = await world.registry.push(engine, `shop:${v}`, IMAGES(v));
    const more = [`HEALTHCHECK --interval=${v}s --timeout=2${v}s --retries=1${v} CMD ["/bin/true"]`, `VOLUME /image${v} /both`];
    image[`full${v}`] = await world.registry.push(engine, `full:${v}`, [...IMAGES(v), ...more]);
  }
  await engine.docker('run', '-d', '--name', names.parent, '-v', '/of-parent', '--ipc', 'shareable', image.plain1);
  await engine.docker('run', '-d', '--name', names.friend, '--network', names.front, image.plain1);
  await engine.docker('run', '-d', '--name', names.linked, image.plain1);
});

const kind = (name) => (['inherits', 'no_entrypoint'].includes(name) ? 'full' : 'plain');
const inspectImage = async (ref) => JSON.parse(await engine.docker('image', 'inspect', ref))[0];

async function make(name) {
  const body = { Image: image[`${kind(name)}1`], HostConfig: {}, ...BODIES[name](names) };
  const id = await engine.create(`${engine.prefix}-${name}`, body);

  if (SECOND[name]) {
    const [network, EndpointConfig] = SECOND[name](names);
    assert.equal((await engine.api('POST', `/networks/${network}/connect`, { Container: id, EndpointConfig })).status, 200);
  }
  if (!ONLY_CREATED.has(name)) await engine.docker('start', id);
  return { id, body };
}

// The engine takes each setting: else its row would show nothing.
function assertTaken(inspect, { Image, HostConfig = {}, NetworkingConfig = {}, ...Config }) {
  const { [names.front]: front } = inspect.NetworkSettings.Networks;
  const shown = leaves({ Config: inspect.Config, HostConfig: inspect.HostConfig, Endpoint: front });
  const sent = [...leaves({ Config, HostConfig, Endpoint: NetworkingConfig.EndpointsConfig?.[names.front] ?? {} })];
  const isSame = (path, v) => (SHOWN_OTHERWISE[path] ?? ((a, b) => JSON.stringify(a) === JSON.stringify(b)))(v, shown.get(path));
  const untaken = sent.filter(([path, v]) => path.includes('.') && !isSame(path, v));

  assert.equal(inspect.Config.Image, Image);
  assert.deepEqual(untaken.map(([path, v]) => ({ path, sent: v, shown: shown.get(path) })), []);
}

test('the bodies have every field of the table of the planner, but those that are named', async () => {
  const text = await readFile(join(ROOT, 'src/agent/update/plan_fields.c'), 'utf8');
  const sections = { host: 'HostConfig', config: 'Config', endpoint: 'Endpoint' };
  const rows = Object.entries(sections).flatMap(([c, name]) => {
    const table = text.slice(text.indexOf(`${c}_fields[] = {`)).split('};')[0];
    return [...table.matchAll(/^ +\{"([^"]+)"/gm)].map((m) => `${name}.${m[1]}`);
  });
  const used = new Set(['Config.Image']);
  const collect = (v, path) => {
    used.add(path);
    if (Array.isArray(v)) v.forEach((x) => collect(x, `${path}[]`));
    else if (v && typeof v === 'object') for (const [k, x] of Object.entries(v)) collect(x, `${path}.${k}`);
  };

  for (const body of Object.values(BODIES)) {
    const { HostConfig, NetworkingConfig, ...Config } = body(names);
    collect(Config, 'Config');
    collect(HostConfig ?? {}, 'HostConfig');
    for (const e of Object.values(NetworkingConfig?.EndpointsConfig ?? {})) collect(e, 'Endpoint');
  }
  assert.ok(rows.length > 140, `${rows.length} rows`);
  assert.deepEqual(rows.filter((r) => !used.has(r) && !(r in WITHOUT)), [], 'without a body and without a reason');
  assert.deepEqual(Object.keys(WITHOUT).filter((r) => used.has(r) || !rows.includes(r)), [], 'reasons that nothing needs');
});

test('no field is lost', async (t) => {
  const made = await Promise.all(Object.keys(BODIES).map(async (name) => ({ name, ...(await make(name)) })));
  const old = new Map();

  for (const c of made) old.set(c.name, await engine.inspect(c.id));
  for (const c of made) c.update = await world.update(c.id, { new_image: image[`${kind(c.name)}2`] });
  for (const c of made) {
    await t.test(c.name, async () => {
      const was = old.get(c.name);
      const r = await world.ended(c.update);
      assert.match(r.state, /^(kept|done)$/, JSON.stringify(r.error));
      const images = { old: await inspectImage(image[`${kind(c.name)}1`]), now: await inspectImage(image[`${kind(c.name)}2`]) };
      const now = await engine.inspect(r.new_container_id);

      assertTaken(was, c.body);
      assert.deepEqual(losses(was, now, images), []);
      const twin = await engine.inspect(await engine.create(`${engine.prefix}-twin-${c.name}`, { ...c.body, Image: image[`${kind(c.name)}2`] }));
      const frozen = losses({ ...twin, Mounts: was.Mounts }, now, { old: images.now, now: images.now });
      // Links have the name of the container; one that shares a network shows a host's name once it runs.
      const isNamed = ({ path, before }) => path === 'HostConfig.Links' || (path === 'Config.Hostname' && before === twin.Id.slice(0, 12));
      assert.deepEqual(frozen.filter((d) => /^(Config|HostConfig)\./.test(d.path) && !isNamed(d)), [], 'as the request itself makes it of the new image');
    });
  }
});

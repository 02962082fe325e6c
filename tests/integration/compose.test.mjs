// Compose after an update whose old container is not kept: `up -d` of Compose 2.26 (Debian 13) re-creates nothing.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, ROOT, Server, dockmon } from './lib/dockmon.mjs';
import { Engine, IMAGE } from './lib/engine.mjs';
import { ImageRegistry } from './lib/image-registry.mjs';
import { run } from './lib/process.mjs';
import { eventually } from './lib/wait.mjs';

const later = cleanups();
const trixie = await run(`${ROOT}/script/trixie`, [], { timeout: 300000 });

if (trixie.code !== 0 && trixie.code !== 77) throw new Error(`script/trixie: ${trixie.stderr}`);

test('compose up -d after an update re-creates nothing', { skip: trixie.code === 77 && trixie.stderr.trim() }, async () => {
  const engine = new Engine();
  const project = engine.prefix;
  const dir = await mkdtemp(join(tmpdir(), 'dockmon-compose-'));
  later(() => rm(dir, { recursive: true }));
  const PATH = `${trixie.stdout.trim()}:${process.env.PATH}`;
  const compose = async (...args) => {
    const r = await run('docker-compose', ['-p', project, ...args], { cwd: dir, env: { ...engine.env, PATH, HOME: dir } });
    assert.equal(r.code, 0, `docker-compose ${args.join(' ')}: ${r.stderr}`);
    return r.stderr + r.stdout;
  };
  await engine.ensureImage();
  const registry = await ImageRegistry.start();
  later(() => registry.remove());
  const image = await registry.push(engine, 'app:1', ['CMD ["sleep", "3601"]', 'ENV FROM_IMAGE=1']);
  await writeFile(join(dir, 'compose.yaml'), JSON.stringify({
    services: {
      web: {
        image, environment: { COLOUR: 'red' }, volumes: ['data:/data', '/anonymous'], init: true, stop_grace_period: '1s', mem_limit: '64m',
        restart: 'unless-stopped', depends_on: ['db'], labels: { team: 'shop' }, network_mode: 'none',
      },
      db: { image: IMAGE, command: ['sleep', '3600'], network_mode: 'none', stop_grace_period: '1s' },
    },
    volumes: { data: {} },
  }));
  later(() => compose('down', '-v', '-t', '0'));
  const server = await Server.start();
  later(() => server.remove());
  const operator = await server.client('operator');
  const agent = await Agent.start(server, engine);
  later(() => agent.remove());
  const id = async (service) => (await engine.inspect(`${project}-${service}-1`)).Id;

  await compose('up', '-d');
  const [web, db] = [await id('web'), await id('db')];
  await operator.container(web);
  await registry.push(engine, 'app:1', ['CMD ["sleep", "3602"]', 'ENV FROM_IMAGE=2']);
  const r = await dockmon(server, operator.key, ['update', '--wait', '-t', '1', '--keep', '1', `${project}-web-1`]);
  assert.equal(r.code, 0, r.stderr);
  const updated = await id('web');
  assert.notEqual(updated, web);
  assert.deepEqual((await engine.inspect(updated)).Config.Cmd, ['sleep', '3602']);

  await eventually(async () => !(await engine.exists(web)), { what: 'the old container is gone' });
  const said = await compose('up', '-d');
  assert.deepEqual([await id('web'), await id('db')], [updated, db], said);
});

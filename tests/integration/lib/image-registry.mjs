// A registry of images on loopback: Debian's docker-registry, with images that a test pushes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IMAGE } from './engine.mjs';
import { Process, run } from './process.mjs';
import { closing, eventually } from './wait.mjs';

async function freePort() {
  const s = createServer().listen(0, '127.0.0.1');
  await once(s, 'listening');
  const { port } = s.address();
  s.close();
  await closing(s);
  return port;
}

export class ImageRegistry {
  static async start() {
    const r = new ImageRegistry();
    r.dir = await mkdtemp(join(tmpdir(), 'dockmon-registry-'));
    r.port = await freePort();
    r.name = `127.0.0.1:${r.port}`; // engines accept plain HTTP from loopback
    await r.up();
    return r;
  }

  async up() {
    const config = join(this.dir, 'config.yml');
    await mkdir(join(this.dir, 'data'), { recursive: true });
    await writeFile(config, [
      'version: 0.1', 'log: {level: error}', `http: {addr: "${this.name}"}`,
      `storage: {filesystem: {rootdirectory: "${join(this.dir, 'data')}"}, delete: {enabled: true}}`, '',
    ].join('\n'));
    this.process = new Process('docker-registry', ['serve', config], { name: 'docker-registry' });
    await eventually(async () => (await fetch(`http://${this.name}/v2/`)).ok, { what: 'the registry answers' });
  }

  async down() {
    await this.process.stop('SIGKILL');
  }

  // Builds NAME:TAG on the engine from the image of the tests, and pushes it; `lines` go into its Dockerfile.
  async push(engine, tag, lines = []) {
    const ref = `${this.name}/${tag}`;
    const dir = await mkdtemp(join(tmpdir(), 'dockmon-build-'));

    await writeFile(join(dir, 'Dockerfile'), [`FROM ${IMAGE}`, ...lines, ''].join('\n'));
    const built = await run('docker', ['build', '-q', '-t', ref, dir], { env: { ...engine.env, DOCKER_BUILDKIT: '0' } });
    if (built.code !== 0) throw new Error(`docker build: ${built.stderr}`);
    await engine.docker('push', '-q', ref);
    await rm(dir, { recursive: true });
    return ref;
  }

  async remove() {
    await this.down();
    await rm(this.dir, { recursive: true, force: true });
  }
}

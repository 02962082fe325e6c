// The real Docker Engine of a test, used through the docker CLI as the independent reference.
import { once } from 'node:events';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Process, run } from './process.mjs';
import { eventually } from './wait.mjs';

export const IMAGE = 'dockmon-test:busybox';
const LABEL = 'dockmon-integration-test=1';

export class Engine {
  constructor(host = process.env.DOCKER_HOST || 'unix:///var/run/docker.sock') {
    this.host = host;
    this.env = { DOCKER_HOST: host };
    this.prefix = `dmt-${process.pid}-${Math.random().toString(36).slice(2, 7)}`;
  }

  async docker(...args) {
    const r = await run('docker', args, { env: this.env });
    if (r.code !== 0) throw new Error(`docker ${args.join(' ')}: ${r.stderr || r.stdout}`);
    return r.stdout.trimEnd();
  }

  // A request to the API itself; resolves with { status, body }.
  async api(method, path, body) {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) };
    const out = request({ socketPath: this.host.replace('unix://', ''), method, path: `/v1.41${path}`, headers });

    out.end(text);
    const [answer] = await once(out, 'response');
    const chunks = [];
    for await (const chunk of answer) chunks.push(chunk);
    const all = Buffer.concat(chunks).toString();
    return { status: answer.statusCode, body: all === '' ? null : JSON.parse(all) };
  }

  // Creates a container by the body of POST /containers/create; resolves with its id.
  async create(name, body) {
    const { status, body: answer } = await this.api('POST', `/containers/create?name=${name}`, body);
    if (status !== 201) throw new Error(`create ${name}: ${answer.message}`);
    return answer.Id;
  }

  async ensureImage() {
    const found = await run('docker', ['image', 'inspect', IMAGE], { env: this.env });
    if (found.code === 0) return;
    const dir = await mkdtemp(join(tmpdir(), 'dockmon-image-'));
    await mkdir(join(dir, 'root/bin'), { recursive: true });
    await copyFile('/bin/busybox', join(dir, 'root/bin/busybox'));
    await chmod(join(dir, 'root/bin/busybox'), 0o755);
    for (const name of ['sh', 'sleep', 'echo', 'cat', 'yes', 'head', 'seq', 'printf', 'dd', 'tr', 'true', 'kill'])
      await run('ln', ['-sf', 'busybox', join(dir, 'root/bin', name)]);
    await run('tar', ['-C', join(dir, 'root'), '-cf', join(dir, 'image.tar'), '.']);
    await this.docker('import', join(dir, 'image.tar'), IMAGE);
    await rm(dir, { recursive: true });
  }

  // Creates and starts a container; `name` is made unique and returned with the full id.
  async run(name, { args = [], command = ['sleep', '3600'] } = {}) {
    const full = `${this.prefix}-${name}`;
    const id = await this.docker('run', '-d', '--label', LABEL, '--network', 'none', '--name', full, ...args, IMAGE, ...command);
    return { id, name: full };
  }

  async inspect(ref) {
    return JSON.parse(await this.docker('inspect', ref))[0];
  }

  async state(ref) {
    return (await this.inspect(ref)).State.Status;
  }

  async exists(ref) {
    return (await run('docker', ['inspect', ref], { env: this.env })).code === 0;
  }

  async cleanup() {
    const ids = await this.docker('ps', '-aq', '--filter', `name=${this.prefix}`);
    if (ids) await run('docker', ['rm', '-f', '-v', ...ids.split('\n')], { env: this.env });
  }
}

// A dockerd that the test starts, for faults that must not affect a shared one: restarts and hangs.
export class OwnEngine extends Engine {
  liveRestore = true;
  path = null; // where the next dockerd is searched first

  static async start({ liveRestore = true } = {}) {
    const dir = await mkdtemp(join(tmpdir(), 'dockmon-dockerd-'));
    const engine = new OwnEngine(`unix://${join(dir, 'docker.sock')}`);
    engine.dir = dir;
    engine.liveRestore = liveRestore;
    await engine.up();
    return engine;
  }

  async up() {
    const config = join(this.dir, 'daemon.json'); // separate from the machine's
    await writeFile(config, '{}');
    // Of one that was killed: where nobody reaps processes, it still seems to run.
    for (const file of ['docker.pid', 'exec/containerd/containerd.pid']) await rm(join(this.dir, file), { force: true });
    this.daemon = new Process(
      'dockerd',
      [
        '-H', this.host, '--data-root', join(this.dir, 'data'), '--exec-root', join(this.dir, 'exec'),
        '--pidfile', join(this.dir, 'docker.pid'), '--bridge', 'none', '--iptables=false', '--ip6tables=false',
        '--config-file', config, ...(this.liveRestore ? ['--live-restore'] : []), ...(this.flags ?? []),
      ],
      { name: 'dockerd', env: this.path ? { PATH: `${this.path}:${process.env.PATH}` } : {} },
    );
    await eventually(() => this.docker('version'), { timeout: 60000 });
  }

  async down() {
    await this.daemon.stop('SIGTERM', 60000);
  }

  async remove() {
    await this.cleanup();
    await this.down();
    await run('sh', ['-c', `awk -v d="${this.dir}" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l`]);
    await rm(this.dir, { recursive: true, force: true });
  }
}

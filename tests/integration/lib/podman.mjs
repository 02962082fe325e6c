// Debian's Podman as the engine of a test: its API service with folders of its own. Used through the docker CLI.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine } from './engine.mjs';
import { Process, run } from './process.mjs';
import { eventually } from './wait.mjs';

// The defaults need systemd for logs, events and cgroups, and limits that a container may not have.
const CONFIG = (dir) => `
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
network_config_dir = "${dir}/networks"
`;

export class Podman extends Engine {
  // `insecure`: HOST:PORT of a registry without TLS.
  static async start({ insecure } = {}) {
    const dir = await mkdtemp(join(tmpdir(), 'dockmon-podman-'));
    const engine = new Podman(`unix://${dir}/podman.sock`);
    engine.dir = dir;
    await mkdir(join(dir, 'networks'));
    await writeFile(join(dir, 'containers.conf'), CONFIG(dir));
    await writeFile(join(dir, 'registries.conf'), insecure ? `[[registry]]\nlocation = "${insecure}"\ninsecure = true\n` : '');
    await engine.up();
    return engine;
  }

  get flags() {
    const { dir } = this;
    return ['--root', `${dir}/root`, '--runroot', `${dir}/run`, '--tmpdir', `${dir}/tmp`, '--storage-driver', 'vfs', '--events-backend', 'file', '--cgroup-manager', 'cgroupfs'];
  }

  get own() {
    return { env: { CONTAINERS_CONF: join(this.dir, 'containers.conf'), CONTAINERS_REGISTRIES_CONF: join(this.dir, 'registries.conf') } };
  }

  async up() {
    this.service = new Process('podman', [...this.flags, 'system', 'service', '--time', '0', this.host], { ...this.own, name: 'podman' });
    await eventually(() => this.docker('version'), { timeout: 60000 });
  }

  async down() {
    await this.service.stop();
  }

  // Podman's own CLI.
  async podman(...args) {
    const r = await run('podman', [...this.flags, ...args], this.own);
    if (r.code !== 0) throw new Error(`podman ${args.join(' ')}: ${r.stderr || r.stdout}`);
    return r.stdout.trimEnd();
  }

  async remove() {
    await run('podman', [...this.flags, 'rm', '-f', '-a', '-t', '0'], this.own);
    await this.down();
    await run('sh', ['-c', `awk -v d="${this.dir}" 'index($2, d) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l`]);
    await rm(this.dir, { recursive: true, force: true });
  }
}

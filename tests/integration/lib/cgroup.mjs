// A cgroup of this machine's kernel with a process in it: a container for the agent, without an engine that has its
// own values for it. Needs root.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scriptedContainer } from './scripted-engine.mjs';
import { eventually } from './wait.mjs';

const ROOT = '/sys/fs/cgroup';
const IS_2 = existsSync(join(ROOT, 'cgroup.controllers'));
const CONTROLLERS = IS_2 ? ['.'] : ['cpuacct', 'cpu', 'memory', 'blkio', 'pids'];
const TICK_NS = 10000000;

export const SOURCE = IS_2 ? 'cgroup2' : 'cgroup1';

const number = (text, key) => Number(new RegExp(`^${key} (\\d+)`, 'm').exec(text)?.[1] ?? 0);
let made = 0;

export class Group {
  // Runs `command` in it; `container` is its description for a scripted engine.
  static async start(command = ['sleep', '3600']) {
    const g = new Group();
    g.container = scriptedContainer(process.pid * 100 + made++);
    g.dirs = CONTROLLERS.map((c) => join(ROOT, c, `dockmon-${g.container.Id}`));
    for (const dir of g.dirs) await mkdir(dir);
    g.child = spawn(command[0], command.slice(1), { stdio: 'ignore' });
    g.ended = new Promise((done) => g.child.on('exit', done));
    for (const dir of g.dirs) await writeFile(join(dir, 'cgroup.procs'), `${g.child.pid}`);
    g.container.inspect = { State: { Status: 'running', Running: true, Pid: g.child.pid, StartedAt: new Date().toISOString() }, RestartCount: 0 };
    return g;
  }

  read(controller, file) {
    return readFile(join(this.dirs[IS_2 ? 0 : CONTROLLERS.indexOf(controller)], file), 'utf8');
  }

  // The engine's answer to /containers/ID/stats.
  async stats() {
    const [cpu, used, memory, host] = await Promise.all([
      IS_2 ? this.read('cpu', 'cpu.stat').then((t) => number(t, 'usage_usec') * 1000) : this.read('cpuacct', 'cpuacct.usage').then(Number),
      this.read('memory', IS_2 ? 'memory.current' : 'memory.usage_in_bytes').then(Number, () => 0),
      this.read('memory', 'memory.stat').catch(() => ''),
      readFile('/proc/stat', 'utf8'),
    ]);
    const ticks = /^cpu +(.*)/.exec(host)[1].split(' ').slice(0, 7).reduce((sum, t) => sum + Number(t), 0);
    return {
      id: this.container.Id,
      read: new Date().toISOString(),
      pids_stats: { current: 1 },
      cpu_stats: {
        cpu_usage: { total_usage: cpu },
        system_cpu_usage: ticks * TICK_NS,
        online_cpus: host.match(/^cpu\d/gm).length,
        throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
      },
      memory_stats: { usage: used, limit: 2 ** 33, stats: IS_2 ? { inactive_file: number(memory, 'inactive_file') } : { total_inactive_file: number(memory, 'total_inactive_file') } },
      blkio_stats: { io_service_bytes_recursive: [] },
      networks: {},
    };
  }

  async remove() {
    this.child.kill('SIGKILL');
    await this.ended;
    for (const dir of this.dirs) await eventually(() => rmdir(dir).then(() => true), { what: `${dir} is removed` });
  }
}

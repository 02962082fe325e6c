// Child processes of a test: started, watched line by line, and always ended.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { SLOWNESS } from './wait.mjs';

const running = new Set();

export class Process {
  constructor(command, args, { env = {}, name = command } = {}) {
    this.name = name;
    this.lines = [];
    this.watchers = new Set();
    this.child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const spawned = once(this.child, 'exit').catch((error) => [error.message, null]); // not found, not executable
    this.exited = spawned.then(([code, signal]) => {
      running.delete(this);
      this.exit = { code, signal };
      for (const w of this.watchers) w(null);
      return this.exit;
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        for (const w of [...this.watchers]) w(line);
      });
    }
    running.add(this);
  }

  // The first line, past or future, that matches; fails with the output if there is none.
  async line(pattern, { timeout: wanted = 20000, from = 0 } = {}) {
    const timeout = wanted * SLOWNESS;
    const past = this.lines.slice(from).find((l) => pattern.test(l));
    if (past) return past;
    return new Promise((resolve, reject) => {
      const end = (error, value) => {
        clearTimeout(timer);
        this.watchers.delete(watch);
        if (error) reject(error);
        else resolve(value);
      };
      const fail = (why) =>
        end(new Error(`${this.name}: ${why} before ${pattern}; its output:\n${this.lines.slice(-40).join('\n')}`));
      const timer = setTimeout(() => fail(`${timeout} ms passed`), timeout);
      const watch = (line) => {
        if (line === null) fail(`exited (${JSON.stringify(this.exit)})`);
        else if (pattern.test(line)) end(null, line);
      };
      this.watchers.add(watch);
      if (this.exit) watch(null);
    });
  }

  async stop(signal = 'SIGTERM', timeout = 20000) {
    if (!this.exit) this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeout * SLOWNESS);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }
}

// A report of a sanitizer fails the test, whatever else it asserts.
export function assertClean(p) {
  const report = p.lines.findIndex((l) => /(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:/.test(l));
  if (report >= 0) throw new Error(`${p.name}: sanitizer report\n${p.lines.slice(report, report + 60).join('\n')}`);
}

process.on('exit', () => {
  for (const p of running) p.child.kill('SIGKILL');
});

// Runs a command until it ends and returns { code, stdout, stderr }.
export function run(command, args, { env = {}, input = null, timeout = 60000, cwd } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    const out = [];
    const err = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout * SLOWNESS);
    child.stdout.on('data', (d) => out.push(d));
    child.stderr.on('data', (d) => err.push(d));
    child.on('error', reject);
    child.stdin.on('error', () => {}); // the command may end without reading its input
    child.stdin.end(input ?? '');
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() });
    });
  });
}

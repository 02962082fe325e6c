// A user at an interactive shell: types, presses TAB, and reads the command line.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SHELLS = {
  bash: { command: 'bash --norc --noprofile -i', setup: 'PS1="> "; bind "set bell-style none"; source <(dockmon completion bash)' },
  zsh: { command: 'zsh -f -i', setup: 'PS1="> "; autoload -U compinit; compinit -u -D; source <(dockmon completion zsh)' },
  fish: { command: 'fish --no-config -i', setup: 'function fish_prompt; echo "> "; end; set -g fish_autosuggestion_enabled 0; dockmon completion fish | source' },
};

export class Typist {
  // `env` has a PATH with dockmon.
  static async start(shell, env) {
    const t = new Typist();
    t.home = await mkdtemp(join(tmpdir(), 'dockmon-typist-'));
    t.text = '';
    t.n = 0;
    t.child = spawn('script', ['-qec', `stty cols 200 rows 50; exec ${SHELLS[shell].command}`, '/dev/null'], {
      env: { ...process.env, ...env, HOME: t.home, XDG_CONFIG_HOME: t.home, TERM: 'xterm', SHELL: '/bin/sh', LC_ALL: 'C.UTF-8' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    t.exited = new Promise((done) => t.child.on('exit', done));
    t.child.stdout.on('data', (data) => {
      t.text += data;
    });
    t.child.stdin.write(`${SHELLS[shell].setup}\r`);
    await t.echo('ready');
    return t;
  }

  async wait(pattern, from = 0, timeout = 60000) {
    const end = Date.now() + timeout;
    for (;;) {
      const found = pattern.exec(this.text.slice(from));
      if (found) return found;
      if (Date.now() > end) throw new Error(`no ${pattern} in what the shell shows:\n${JSON.stringify(this.text.slice(from))}`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }

  // The output of an echo with `words` at its end.
  async echo(words) {
    const tag = `T${this.n++}`;
    const from = this.text.length;
    this.child.stdin.write(`echo "${tag}"'<' ${words} "ST"OP\r`);
    return (await this.wait(new RegExp(`${tag}< (.*) STOP`), from))[1];
  }

  // The command line after `typed` and TAB.
  async complete(typed) {
    const tag = `T${this.n++}`;
    const from = this.text.length;
    this.child.stdin.write(`${typed}\t\x01echo "${tag}"'<' \x05 "ST"OP\r`);
    return (await this.wait(new RegExp(`${tag}< (.*?) *STOP`), from))[1];
  }

  // The screen after `typed` and some TABs, once it matches `pattern`. The shell cannot be used afterwards.
  async list(typed, pattern) {
    const from = this.text.length;
    this.child.stdin.write(`${typed}\t\t`);
    return (await this.wait(pattern, from))[0];
  }

  async stop() {
    this.child.kill('SIGKILL'); // which closes its terminal
    await this.exited;
    await rm(this.home, { recursive: true, force: true });
  }
}

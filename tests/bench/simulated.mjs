// Simulated agents (tests/fleet/) and clients of the feed, for the benchmarks that use them.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import WebSocket from '../integration/node_modules/ws/wrapper.mjs';
import { Server, bin } from '../integration/lib/dockmon.mjs';
import { eventually, sleep } from '../integration/lib/wait.mjs';
import { cpuMs, timed } from './lib.mjs';

export class Fleet {
  static async start(server, words) {
    const f = new Fleet();
    const program = process.env.DOCKMON_FLEET ?? join(bin('tests'), 'fleet', 'fleet');
    f.token = await server.admin('token', 'create', '--multi-use');
    f.child = spawn(program, ['--url', server.url.replace('http', 'ws'), '--insecure', '--token', f.token, ...words]);
    f.ended = new Promise((r) => f.child.on('close', r));
    f.child.stderr.pipe(process.stderr);
    f.settled = [];
    createInterface(f.child.stdout).on('line', (line) => {
      f.last = line;
      const m = /^settled seconds=(.*)/.exec(line);
      if (m) f.settled.push(Number(m[1]));
    });
    return f;
  }

  // Resolves with the seconds until all were online for the n-th time.
  async settle(n, timeout) {
    await eventually(() => this.settled.length >= n, { timeout, what: `the agents settle; now: ${this.last}` });
    return this.settled[n - 1];
  }

  storm() {
    this.child.kill('SIGUSR1');
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.ended;
  }
}

export async function cpuPercent(pid, seconds) {
  const begin = await cpuMs(pid);
  const wall = await timed(() => sleep(seconds * 1000));
  return ((await cpuMs(pid)) - begin) / wall * 100;
}

// The RSS of a server depends on its earlier load, so every part starts a new server.
export const startServer = (...args) => Server.start({ args: ['--log-level', 'info', ...args] });

// Opens a client of the feed and resolves when it has the state of its topics; onMessage then gets the unparsed messages.
export function watch(server, key, topics, onMessage) {
  const ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws?subscribe=true`, { headers: { authorization: `Bearer ${key}` }, perMessageDeflate: false });
  ws.on('open', () => ws.send(JSON.stringify({ type: 'subscribe', topics })));
  ws.on('error', () => {});
  return new Promise((resolve) => {
    const onState = (data) => {
      const m = JSON.parse(data);
      if (m.type !== 'state' || !m.last) return;
      ws.off('message', onState);
      ws.on('message', onMessage);
      resolve(ws);
    };
    ws.on('message', onState);
  });
}

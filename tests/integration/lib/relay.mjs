// A TCP relay that misbehaves on demand: in the test's process, or as a separate process in a network namespace.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import net from 'node:net';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';

const SELF = fileURLToPath(import.meta.url);

class Local {
  constructor({ to, delay = 0 }) {
    this.to = to; // {host, port, tls} or {path}
    this.delay = delay; // ms, in each direction
    // pass; drop: accept and close; silent: accept and send nothing; reset: accept and reset;
    // handshake: the head of an HTTP request and all answers; hole: drop everything, connections stay open
    this.mode = 'pass';
    this.accepted = 0;
    this.pairs = new Set();
    this.server = net.createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  async listen(where) {
    this.isUnix = Boolean(where.path);
    if (this.isUnix) await rm(where.path, { force: true });
    this.server.listen(where);
    await once(this.server, 'listening');
    return this.server.address().port;
  }

  accept(socket) {
    this.accepted++;
    socket.on('error', () => {});
    if (this.mode === 'drop') return socket.destroy();
    if (this.mode === 'reset') return socket.resetAndDestroy();
    const pair = { socket, other: null };
    this.pairs.add(pair);
    socket.on('close', () => this.pairs.delete(pair));
    if (this.mode === 'silent' || this.mode === 'hole') return socket.resume();
    const other = this.to.tls ? tls.connect({ ...this.to, tls: undefined, rejectUnauthorized: false }) : net.connect({ ...this.to, noDelay: true });
    pair.other = other;
    other.on('error', () => {});
    this.carry(socket, other, this.mode === 'handshake');
    this.carry(other, socket);
  }

  // In order, after `delay`. There is no back-pressure, because tests send little.
  carry(from, to, isHeadOnly = false) {
    const later = (what) => (this.delay ? setTimeout(what, this.delay) : what());
    let isOver = false;
    from.on('data', (d) => {
      if (!isOver) later(() => this.mode === 'hole' || to.destroyed || to.write(d));
      isOver ||= isHeadOnly && d.includes('\r\n\r\n');
    });
    from.on('close', () => later(() => this.mode === 'hole' || to.destroySoon()));
  }

  set({ mode, delay = this.delay }) {
    this.mode = mode ?? this.mode;
    this.delay = delay;
  }

  cut() {
    for (const { socket, other } of this.pairs) {
      if (this.isUnix) socket.destroy();
      else socket.resetAndDestroy();
      other?.destroy();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}

export class Relay {
  // `wrap`: a command that runs it elsewhere.
  static async start({ listen = { host: '127.0.0.1', port: 0 }, to, delay }, { wrap } = {}) {
    const r = new Relay();
    if (wrap) {
      const [execPath, ...execArgv] = [...wrap, process.execPath];
      r.child = fork(SELF, [], { execPath, execArgv });
      r.child.send({ start: { listen, to, delay } });
      const [{ port }] = await Promise.race([once(r.child, 'message'), once(r.child, 'exit').then(() => [{}])]);
      r.port = port;
    } else {
      r.local = new Local({ to, delay });
      r.port = await r.local.listen(listen);
    }
    return r;
  }

  get accepted() {
    return this.local.accepted;
  }

  set(how) {
    if (this.child) this.child.send({ set: how });
    else this.local.set(how);
  }

  // Ends all connections with a reset.
  cut() {
    this.local.cut();
  }

  async stop() {
    if (this.local) return this.local.close();
    const exited = once(this.child, 'exit');
    this.child.disconnect();
    await exited;
  }
}

if (process.argv[1] === SELF && process.send) {
  let local;
  process.on('message', async ({ start, set }) => {
    if (set) return local.set(set);
    local = new Local(start);
    process.send({ port: await local.listen(start.listen) });
  });
  process.on('disconnect', () => process.exit(0));
}

// A client of /ws/shell on npm `ws`.
import WebSocket from 'ws';
import { closing, within } from './wait.mjs';

export class Shell {
  // Resolves when the socket is open. `start`: the first message, with the command to run.
  static open(server, key, host, container, { start, keep = true, copy } = {}) {
    const s = new Shell();
    const target = copy ? `copy/${host}/${container}?action=${copy.action}&path=${copy.path}` : `shell/${host}/${container}${start ? '?exec=1' : ''}`;
    const url = `${server.url.replace('http', 'ws')}/ws/${target}`;
    s.isPlain = start?.tty === false;
    s.isKept = keep;
    s.chunks = { 1: [], 2: [] };
    s.n = 0;
    s.messages = [];
    s.watchers = new Set();
    s.ws = new WebSocket(url, { headers: key ? { authorization: `Bearer ${key}` } : {}, perMessageDeflate: false });
    s.closed = closing(s.ws, 'the end of a shell');
    s.ws.on('close', (code, reason) => {
      s.end = { code, reason: reason.toString() };
      for (const w of s.watchers) w();
    });
    s.ws.on('message', (data, isBinary) => s.take(data, isBinary));
    const opened = new Promise((resolve, reject) => {
      s.ws.on('error', reject);
      s.ws.on('open', () => {
        if (start) s.send({ type: 'start', ...start });
        resolve(s);
      });
    });
    return within(opened, 'a shell');
  }

  take(data, isBinary) {
    if (!isBinary) {
      this.messages.push(JSON.parse(data));
      return;
    }
    const stream = this.isPlain ? data[0] : 1;
    const bytes = this.isPlain ? data.subarray(1) : data;
    this.n += bytes.length;
    if (!this.isKept) return;
    this.chunks[stream].push(Buffer.from(bytes));
    for (const w of this.watchers) w();
  }

  get text() {
    return Buffer.concat(this.chunks[1]).toString();
  }

  get stdout() {
    return this.text;
  }

  get stderr() {
    return Buffer.concat(this.chunks[2]).toString();
  }

  write(data) {
    this.ws.send(Buffer.isBuffer(data) ? data : Buffer.from(data));
  }

  send(message) {
    this.ws.send(JSON.stringify(message));
  }

  until(pattern, { timeout = 20000 } = {}) {
    return new Promise((resolve, reject) => {
      const end = (f) => {
        clearTimeout(timer);
        this.watchers.delete(look);
        f();
      };
      const look = () => {
        if (pattern.test(this.text)) end(resolve);
        else if (this.end) end(() => reject(new Error(`closed (${JSON.stringify(this.end)}) before ${pattern}:\n${this.text}`)));
      };
      const timer = setTimeout(() => end(() => reject(new Error(`no ${pattern} within ${timeout} ms:\n${this.text.slice(-2000)}`))), timeout);
      this.watchers.add(look);
      look();
    });
  }
}

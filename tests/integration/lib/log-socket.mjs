// A client of /ws/logs on npm `ws`.
import WebSocket from 'ws';
import { closing, eventually, within } from './wait.mjs';

export class LogSocket {
  static open(server, key, headers = {}) {
    const s = new LogSocket();
    s.messages = [];
    s.lines = [];
    s.cursors = {};
    s.ws = new WebSocket(`${server.url.replace('http', 'ws')}/ws/logs`, {
      headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers },
      perMessageDeflate: false,
    });
    s.closed = closing(s.ws);
    s.ws.on('message', (data) => {
      const m = JSON.parse(data);
      if (m.type === 'lines') {
        s.lines.push(...m.lines);
        Object.assign(s.cursors, m.cursors);
      } else s.messages.push(m);
    });
    const opened = new Promise((resolve, reject) => {
      s.ws.on('error', reject);
      s.ws.on('open', () => resolve(s));
    });
    return within(opened, 'a socket for logs');
  }

  send(message) {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  subscribe(id, host, container, more = {}) {
    this.send({ type: 'subscribe', id, host, container, tail: 'all', ...more });
  }

  texts(id) {
    return this.lines.filter((l) => id === undefined || l.id === id).map((l) => l.log);
  }

  message(predicate, options) {
    return eventually(() => this.messages.find(predicate), options);
  }

  has(text, options) {
    return eventually(() => this.texts().includes(text), { what: `line ${text}`, ...options });
  }

  async close() {
    this.ws.close();
    return this.closed;
  }
}

// A proxy between an agent and a server that passes messages on, records the batches of samples, and can be cut.
import { once } from 'node:events';
import { createServer } from 'node:http';
import WebSocket, { WebSocketServer } from 'ws';
import { readSamples } from './msgpack.mjs';

export class SampleTap {
  static async start(url) {
    const t = new SampleTap();
    t.batches = []; // { epoch, seq, late }
    t.isCut = false;
    t.http = createServer((req, res) => res.writeHead(503).end());
    t.wss = new WebSocketServer({ noServer: true });
    t.http.on('upgrade', (req, socket, head) => {
      if (t.isCut) return socket.destroy();
      t.wss.handleUpgrade(req, socket, head, (agent) => t.couple(agent, new WebSocket(url.replace(/^http/, 'ws') + req.url)));
    });
    t.http.listen(0, '127.0.0.1');
    await once(t.http, 'listening');
    t.url = `http://127.0.0.1:${t.http.address().port}`;
    return t;
  }

  couple(agent, server) {
    const waiting = [];
    agent.on('message', (data, isBinary) => {
      if (this.isCut) return;
      if (isBinary) this.batches.push((({ epoch, seq, late }) => ({ epoch, seq, late: Boolean(late) }))(readSamples(data)));
      if (server.readyState === WebSocket.OPEN) server.send(data, { binary: isBinary });
      else waiting.push([data, isBinary]);
    });
    server.on('open', () => waiting.forEach(([data, isBinary]) => server.send(data, { binary: isBinary })));
    server.on('message', (data, isBinary) => this.isCut || agent.send(data, { binary: isBinary }));
    for (const [one, other] of [[agent, server], [server, agent]]) {
      one.on('error', () => {});
      one.on('close', () => other.close());
    }
  }

  // Recorded batches still reach the server; later ones do not.
  cut() {
    this.isCut = true;
    for (const agent of this.wss.clients) agent.terminate();
  }

  mend() {
    this.isCut = false;
  }

  async stop() {
    this.cut();
    this.http.close();
    await once(this.http, 'close');
  }
}

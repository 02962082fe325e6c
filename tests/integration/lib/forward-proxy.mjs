// A proxy that agents and CLIs dial through with CONNECT, and its ways to fail.
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

export class ForwardProxy {
  // `tls`: { cert, key }, for a proxy that is dialled with TLS.
  static async start({ tls } = {}) {
    const p = new ForwardProxy();
    p.requests = []; // { target, authorization }
    p.mode = 'pass'; // or silent, drop, or the text of an answer
    p.sockets = new Set();
    p.server = tls ? https.createServer(tls) : http.createServer();
    p.server.on('connect', (request, socket, rest) => p.connect(request, socket, rest));
    p.server.on('request', (request, response) => {
      p.requests.push({ target: `${request.method} ${request.url}` });
      response.writeHead(400).end();
    });
    p.server.on('connection', (s) => {
      p.sockets.add(s);
      s.on('error', () => {});
    });
    p.server.listen(0, '127.0.0.1');
    await once(p.server, 'listening');
    p.address = `127.0.0.1:${p.server.address().port}`;
    return p;
  }

  connect(request, socket, rest) {
    this.requests.push({ target: request.url, authorization: request.headers['proxy-authorization'] });
    socket.on('error', () => {});
    if (this.mode === 'silent') return;
    if (this.mode === 'drop') return socket.destroy();
    if (this.mode !== 'pass') return socket.end(this.mode);
    const { hostname, port } = new URL(`http://${request.url}`);
    const other = net.connect({ host: hostname, port: Number(port), noDelay: true });
    other.on('error', () => socket.destroy());
    other.on('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      other.write(rest);
      socket.pipe(other).pipe(socket);
    });
    for (const [from, to] of [[socket, other], [other, socket]]) from.on('close', () => to.destroy());
  }

  cut() {
    for (const s of this.sockets) s.destroy();
    this.sockets.clear();
  }

  stop() {
    this.cut();
    this.server.close();
  }
}

// The three programs under test, as processes with data directories of their own.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkAnswer } from './openapi.mjs';
import { Process, assertClean, run } from './process.mjs';
import { eventually } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const BIN = process.env.DOCKMON_BIN_DIR ? resolve(process.env.DOCKMON_BIN_DIR) : join(ROOT, 'build');
export const bin = (name) => join(BIN, name);

// The caller's environment must not configure the programs under test.
const CLEAN_ENV = Object.fromEntries(
  [
    'DOCKMON_URL', 'REGISTRATION_TOKEN', 'PERMANENT_TOKEN', 'DOCKMON_API_KEY', 'DOCKMON_PIN', 'DOCKMON_CA_FILE', 'CA_FILE',
    'INSECURE_SKIP_VERIFY', 'INSECURE_HTTP', 'DOCKMON_INSECURE', 'DOCKMON_INSECURE_HTTP', 'DOCKER_HOST', 'DOCKER_CERT_PATH', 'DOCKER_TLS_VERIFY',
    'HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy',
  ].map((k) => [k, '']),
);

export const temporaryDirectory = () => mkdtemp(join(tmpdir(), 'dockmon-test-'));

export class Server {
  // `wrap` is a command that runs it; in a `network` (lib/netns.mjs) it listens on all addresses there.
  static async start({ dir, args = [], port = 0, env = {}, wrap, network } = {}) {
    const s = new Server();
    s.dir = dir ?? (await temporaryDirectory());
    s.args = args;
    s.env = env;
    s.network = network;
    s.wrap = wrap ?? network?.wrap ?? [];
    s.address = network ? '[::]' : '127.0.0.1';
    await s.up(port);
    return s;
  }

  async up(port = this.port ?? 0) {
    const [command, ...args] = [...this.wrap, bin('dockmond')];
    this.process = new Process(
      command,
      [...args, '--listen', `${this.address}:${port}`, '--data-dir', this.dir, '--log-level', 'debug', ...this.args],
      // Tests send more requests than people; limits.test.mjs has the limits. No test asks a public registry.
      { env: { ...CLEAN_ENV, DOCKMOND_RATE_LIMIT: '0', DOCKMOND_IMAGE_CHECK_INTERVAL: '0', ...this.env }, name: 'dockmond' },
    );
    const line = await this.process.line(/listening on https?:\/\/\S+:\d+/);
    const [, url, scheme, portText] = /((https?):\/\/\S+:(\d+))/.exec(line);
    this.port = portText;
    this.scheme = scheme;
    if (!this.network) this.url = url;
    else this.url ??= await this.network.publish(Number(portText), { tls: scheme === 'https' });
  }

  // The URL for an agent at that end of a cable.
  urlAt(host) {
    return `${this.scheme}://${host.includes(':') ? `[${host}]` : host}:${this.port}`;
  }

  async down(signal = 'SIGTERM') {
    const exit = await this.process.stop(signal);
    assertClean(this.process);
    if (signal === 'SIGTERM') assert.equal(exit.code, 0, `dockmond ended with ${JSON.stringify(exit)}`);
  }

  async remove() {
    await this.down();
    await rm(this.dir, { recursive: true, force: true });
  }

  // Offline administration on the same data directory; returns what it prints.
  async admin(...words) {
    const r = await run(bin('dockmond'), ['--data-dir', this.dir, ...words], { env: CLEAN_ENV });
    assert.equal(r.code, 0, `dockmond ${words.join(' ')}: ${r.stderr}`);
    return r.stdout.trim();
  }

  token(...flags) {
    return this.admin('token', 'create', ...flags);
  }

  async client(role = 'admin') {
    const name = `test-${role}-${Math.random().toString(36).slice(2, 8)}`;
    return new Client(this, { key: await this.admin('apikey', 'create', '--name', name, '--role', role) });
  }

  // A session of the first user, with the initial password changed to `password`.
  async adminSession(password) {
    const initial = await this.adminPassword();
    const c = new Client(this);
    const r = await c.fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password: initial } });
    assert.equal(r.status, 200);
    c.cookie = r.headers.get('set-cookie').split(';')[0];
    await c.post('/api/v2/auth/change-password', { current_password: initial, new_password: password });
    return c;
  }

  // The cookie of a new user, whose initial password the admin has set and the user has changed.
  async sessionOf(admin, username, role) {
    await admin.post('/api/v2/users', { username, password: 'a first password', role });
    const c = new Client(this);
    const r = await c.fetch('POST', '/api/v2/auth/login', { body: { username, password: 'a first password' } });
    assert.equal(r.status, 200);
    c.cookie = r.headers.get('set-cookie').split(';')[0];
    await c.post('/api/v2/auth/change-password', { current_password: 'a first password', new_password: 'a second password' });
    return c.cookie;
  }

  async adminPassword() {
    return (await readFile(join(this.dir, 'initial-admin-password'), 'utf8')).trim();
  }
}

export class Client {
  constructor(server, { key = null, cookie = null } = {}) {
    this.server = server;
    this.key = key;
    this.cookie = cookie;
  }

  // Every answer is compared with docs/api/openapi.json.
  async fetch(method, path, { body, headers = {} } = {}) {
    const h = { ...headers };
    if (this.key) h.authorization = `Bearer ${this.key}`;
    if (this.cookie) h.cookie = this.cookie;
    if (body !== undefined && !h['content-type']) h['content-type'] = 'application/json';
    const r = await fetch(this.server.url + path, {
      method,
      headers: h,
      body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
    });
    await checkAnswer(method, path, r);
    return r;
  }

  // The parsed answer; another status than `status` fails the test with the answer's text.
  async call(method, path, { status = 200, ...options } = {}) {
    const r = await this.fetch(method, path, options);
    const text = await r.text();
    assert.equal(r.status, status, `${method} ${path}: ${r.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  get(path, options) {
    return this.call('GET', path, options);
  }

  post(path, body, options) {
    return this.call('POST', path, { body, ...options });
  }

  delete(path, options) {
    return this.call('DELETE', path, options);
  }

  async onlineHost({ timeout = 20000 } = {}) {
    return eventually(async () => (await this.get('/api/hosts')).find((h) => h.status === 'online'), {
      timeout,
      what: 'a host comes online',
    });
  }

  async container(ref, { timeout = 20000 } = {}) {
    return eventually(async () => (await this.get('/api/containers')).find((c) => c.name === ref || c.full_id === ref), {
      timeout,
      what: `container ${ref} is listed`,
    });
  }
}

export class Agent {
  // `env` overrides; a registration token is created unless a token is given. `wrap` is a command that runs it.
  static async start(server, engine, { dir, env = {}, token, wrap = [] } = {}) {
    const a = new this();
    a.server = server;
    a.engine = engine;
    a.dir = dir ?? (await temporaryDirectory());
    a.env = { ...env };
    a.wrap = wrap;
    a.token = token === undefined ? await server.token() : token;
    await a.up();
    return a;
  }

  async up() {
    const [command, ...args] = [...this.wrap, bin('dockmon-agent')];
    this.process = new Process(command, args, {
      name: 'dockmon-agent',
      env: {
        ...CLEAN_ENV,
        DOCKMON_URL: this.server.url,
        REGISTRATION_TOKEN: this.token ?? '',
        DATA_PATH: this.dir,
        DOCKER_HOST: this.engine.host,
        LOG_LEVEL: 'debug',
        LOG_JSON: 'false',
        RECONNECT_INITIAL: '100ms',
        RECONNECT_MAX: '1s',
        ...this.env,
      },
    });
  }

  async down(signal = 'SIGTERM') {
    const exit = await this.process.stop(signal);
    assertClean(this.process);
    if (signal === 'SIGTERM') assert.equal(exit.code, 0, `dockmon-agent ended with ${JSON.stringify(exit)}`);
  }

  // Restarts it; it takes this container for the one that it runs in; null: it runs in none.
  async runsIn(id, client) {
    await this.down();
    await eventually(async () => (await client.get('/api/hosts')).every((h) => h.status !== 'online'), { what: 'the agent has gone' });
    this.env.HOSTNAME = id ? id.slice(0, 12) : '';
    await this.up();
    await client.onlineHost();
  }

  async remove() {
    await this.down();
    await rm(this.dir, { recursive: true, force: true });
  }
}

// The CLI, with a separate configuration.
export async function dockmon(server, key, args, { env = {}, input } = {}) {
  const r = await run(bin('dockmon'), args, {
    env: { ...CLEAN_ENV, DOCKMON_URL: server?.url ?? '', DOCKMON_API_KEY: key ?? '', NO_COLOR: '1', LC_ALL: 'C.UTF-8', ...env },
    input,
  });
  assertClean({ name: `dockmon ${args.join(' ')}`, lines: r.stderr.split('\n') });
  return r;
}

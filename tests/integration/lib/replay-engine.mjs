// An engine that behaves as the one of a recorded conversation did. Its objects are those of the first replies that name
// them; from then on only requests change it. A shell prints what the recorded one printed.
import { ScriptedEngine } from './scripted-engine.mjs';

const EXEC = 'e'.repeat(64);
const VERSION = { Version: '20.10.24+dfsg1', ApiVersion: '1.41', MinAPIVersion: '1.12', Os: 'linux', Arch: 'amd64' };
const full = (id) => id.padEnd(64, '0');
const matches = (id, ref) => id.replace('sha256:', '').startsWith(ref.replace('sha256:', ''));
const unix = (text) => Math.floor(Date.parse(text) / 1000);

// The element of a container of which only the inspect reply is known.
const listed = (c) => ({
  Id: c.Id, Names: [c.Name], Image: c.Config.Image, ImageID: c.Image, Command: [c.Path, ...c.Args].join(' '), Created: unix(c.Created), Ports: [],
  Labels: c.Config.Labels ?? {}, State: c.State.Status, Status: c.State.Status, HostConfig: { NetworkMode: c.HostConfig.NetworkMode },
  NetworkSettings: { Networks: c.NetworkSettings.Networks }, Mounts: c.Mounts,
});

const inspected = (e) => ({
  Id: e.Id, Name: e.Names[0], Created: new Date(e.Created * 1000).toISOString(), Path: 'sh', Args: [], Image: e.ImageID, Mounts: e.Mounts,
  State: { Status: e.State, Running: e.State === 'running', StartedAt: e.StartedAt ?? '0001-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' },
  Config: { Image: e.Image, Env: null, Labels: e.Labels, Tty: false }, HostConfig: { ...e.HostConfig, RestartPolicy: { Name: 'no', MaximumRetryCount: 0 } },
  NetworkSettings: e.NetworkSettings,
});

export class ReplayEngine extends ScriptedEngine {
  static async start(register) {
    const e = Object.setPrototypeOf(await ScriptedEngine.start(), ReplayEngine.prototype);

    e.info = {
      ID: register.engine_id, Name: register.hostname, OSType: register.os_type, OperatingSystem: register.os_version, KernelVersion: register.kernel_version,
      ServerVersion: register.docker_version, MemTotal: register.total_memory, NCPU: register.num_cpus,
    };
    e.daemonStartedAt = register.daemon_started_at;
    e.inspects = new Map(); // of each container, by its id
    e.logs = new Map(); // of each container: its lines with their times
    e.images = [];
    e.networks = [];
    e.volumes = [];
    e.refusals = new Map(); // of images that cannot be removed: the engine's words
    e.newNetworkId = null; // that of the next network
    e.shell = []; // texts that a shell prints: at first, and after each input
    e.http.on('upgrade', (req, socket, head) => e.openShell(req, socket, head));
    return e;
  }

  /* --- what the recording says about objects that this engine has not seen --- */

  learnContainer(element, inspect) {
    const id = (element ?? inspect).Id;

    if (this.inspects.has(id)) return;
    this.inspects.set(id, structuredClone(inspect ?? inspected(element)));
    this.containers.push(structuredClone(element ?? listed(inspect)));
    this.containers.sort((a, b) => b.Created - a.Created); // the newest one is the first in its lists
  }

  // Of some containers only the log was recorded, or that they were updated.
  learnUnknown(container) {
    const unknown = { Image: 'lab/box:1.0', ImageID: 'sha256:', Created: 0, Labels: {}, Mounts: [], HostConfig: {}, NetworkSettings: { Networks: {} } };

    if (!this.containers.some((e) => matches(e.Id, container)))
      this.learnContainer({ Id: full(container), Names: [`/${container}`], State: 'exited', ...unknown });
  }

  learnLogs(container, text) {
    this.learnUnknown(container);
    const c = this.containers.find((e) => matches(e.Id, container));

    this.logs.set(c.Id, text.split('\n').filter(Boolean).sort());
    this.inspects.get(c.Id).Config.Tty = text.includes('\r\n');
  }

  learnImages(elements) {
    for (const i of elements) {
      const known = this.containers.find((c) => matches(c.ImageID, i.id))?.ImageID;
      const image = { Id: known ?? `sha256:${full(i.id)}`, RepoTags: i.tags, RepoDigests: [], Size: i.size, Created: unix(i.created), Labels: null };

      if (!this.images.some((e) => e.Id === image.Id)) this.images.push(image);
    }
  }

  learnNetworks(elements) {
    const endpoints = this.containers.flatMap((c) => Object.values(c.NetworkSettings.Networks ?? {}));

    for (const n of elements) {
      if (this.networks.some((e) => matches(e.Id, n.id))) continue;
      const id = endpoints.find((p) => matches(p.NetworkID ?? '', n.id))?.NetworkID ?? full(n.id);
      const config = n.subnet ? [{ Subnet: n.subnet }] : [];
      this.networks.push({ Id: id, Name: n.name, Driver: n.driver, Scope: n.scope, Created: n.created, Internal: n.internal, IPAM: { Config: config }, Labels: {} });
    }
  }

  learnVolumes(elements) {
    for (const v of elements) {
      if (!this.volumes.some((e) => e.Name === v.name))
        this.volumes.push({ Name: v.name, Driver: v.driver, Scope: 'local', Mountpoint: v.mountpoint, CreatedAt: v.created, Labels: null });
    }
  }

  forget(container) {
    this.containers = this.containers.filter((c) => !matches(c.Id, container));
  }

  /* --- the API --- */

  onRequest(req, res) {
    let body = '';

    req.on('data', (d) => (body += d));
    req.on('end', () => {
      this.body = body;
      super.onRequest(req, res);
    });
  }

  answer(method, path, query, res) {
    const json = (status, value) => res.writeHead(status, { 'Content-Type': 'application/json', 'Api-Version': VERSION.ApiVersion }).end(JSON.stringify(value));
    const empty = (status = 204) => res.writeHead(status).end();
    const [, kind, ref, verb = ''] = /^\/(\w+)(?:\/([^/]+))?(?:\/(\w+))?/.exec(path);

    if (path === '/_ping') res.writeHead(200, { 'Api-Version': VERSION.ApiVersion }).end('OK');
    else if (path === '/version') json(200, VERSION);
    else if (path === '/info' || path === '/events' || path === '/containers/json') super.answer(method, path, query, res);
    else if (kind === 'containers') this.onContainer(method, decodeURIComponent(ref), verb, query, { json, empty, res });
    else if (kind === 'images') this.onImage(method, ref, query, { json });
    else if (kind === 'networks') this.onNetwork(method, ref, verb, { json, empty });
    else if (kind === 'volumes') this.onVolume(method, ref, verb, query, { json, empty });
    else if (kind === 'exec' && verb === 'json') json(200, { Running: false, ExitCode: 0 });
    else if (kind === 'exec') empty(200); // resize
    else json(404, { message: 'page not found' });
  }

  onContainer(method, ref, verb, query, { json, empty, res }) {
    const c = this.containers.find((e) => matches(e.Id, ref));
    const refuse = (status, message) => json(status, { message });
    const isRunning = c?.State === 'running';

    if (!c) refuse(404, `No such container: ${ref}`);
    else if (method === 'GET' && verb === 'json') json(200, this.inspects.get(c.Id));
    else if (verb === 'logs') this.sendLogs(c, query.get('tail'), res);
    else if (verb === 'stats') json(200, this.stats());
    else if (verb === 'exec') json(201, { Id: EXEC });
    else if (verb === 'start') isRunning ? empty(304) : (this.setState(c, 'running', 'start'), empty());
    else if (verb === 'stop') isRunning ? (this.setState(c, 'exited', 'die', 'stop'), empty()) : empty(304);
    else if (verb === 'restart') this.setState(c, 'running', 'die', 'start', 'restart'), empty();
    else if (verb === 'kill' && !isRunning) refuse(409, `Cannot kill container: ${ref}: Container ${c.Id} is not running`);
    else if (verb === 'kill') this.setState(c, 'exited', 'kill', 'die'), empty();
    else if (verb === 'rename') this.rename(c, query.get('name'), { empty, refuse });
    else if (method === 'DELETE') this.forget(c.Id), this.event(c, 'destroy'), empty();
    else refuse(404, 'page not found');
  }

  setState(c, state, ...actions) {
    const inspect = this.inspects.get(c.Id);

    c.State = state;
    c.Status = state === 'running' ? 'Up 1 second' : 'Exited (0) 1 second ago';
    inspect.State.Status = state;
    inspect.State.Running = state === 'running';
    for (const endpoint of Object.values(c.NetworkSettings.Networks ?? {})) endpoint.EndpointID = state === 'running' ? EXEC : '';
    for (const action of actions) this.event(c, action);
  }

  rename(c, name, { empty, refuse }) {
    const other = this.containers.find((e) => e !== c && e.Names[0] === `/${name}`);

    if (other) {
      refuse(409, `Error when allocating new name: Conflict. The container name "/${name}" is already in use by container "${other.Id}". You have to remove (or rename) that container to be able to reuse that name.`);
      return;
    }
    c.Names = [`/${name}`];
    this.inspects.get(c.Id).Name = `/${name}`;
    this.event(c, 'rename');
    empty();
  }

  // Frames of both streams in the order of their times; of a terminal the text alone.
  sendLogs(c, tail, res) {
    const lines = (this.logs.get(c.Id) ?? []).slice(-Number(tail));
    const isTerminal = this.inspects.get(c.Id).Config.Tty;

    res.writeHead(200, { 'Content-Type': 'application/vnd.docker.raw-stream' });
    for (const line of lines) {
      const text = Buffer.from(`${line}\n`);
      const head = Buffer.from([/Z err /.test(line) ? 2 : 1, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(text.length, 4);
      res.write(isTerminal ? text : Buffer.concat([head, text]));
    }
    res.end();
  }

  // One busy container: its counters grow from one answer to the next.
  stats() {
    this.samples = (this.samples ?? 0) + 1;
    const usage = (n) => ({ cpu_usage: { total_usage: n * 1e7 }, system_cpu_usage: n * 1e9, online_cpus: 2 });
    return {
      read: new Date().toISOString(), cpu_stats: usage(this.samples), precpu_stats: usage(this.samples - 1), pids_stats: { current: 1 },
      memory_stats: { usage: 651264, limit: 25276510208, stats: { inactive_file: 0, anon: 651264, file: 0 } },
      networks: { eth0: { rx_bytes: 516, tx_bytes: 0 } }, blkio_stats: { io_service_bytes_recursive: [] },
    };
  }

  usersOf(image) {
    return this.containers.filter((c) => c.ImageID === image.Id);
  }

  onImage(method, ref, query, { json }) {
    const image = this.images.find((e) => matches(e.Id, ref));

    if (ref === 'prune') {
      const unused = this.images.filter((i) => this.usersOf(i).length === 0);
      this.images = this.images.filter((i) => !unused.includes(i));
      json(200, { ImagesDeleted: unused.map((i) => ({ Deleted: i.Id })), SpaceReclaimed: 0 });
    } else if (method === 'GET') json(200, ref === 'json' ? this.images : { Id: ref, RepoDigests: [] });
    else if (!image && !this.refusals.has(ref)) json(404, { message: `No such image: ${ref}` });
    else json(409, { message: this.refusals.get(ref) });
  }

  onNetwork(method, ref, verb, { json, empty }) {
    const network = ref && this.networks.find((e) => matches(e.Id, ref));

    if (method === 'GET' && !ref) json(200, [...this.networks, ...this.bridgeOfStart()]);
    else if (ref === 'create') this.createNetwork(JSON.parse(this.body), json);
    else if (ref === 'prune') {
      const unused = this.networks.filter((n) => !['bridge', 'host', 'none'].includes(n.Name)).map((n) => n.Name);
      this.networks = this.networks.filter((n) => !unused.includes(n.Name));
      json(200, { NetworksDeleted: unused });
    } else if (!network) json(404, { message: `network ${ref} not found` });
    else if (method === 'GET') json(200, network);
    else {
      this.networks = this.networks.filter((n) => n !== network);
      empty();
    }
  }

  // The agent takes the start of the engine from this network, before any list was recorded.
  bridgeOfStart() {
    return this.networks.length > 0 ? [] : [{ Id: full('b'), Name: 'bridge', Created: this.daemonStartedAt, IPAM: { Config: [] } }];
  }

  createNetwork(body, json) {
    if (this.networks.some((n) => n.Name === body.Name)) {
      json(409, { message: `network with name ${body.Name} already exists` });
      return;
    }
    const network = { Id: full(this.newNetworkId), Name: body.Name, Driver: body.Driver, Scope: 'local', Created: new Date().toISOString(), Internal: body.Internal, IPAM: body.IPAM, Labels: {} };
    this.networks.push(network);
    json(201, { Id: network.Id, Warning: '' });
  }

  onVolume(method, ref, verb, query, { json, empty }) {
    const users = this.containers.filter((c) => c.Mounts.some((m) => m.Name === ref)).map((c) => c.Id);

    if (method === 'GET') json(200, { Volumes: this.volumes, Warnings: null });
    else if (ref === 'prune' && query.get('filters')) json(400, { message: "Invalid filter 'all'" });
    else if (ref === 'prune') json(200, { VolumesDeleted: [], SpaceReclaimed: 0 });
    else if (!this.volumes.some((v) => v.Name === ref)) json(404, { message: `get ${ref}: no such volume` });
    else if (users.length > 0) json(409, { message: `remove ${ref}: volume is in use - [${users.join(', ')}]` });
    else {
      this.volumes = this.volumes.filter((v) => v.Name !== ref);
      empty();
    }
  }

  // The body of the request comes first, then what is typed.
  openShell(req, socket, head) {
    let left = Number(req.headers['content-length'] ?? 0);
    const outputs = [...this.shell];
    const print = () => {
      for (const text of outputs.shift() ?? []) socket.write(text);
      if (outputs.length === 0) socket.end();
    };
    const onInput = (data) => {
      const typed = data.length - left;
      left = Math.max(0, left - data.length);
      if (typed > 0) print();
    };

    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    if (head.length > 0) onInput(head);
    socket.on('data', onInput);
    print();
  }
}

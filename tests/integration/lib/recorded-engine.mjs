// An engine that this machine does not have, played from answers that a real one gave: tests/integration/engines. It
// refuses API versions as that engine does, and can be exchanged for another one behind the same socket.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './dockmon.mjs';
import { ScriptedEngine } from './scripted-engine.mjs';

const minor = (version) => Number(version.split('.')[1]);

export class RecordedEngine extends ScriptedEngine {
  static async load(name, changes = {}) {
    const recording = JSON.parse(await readFile(join(ROOT, 'tests/integration/engines', `${name}.json`), 'utf8'));
    Object.assign(recording.version, changes);
    return recording;
  }

  static async start(recording) {
    const e = Object.setPrototypeOf(await ScriptedEngine.start(), RecordedEngine.prototype);
    e.recording = recording;
    return e;
  }

  // Another engine answers from now on; the streams of the old one end.
  exchange(recording) {
    this.recording = recording;
    for (const res of [...this.events]) res.destroy();
  }

  onRequest(req, res) {
    const asked = /^\/v1\.(\d+)\//.exec(req.url)?.[1];
    const { ApiVersion, MinAPIVersion } = this.recording.version;
    const refuse = (what, limit, version) =>
      res.writeHead(400, { 'Content-Type': 'application/json' }).end(JSON.stringify({ message: `client version 1.${asked} is too ${what}. ${limit} supported API version is ${version}` }));
    if (asked && Number(asked) > minor(ApiVersion)) return refuse('new', 'Maximum', ApiVersion);
    if (asked && Number(asked) < minor(MinAPIVersion)) return refuse('old', 'Minimum', MinAPIVersion);
    return super.onRequest(req, res);
  }

  answer(method, path, query, res) {
    const json = (status, value) => {
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(typeof value === 'string' ? value : JSON.stringify(value));
    };
    const r = this.recording;
    const ref = /^\/containers\/([^/]+)/.exec(path)?.[1];
    const found = r.containers.find((c) => c.Id === ref || c.Names.includes(`/${ref}`));
    const isPodman = r.version.Components.some((c) => c.Name === 'Podman Engine');

    if (path === '/_ping') res.writeHead(200, { 'Api-Version': r.version.ApiVersion }).end('OK');
    else if (path === '/version') json(200, r.version);
    else if (path === '/info') json(200, r.info);
    else if (path === '/networks') json(200, r.networks);
    else if (path === '/volumes') json(200, r.volumes);
    else if (path === '/images/json') json(200, r.images);
    else if (path.startsWith('/images/') && path.endsWith('/json')) json(200, r.image);
    else if (path === '/containers/json') json(200, this.listOf(r, query));
    else if (path === '/events') this.openEvents(query, res);
    else if (path === '/volumes/prune' && isPodman && query.get('filters')) json(500, { message: '"all" is an invalid volume filter' });
    else if (path === '/volumes/prune') json(200, { VolumesDeleted: ['unused'], SpaceReclaimed: 1 });
    else if (ref && ref !== 'json' && !found) json(...r.errors.no_container);
    else if (method === 'GET' && path === `/containers/${ref}/json`) json(200, r.inspect[found.Id]);
    else if (path.endsWith('/rename')) json(...r.errors.rename_taken);
    else if (method === 'POST') res.writeHead(204).end();
    else json(404, { message: 'page not found' });
  }

  listOf(r, query) {
    const wanted = query.get('filters') ? JSON.parse(query.get('filters')).id : null;
    const ids = wanted && (Array.isArray(wanted) ? wanted : Object.keys(wanted));
    return ids ? r.containers.filter((c) => ids.includes(c.Id)) : r.containers;
  }

  // Sends the recorded events as if they happened now, in their order.
  replay() {
    const start = BigInt(Date.now()) * 1000000n;
    this.recording.events.forEach((e, i) => {
      const ns = start + BigInt(i) * 1000000n;
      const line = JSON.stringify({ ...e, time: Number(ns / 1000000000n) }).replace(/"timeNano":\d+/, `"timeNano":${ns}`);
      for (const res of this.events) res.write(`${line}\n`);
    });
  }
}

// Images, networks and volumes of all hosts as rows of one shape, and the requests about them.
import { api } from '../api/client';
import { dockmon } from './cli';
import { bytes } from '../parts/size';
import { t } from '../text';

export type Kind = 'images' | 'networks' | 'volumes';

export interface Row {
  key: string;
  name: string;
  ref: string; // in requests
  host: string;
  hostName: string;
  detail: string;
  weight: number; // of the detail, for the order
  created: string;
  users: { id: string; name: string }[];
  isFixed: boolean; // cannot be removed
}

type Place = { id: string; name: string };

export async function list(kind: Kind, h: Place): Promise<Row[]> {
  const path = { host: h.id };
  const row = (name: string, ref: string, rest: Partial<Row>): Row => ({
    ...{ name, ref, host: h.id, hostName: h.name, detail: '', weight: 0, created: '', users: [], isFixed: false },
    ...rest,
    key: `${h.id}/${ref}/${name}`,
  });
  if (kind === 'images')
    return (await api.get('/api/hosts/{host}/images', { path })).flatMap((i) =>
      (i.tags.length > 0 ? i.tags : ['']).map((tag) => row(tag || t.resources.unnamed, tag || i.id, { detail: bytes(i.size), weight: i.size, created: i.created, users: i.containers })),
    );
  if (kind === 'networks')
    return (await api.get('/api/hosts/{host}/networks', { path })).map((n) =>
      row(n.name, n.id, { detail: [n.driver, n.subnet, n.internal ? t.resources.internal : ''].filter(Boolean).join(', '), created: n.created, users: n.containers, isFixed: n.is_builtin }),
    );
  return (await api.get('/api/hosts/{host}/volumes', { path })).map((v) => row(v.name, v.name, { detail: v.driver, created: v.created, users: v.containers }));
}

export function remove(kind: Kind, r: Row): Promise<unknown> {
  if (kind === 'images') return api.delete('/api/hosts/{host}/images/{image}', { path: { host: r.host, image: r.ref } });
  if (kind === 'networks') return api.delete('/api/hosts/{host}/networks/{network}', { path: { host: r.host, network: r.ref } });
  return api.delete('/api/hosts/{host}/volumes/{volume}', { path: { host: r.host, volume: r.ref } });
}

const NOUN = { images: 'image', networks: 'network', volumes: 'volume' };

export const removeLine = (kind: Kind, r: Row): string =>
  dockmon(...(kind === 'images' ? ['rmi'] : [NOUN[kind], 'rm']), '--host', r.hostName, kind === 'networks' ? r.name : r.ref);

export interface Pruned {
  n: number;
  space: number;
  names: string[];
}

export async function prune(kind: Kind, host: string, all: boolean, isDry: boolean): Promise<Pruned> {
  const path = { host };
  if (kind === 'images') {
    const r = await api.post('/api/hosts/{host}/images/prune', { path, query: { all, dry_run: isDry } });
    return { n: r.removed_count, space: r.space_reclaimed, names: r.images_removed ?? [] };
  }
  if (kind === 'networks') {
    const r = await api.post('/api/hosts/{host}/networks/prune', { path, query: { dry_run: isDry } });
    return { n: r.removed_count, space: 0, names: r.networks_removed };
  }
  const r = await api.post('/api/hosts/{host}/volumes/prune', { path, query: { all, dry_run: isDry } });
  return { n: r.removed_count, space: r.space_reclaimed ?? 0, names: r.volumes_removed };
}

export const pruneLine = (kind: Kind, hosts: string[], all: boolean): string =>
  dockmon(NOUN[kind], 'prune', ...(all && kind !== 'networks' ? ['-a'] : []), ...hosts.flatMap((h) => ['--host', h]));

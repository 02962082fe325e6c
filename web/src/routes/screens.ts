// The screens of the app by the first part of their path. Each is a chunk of its own, loaded when it is first shown. The
// screen reads the rest of the path from router.parts.
// To add one: a file in this folder, a row here, its strings in src/text/en.ts, an icon of its name in src/icons.svg.
import type { Component } from 'svelte';
import type { Role } from '../state/session.svelte';
import { t } from '../text';

interface Row {
  name: string;
  isDetail?: boolean; // of one object, whose id follows the name
  role?: Role; // the least role that may see it
  label: string; // '' for a screen that is not in the navigation
  load: () => Promise<{ default: Component<Record<string, never>> }>;
}

export const FIRST = '/containers';

export const screens: Row[] = [
  { name: 'containers', label: t.nav.containers, load: () => import('./Containers.svelte') },
  { name: 'containers', isDetail: true, label: '', load: () => import('./Container.svelte') },
  { name: 'hosts', label: t.nav.hosts, load: () => import('./Hosts.svelte') },
  { name: 'hosts', isDetail: true, label: '', load: () => import('./Host.svelte') },
  { name: 'add-host', label: '', load: () => import('./AddHost.svelte') },
  { name: 'updates', label: t.nav.updates, load: () => import('./Updates.svelte') },
  { name: 'images', label: t.resources.titles.images, load: () => import('./Resources.svelte') },
  { name: 'networks', label: t.resources.titles.networks, load: () => import('./Resources.svelte') },
  { name: 'volumes', label: t.resources.titles.volumes, load: () => import('./Resources.svelte') },
  { name: 'audit', role: 'admin', label: t.audit.title, load: () => import('./Audit.svelte') },
  { name: 'logs', label: '', load: () => import('./Logs.svelte') },
  { name: 'account', label: t.nav.account, load: () => import('./Account.svelte') },
];

export function find(parts: string[]): Row | undefined {
  return screens.find((s) => s.name === parts[0] && (s.isDetail ?? false) === parts.length > 1);
}

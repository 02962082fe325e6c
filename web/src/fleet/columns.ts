// The columns of the table of containers: one description for header, cell and order.
import type { Container } from '../api/client';
import { fleet, keyOf } from '../live/fleet.svelte';
import { t } from '../text';
import { imageParts, stateView } from './container';

export type ColumnName = 'name' | 'state' | 'host' | 'image' | 'cpu' | 'memory' | 'net' | 'ports' | 'uptime' | 'stack' | 'tags';

export interface Column {
  name: ColumnName;
  label: string;
  width: string; // of the grid
  isLive?: boolean; // its order changes every second
  isNumber?: boolean;
  isHidden?: boolean; // unless the user shows it
  value: (c: Container) => string | number;
}

const live = (c: Container) => fleet.sample(keyOf(c));
const startOf = (c: Container): number => (c.state === 'running' && c.started_at ? -Date.parse(c.started_at) : 0);

export const columns: Column[] = [
  { name: 'name', label: t.columns.name, width: 'minmax(140px, 2.2fr)', value: (c) => c.name ?? '' },
  { name: 'state', label: t.columns.state, width: '112px', value: (c) => stateView(c).word + stateView(c).detail },
  { name: 'host', label: t.columns.host, width: 'minmax(64px, 1fr)', value: (c) => c.host_name ?? '' },
  { name: 'stack', label: t.columns.stack, width: 'minmax(80px, 1fr)', isHidden: true, value: (c) => c.compose_project ?? '' },
  { name: 'image', label: t.columns.image, width: 'minmax(96px, 1.6fr)', value: (c) => imageParts(c.image).name + imageParts(c.image).tag },
  { name: 'cpu', label: t.columns.cpu, width: '68px', isLive: true, isNumber: true, value: (c) => live(c)?.cpu_percent ?? -1 },
  { name: 'memory', label: t.columns.memory, width: '122px', isLive: true, isNumber: true, value: (c) => live(c)?.memory_usage ?? -1 },
  { name: 'net', label: t.columns.net, width: '74px', isLive: true, isNumber: true, value: (c) => live(c)?.net_bytes_per_sec ?? -1 },
  { name: 'ports', label: t.columns.ports, width: 'minmax(64px, 1fr)', value: (c) => c.ports.length },
  { name: 'uptime', label: t.columns.uptime, width: '64px', isNumber: true, value: startOf },
  { name: 'tags', label: t.columns.tags, width: 'minmax(80px, 1fr)', isHidden: true, value: (c) => c.tags.join(' ') },
];

export interface Sort {
  column: ColumnName;
  isDown: boolean;
}

// "-cpu" sorts by CPU, highest first.
export function readSort(text: string | null): Sort {
  const isDown = text?.startsWith('-') ?? false;
  const name = (text ?? '').replace(/^-/, '');
  return columns.some((c) => c.name === name) ? { column: name as ColumnName, isDown } : { column: 'name', isDown: false };
}

const collator = new Intl.Collator(undefined, { numeric: true });

// Equal values stay in the order of names and hosts.
export function sorted(list: Container[], sort: Sort): Container[] {
  const column = columns.find((c) => c.name === sort.column) as Column;
  const keyed = list.map((c) => ({ c, value: column.value(c), name: c.name ?? '' }));
  keyed.sort((a, b) => {
    const by = typeof a.value === 'number' ? a.value - (b.value as number) : collator.compare(a.value, b.value as string);
    return (sort.isDown ? -by : by) || collator.compare(a.name, b.name) || (a.c.host_id < b.c.host_id ? -1 : 1);
  });
  return keyed.map((k) => k.c);
}

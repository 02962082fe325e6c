// The order of the rows: what matches, sorted and grouped. Rows do not move under the pointer or the focus: until both
// have left, rows of containers that are removed disappear and new ones are added at the end.
import type { Container } from '../api/client';
import { fleet, keyOf, type Key } from '../live/fleet.svelte';
import { columns, sorted, type Sort } from './columns';
import { stateGroup, type StateGroup } from './container';
import { matcher } from './filter';

export type Grouping = 'none' | 'host' | 'stack';
export interface View {
  query: string;
  state: StateGroup | '';
  sort: Sort;
  group: Grouping;
}
export type Item = { kind: 'group'; name: string; keys: Key[] } | { kind: 'row'; key: Key };

const LIVE_MS = 5000; // between two orders by a number that moves

const groupOf = (c: Container, by: Grouping): string => (by === 'host' ? (c.host_name ?? c.host_id) : (c.compose_project ?? ''));

export class Order {
  isFrozen = $state(false);
  keys = $state.raw<Key[]>([]);
  counts = $state.raw<Record<StateGroup, number>>({ running: 0, problem: 0, stopped: 0, other: 0 });

  #shown = '';
  #last: Key[] = []; // the same as `keys`, which the effect that writes them must not read
  #turn = $state(0);

  // Follows the view and the fleet while the part that calls this is on screen.
  constructor(view: () => View) {
    $effect(() => {
      const v = view();
      if (!columns.find((c) => c.name === v.sort.column)?.isLive) return;
      const timer = setInterval(() => this.#turn++, LIVE_MS);
      return () => clearInterval(timer);
    });
    $effect.pre(() => {
      void this.#turn;
      this.#arrange(view(), fleet.containers);
    });
  }

  #arrange(v: View, all: Container[]): void {
    const matches = all.filter(matcher(v.query));
    const shown = JSON.stringify(v);

    this.#count(matches);
    const list = v.state ? matches.filter((c) => stateGroup(c) === v.state) : matches;
    let keys: Key[];
    if (!this.isFrozen || shown !== this.#shown) {
      const ordered = sorted(list, v.sort);
      keys = (v.group === 'none' ? ordered : this.#gather(ordered, v.group)).map(keyOf);
    } else {
      const now = new Set(list.map(keyOf));
      const kept = this.#last.filter((key) => now.delete(key));
      keys = [...kept, ...now];
    }
    this.keys = this.#last = keys;
    this.#shown = shown;
  }

  #count(list: Container[]): void {
    const counts = { running: 0, problem: 0, stopped: 0, other: 0 };
    for (const c of list) counts[stateGroup(c)]++;
    this.counts = counts;
  }

  #gather(list: Container[], by: Grouping): Container[] {
    const groups = new Map<string, Container[]>();
    for (const c of list) {
      const group = groups.get(groupOf(c, by));
      if (group) group.push(c);
      else groups.set(groupOf(c, by), [c]);
    }
    // Containers without a stack come last.
    return [...groups.keys()].sort((a, b) => (a === '' ? 1 : b === '' ? -1 : a.localeCompare(b))).flatMap((g) => groups.get(g) ?? []);
  }

  // Rows with the heads of their groups between them; the rows of a closed group are left out.
  items(by: Grouping, closed: Set<string>): Item[] {
    if (by === 'none') return this.keys.map((key) => ({ kind: 'row', key }));
    const items: Item[] = [];
    let head: Extract<Item, { kind: 'group' }> | null = null;
    for (const key of this.keys) {
      const c = fleet.container(key);
      if (!c) continue;
      const name = groupOf(c, by);
      if (!head || head.name !== name) items.push((head = { kind: 'group', name, keys: [] }));
      head.keys.push(key);
      if (!closed.has(name)) items.push({ kind: 'row', key });
    }
    return items;
  }
}

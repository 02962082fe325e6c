// All hosts and containers, kept current by the feed. The maps themselves are not reactive: with thousands of rows that
// would cost more than it shows. Readers depend on `version`, which changes at most once a frame, and on `tick`, which
// changes at most once a second with new samples.
import type { Container, Host } from '../api/client';
import { clock } from './clock.svelte';
import { feed, type FeedMessage, type HostSample, type Sample } from './feed.svelte';

export type Key = string; // HOST/ID12

export const keyOf = (c: { host_id: string; id: string }): Key => `${c.host_id}/${c.id.slice(0, 12)}`;

class Fleet {
  version = $state(0);
  tick = $state(0);
  isLoaded = $state(false); // the first state has arrived

  #hosts = new Map<string, Host>();
  #containers = new Map<Key, Container>();
  #samples = new Map<Key, Sample>();
  #hostSamples = new Map<string, HostSample>();
  #seen = new Map<Key, number>(); // the connection in which the feed has named an object last
  #frame = 0;
  #second: ReturnType<typeof setTimeout> | null = null;

  // Begins to follow the fleet; returns a function that ends it and forgets everything.
  start(): () => void {
    const end = [feed.listen((m) => this.#hear(m)), feed.subscribe(['hosts', 'containers'])];
    return () => {
      end.forEach((f) => f());
      for (const map of [this.#hosts, this.#containers, this.#samples, this.#hostSamples, this.#seen]) map.clear();
      this.isLoaded = false;
      this.version++;
    };
  }

  get hosts(): Host[] {
    void this.version;
    return [...this.#hosts.values()];
  }
  get containers(): Container[] {
    void this.version;
    return [...this.#containers.values()];
  }
  host(id: string): Host | undefined {
    void this.version;
    return this.#hosts.get(id);
  }
  container(key: Key): Container | undefined {
    void this.version;
    return this.#containers.get(key);
  }
  sample(key: Key): Sample | undefined {
    void this.tick;
    return this.#samples.get(key);
  }

  hostSample(id: string): HostSample | undefined {
    void this.tick;
    return this.#hostSamples.get(id);
  }

  // Samples of these containers while the part that asks is on screen and the page is visible.
  watch(keys: () => Key[]): void {
    $effect(() => {
      if (!clock.isVisible) return;
      return feed.subscribe(keys().map((key) => `stats/${key}`));
    });
  }

  // The same for hosts.
  watchHosts(ids: () => string[]): void {
    $effect(() => {
      if (!clock.isVisible) return;
      return feed.subscribe(ids().map((id) => `host_stats/${id}`));
    });
  }

  #hear(m: FeedMessage): void {
    if (m.type !== 'state' && m.type !== 'update') return;
    if (m.type === 'state' && m.complete && m.part === 0) this.#clear();
    for (const h of m.hosts ?? []) this.#put(this.#hosts, h.id, h);
    for (const id of m.removed_hosts ?? []) this.#removeHost(id);
    for (const c of m.containers ?? []) this.#put(this.#containers, keyOf(c), c);
    for (const c of m.removed ?? []) this.#remove(keyOf(c));
    for (const s of m.stats ?? []) this.#samples.set(keyOf(s), s);
    for (const s of m.host_stats ?? []) this.#hostSamples.set(s.host_id, s);
    if (m.stats?.length || m.host_stats?.length) this.#second ??= setTimeout(() => this.#beat(), 1000);
    if (m.type === 'state' && m.last) this.#complete();
    if (m.hosts || m.containers || m.removed || m.removed_hosts || m.last) this.#bump();
  }

  #put<V>(map: Map<string, V>, key: string, value: V): void {
    map.set(key, value);
    this.#seen.set(key, feed.generation);
  }

  #remove(key: Key): void {
    this.#containers.delete(key);
    this.#samples.delete(key);
    this.#seen.delete(key);
  }

  #removeHost(id: string): void {
    this.#hosts.delete(id);
    this.#hostSamples.delete(id);
    this.#seen.delete(id);
    for (const [key, c] of this.#containers) if (c.host_id === id) this.#remove(key);
  }

  #clear(): void {
    this.#hosts.clear();
    this.#containers.clear();
    this.#seen.clear();
  }

  // Objects that the first state of a new connection does not name were removed while there was none.
  #complete(): void {
    for (const [key, generation] of this.#seen) {
      if (generation === feed.generation) continue;
      if (this.#hosts.has(key)) this.#removeHost(key);
      else this.#remove(key);
    }
    this.isLoaded = true;
  }

  #bump(): void {
    if (this.#frame) return;
    const run = (): void => {
      this.#frame = 0;
      this.version++;
    };
    // Frames do not come in background tabs.
    this.#frame = clock.isVisible ? requestAnimationFrame(run) : window.setTimeout(run, 1000);
  }

  #beat(): void {
    this.#second = null;
    if (clock.isVisible) this.tick++;
  }
}

export const fleet = new Fleet();

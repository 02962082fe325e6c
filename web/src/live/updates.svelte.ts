// Updates of containers: those in progress or kept, and which images are outdated. Read while a part that calls follow()
// is on screen; the feed's topic `progress` says when to read again.
import { api, type Schemas } from '../api/client';
import { feed } from './feed.svelte';
import { fleet, type Key } from './fleet.svelte';

export type Update = Schemas['Update'];

const GATHER_MS = 300;

class Updates {
  list = $state.raw<Update[]>([]); // newest first
  outdated = $state.raw<Set<Key>>(new Set());
  isLoaded = $state(false);
  endings = $state(0); // counts updates that have ended, for lists of the past

  #followers = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #end: (() => void)[] = [];

  // Keeps the lists current while the part that calls this is on screen.
  follow(): void {
    $effect(() => {
      if (this.#followers++ === 0) this.#begin();
      return () => {
        if (--this.#followers === 0) this.#end.forEach((f) => f());
      };
    });
  }

  // The newest update of a container, which is known by its old id and by its new one.
  of(key: Key): Update | undefined {
    return this.list.find((u) => oldKey(u) === key || newKey(u) === key);
  }

  isRunning(key: Key): boolean {
    return this.of(key)?.state === 'running';
  }

  async load(): Promise<void> {
    const [{ updates }, { containers_with_updates: outdated }] = await Promise.all([api.get('/api/updates'), api.get('/api/updates/summary')]);
    const running = this.list.filter((u) => u.state === 'running').length;
    this.list = updates;
    this.outdated = new Set(outdated.map((id) => id.replace(':', '/')));
    this.isLoaded = true;
    if (updates.filter((u) => u.state === 'running').length < running) this.endings++;
  }

  again(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      void this.load().catch(() => {}); // the connection's state is shown elsewhere
    }, GATHER_MS);
  }

  #begin(): void {
    void this.load().catch(() => this.again());
    this.#end = [
      feed.subscribe(['progress']),
      feed.listen((m) => {
        if (m.progress?.length || (m.type === 'state' && m.last)) this.again();
      }),
    ];
  }
}

export const oldKey = (u: Update): Key => `${u.host_id}/${u.container_id.slice(0, 12)}`;
export const newKey = (u: Update): Key | null => (u.new_container_id ? `${u.host_id}/${u.new_container_id.slice(0, 12)}` : null);

// The container of an update as it is now, if it is there.
export const containerOf = (u: Update) => fleet.container(newKey(u) ?? oldKey(u)) ?? fleet.container(oldKey(u));

// A cancel is possible until the old container is stopped.
export const canCancel = (u: Update): boolean => u.state === 'running' && !u.is_rolling_back && ['wait', 'prepare', 'create', 'connect', 'policy'].includes(u.step);

export const updates = new Updates();

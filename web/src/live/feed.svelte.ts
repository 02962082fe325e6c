// The one WebSocket of the page (docs/protocol.md, "The feed"). Parts name topics while they are on screen; the feed
// subscribes to each topic once, and again after a lost connection, which it restores with jitter.
import { url, type Container, type Host } from '../api/client';
import { reloadIfUpdated } from '../state/reload';
import { session } from '../state/session.svelte';

export interface Sample {
  host_id: string;
  id: string;
  cpu_percent: number | null;
  memory_usage: number | null;
  memory_limit: number | null;
  memory_percent: number | null;
  net_bytes_per_sec: number | null;
  timestamp: string;
}

export interface HostSample {
  host_id: string;
  cpu_percent: number | null;
  memory_percent: number | null;
  memory_usage: number | null;
  net_bytes_per_sec: number | null;
  source: 'agent' | 'containers';
  timestamp: string;
}

export interface FeedMessage {
  type: 'state' | 'update' | 'subscribed' | 'error' | 'pong';
  timestamp?: string;
  reason?: string;
  complete?: boolean;
  part?: number;
  last?: boolean;
  hosts?: Host[];
  removed_hosts?: string[];
  containers?: Container[];
  removed?: { host_id: string; id: string }[];
  stats?: Sample[];
  host_stats?: HostSample[];
  jobs?: Record<string, unknown>[];
  progress?: Record<string, unknown>[];
}

export type FeedState = 'connecting' | 'online' | 'offline';
type Listener = (m: FeedMessage) => void;

const TOPICS_MAX = 2000; // of one request and of one client
const GATHER_MS = 100; // ten requests a second are allowed
const WAIT_MS = { first: 500, most: 15_000 };
const SILENCE_MS = 45_000;

class Feed {
  state = $state<FeedState>('connecting');
  // Server time minus local time, in ms, from the message that took the shortest way.
  clockOffset = $state(0);
  // Local time of the newest message; the age of all data while there is no connection.
  heardAt = $state(Date.now());
  // Counts connections, so that stores can drop objects that were removed in between.
  generation = 0;

  #socket: WebSocket | null = null;
  #topics = new Map<string, number>();
  #sent = new Set<string>();
  #listeners = new Set<Listener>();
  #failures = 0;
  #request = 0;
  #gathering: ReturnType<typeof setTimeout> | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #pulse: ReturnType<typeof setInterval> | null = null;
  #isWanted = false;

  start(): void {
    this.#isWanted = true;
    window.addEventListener('online', this.#now);
    this.#connect();
  }

  stop(): void {
    this.#isWanted = false;
    window.removeEventListener('online', this.#now);
    if (this.#retry) clearTimeout(this.#retry);
    this.#socket?.close();
    this.#drop();
  }

  listen(f: Listener): () => void {
    this.#listeners.add(f);
    return () => this.#listeners.delete(f);
  }

  // Returns a function that ends the subscription.
  subscribe(topics: string[]): () => void {
    for (const topic of topics) this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1);
    this.#gather();
    return () => {
      for (const topic of topics) {
        const n = (this.#topics.get(topic) ?? 0) - 1;
        if (n > 0) this.#topics.set(topic, n);
        else this.#topics.delete(topic);
      }
      this.#gather();
    };
  }

  #now = (): void => {
    if (this.state !== 'online' && this.#retry) {
      clearTimeout(this.#retry);
      this.#connect();
    }
  };

  #connect(): void {
    const to = url('/ws');
    to.protocol = to.protocol.replace('http', 'ws');
    to.searchParams.set('subscribe', 'true');
    this.#retry = null;
    if (this.state === 'offline') this.state = 'connecting';
    const socket = new WebSocket(to);
    this.#socket = socket;
    socket.onopen = () => {
      this.generation++;
      this.heardAt = Date.now();
      if (this.#failures > 0) void reloadIfUpdated();
      this.#flush();
      this.#pulse = setInterval(() => this.#beat(), SILENCE_MS / 3);
    };
    socket.onmessage = (e) => this.#hear(e.data as string);
    socket.onclose = (e) => {
      if (socket === this.#socket) this.#lose(e.code);
    };
  }

  #hear(data: string): void {
    const m = JSON.parse(data) as FeedMessage;

    this.heardAt = Date.now();
    if (m.timestamp) {
      const offset = Date.parse(m.timestamp) - this.heardAt;
      if (this.state !== 'online' || offset > this.clockOffset) this.clockOffset = offset;
    }
    if (m.type === 'state' || m.type === 'subscribed') {
      this.state = 'online';
      this.#failures = 0;
    }
    for (const f of this.#listeners) f(m);
  }

  // A proxy may keep a dead connection open; the server answers each ping.
  #beat(): void {
    if (Date.now() - this.heardAt > SILENCE_MS) this.#socket?.close();
    else if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send('{"type":"ping"}');
  }

  #drop(): void {
    if (this.#pulse) clearInterval(this.#pulse);
    if (this.#gathering) clearTimeout(this.#gathering);
    this.#pulse = this.#gathering = null;
    this.#socket = null;
    this.#sent.clear();
  }

  #lose(code: number): void {
    const most = Math.min(WAIT_MS.most, WAIT_MS.first * 2 ** this.#failures++);

    this.#drop();
    this.state = 'offline';
    if (!this.#isWanted) return;
    // 1008: the session or its rights have ended. The answer of the API says which.
    if (code === 1008) void session.load();
    this.#retry = setTimeout(() => this.#connect(), WAIT_MS.first / 2 + Math.random() * most);
  }

  #gather(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    this.#gathering ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  #flush(): void {
    this.#gathering = null;
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const gone = [...this.#sent].filter((topic) => !this.#topics.has(topic));
    gone.forEach((topic) => this.#sent.delete(topic));
    const added = [...this.#topics.keys()].filter((topic) => !this.#sent.has(topic)).slice(0, TOPICS_MAX - this.#sent.size);
    added.forEach((topic) => this.#sent.add(topic));
    this.#send('unsubscribe', gone);
    this.#send('subscribe', added);
  }

  #send(type: string, topics: string[]): void {
    if (topics.length > 0) this.#socket?.send(JSON.stringify({ type, id: ++this.#request, topics }));
  }
}

export const feed = new Feed();

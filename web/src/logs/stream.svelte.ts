// The lines of one or several containers, followed over /ws/logs. A ring of 100,000 lines outside of the framework;
// `version` changes at most once a frame. A lost connection continues at the cursor of each container.
import { url } from '../api/client';
import { trustedScriptUrl } from '../state/trusted';
import type { Key } from '../live/fleet.svelte';
import { t } from '../text';
import type { Level, Line, LogMessage, Parsed } from './line';
import workerUrl from './worker?worker&url';

const LINES_MAX = 100_000;
const DROPPED_AT_ONCE = 5_000;
const WAIT_MS = { first: 500, most: 15_000 };

export interface Filter {
  text: string;
  hides: boolean; // false: matches are only marked
  levels: Level[]; // none: all
}

export type StreamState = 'connecting' | 'online' | 'offline';

export function textMatcher(text: string): ((s: string) => boolean) | null {
  const regular = /^\/(.+)\/$/.exec(text);
  if (!text) return null;
  if (regular) {
    try {
      const r = new RegExp(regular[1] as string, 'i');
      return (s) => r.test(s);
    } catch {
      return () => false; // half typed
    }
  }
  const wanted = text.toLowerCase();
  return (s) => s.toLowerCase().includes(wanted);
}

export class LogStream {
  version = $state(0);
  state = $state<StreamState>('connecting');
  ended = $state<Record<number, string>>({}); // reason by source
  shown: Line[] = []; // that the filter lets through
  removed = 0; // shown lines that have left the ring, since the beginning
  total = 0;

  #lines: Line[] = [];
  #filter: Filter = { text: '', hides: true, levels: [] };
  #matches: ((s: string) => boolean) | null = null;
  #cursors: Record<string, string> = {};
  #worker = new Worker(trustedScriptUrl(new URL(workerUrl, document.baseURI).href) as unknown as string, { type: 'module' });
  #socket: WebSocket | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #isOver = false;
  #frame = 0;

  constructor(
    readonly keys: Key[],
    readonly options: { tail?: number; since?: string } = {},
  ) {
    this.#worker.onmessage = (e: MessageEvent<Parsed>) => this.#take(e.data);
    this.#connect();
  }

  close(): void {
    this.#isOver = true;
    clearTimeout(this.#retry);
    if (this.#frame) cancelAnimationFrame(this.#frame);
    this.#socket?.close();
    this.#worker.terminate();
  }

  set filter(filter: Filter) {
    this.#filter = filter;
    this.#matches = textMatcher(filter.text);
    this.shown = this.#lines.filter((l) => this.#passes(l));
    this.removed = 0;
    this.version++;
  }

  clear(): void {
    this.#lines = [];
    this.shown = [];
    this.removed = 0;
    this.version++;
  }

  // The address of a line: its time, and its number among the lines of the same time.
  addressOf(line: Line): string {
    const same = this.#lines.filter((l) => l.at === line.at && l.source === line.source);
    return `${line.at}~${same.indexOf(line)}`;
  }

  // The line of an address; null while it has not arrived.
  find(address: string): Line | null {
    const [at = '', number] = address.split('~');
    const i = this.shown.findIndex((l) => l.at >= at);
    const found = this.shown[i + Number(number ?? 0)];
    return i < 0 ? null : found?.at === at ? found : null;
  }

  get text(): string {
    return this.shown.map((l) => (l.at ? `${l.at} ${l.text}` : l.text)).join('\n') + '\n';
  }

  #passes(l: Line): boolean {
    if (l.kind === 'mark') return true;
    if (this.#filter.levels.length > 0 && !this.#filter.levels.includes(l.level)) return false;
    return !this.#filter.hides || !this.#matches || this.#matches(l.text);
  }

  #connect(): void {
    const to = url('/ws/logs');
    to.protocol = to.protocol.replace('http', 'ws');
    const socket = new WebSocket(to);
    this.#socket = socket;
    socket.onopen = () => {
      this.state = 'online';
      this.keys.forEach((key, id) => this.#subscribe(socket, key, id));
    };
    socket.onmessage = (e) => {
      this.#failures = 0;
      this.#worker.postMessage(e.data as string);
    };
    socket.onclose = () => {
      this.state = 'offline';
      const most = Math.min(WAIT_MS.most, WAIT_MS.first * 2 ** this.#failures++);
      if (!this.#isOver) this.#retry = setTimeout(() => this.#connect(), WAIT_MS.first / 2 + Math.random() * most);
    };
  }

  #subscribe(socket: WebSocket, key: Key, id: number): void {
    const [host, container] = key.split('/');
    const cursor = this.#cursors[id];
    const from = cursor ? { cursor } : this.options.since ? { since: this.options.since, tail: 'all' } : { tail: this.options.tail ?? 1000 };
    if (this.ended[id] === undefined) socket.send(JSON.stringify({ type: 'subscribe', id, host, container, ...from }));
  }

  #take(p: Parsed): void {
    if ('lines' in p) {
      Object.assign(this.#cursors, p.cursors);
      this.#add(p.lines);
    } else this.#note(p.message);
  }

  // Marks stand between the lines where they happened.
  #note(m: LogMessage): void {
    const source = m.id ?? 0;
    if (m.type === 'ended') this.ended = { ...this.ended, [source]: m.message || m.reason || '' };
    const text = m.type === 'mark' ? m.message || m.event : m.type === 'ended' ? t.logs.ended(m.message || m.reason || '') : m.type === 'error' ? m.message : '';
    if (text) this.#add([{ n: -1, source, at: '', kind: 'mark', level: '', text, spans: null, isJson: false }]);
  }

  #add(lines: Line[]): void {
    for (const l of lines) {
      this.#lines.push(l);
      if (this.#passes(l)) this.shown.push(l);
    }
    this.total += lines.length;
    if (this.#lines.length > LINES_MAX + DROPPED_AT_ONCE) this.#drop();
    if (!this.#frame) {
      this.#frame = requestAnimationFrame(() => {
        this.#frame = 0;
        this.version++;
      });
    }
  }

  #drop(): void {
    const first = this.#lines[this.#lines.length - LINES_MAX];
    const gone = new Set(this.#lines.splice(0, this.#lines.length - LINES_MAX));
    const kept = this.shown.findIndex((l) => l === first || !gone.has(l));
    const n = kept < 0 ? this.shown.length : kept;
    this.shown.splice(0, n);
    this.removed += n;
  }
}

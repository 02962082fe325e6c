// Facts about a container that several screens show: its state in one word, its ports, its place.
import type { Container, Host } from '../api/client';

export type Tone = 'ok' | 'bad' | 'warn' | 'quiet';
export interface StateView {
  word: StateWord;
  detail: string; // an exit code, or the last state of an offline host
  icon: string;
  tone: Tone;
}
export type StateWord = 'running' | 'healthy' | 'unhealthy' | 'starting' | 'paused' | 'restarting' | 'created' | 'exited' | 'dead' | 'removing' | 'unknown';

const VIEWS: Record<StateWord, { icon: string; tone: Tone }> = {
  running: { icon: 'running', tone: 'ok' },
  healthy: { icon: 'running', tone: 'ok' },
  starting: { icon: 'clock', tone: 'warn' },
  unhealthy: { icon: 'bad', tone: 'bad' },
  paused: { icon: 'pause', tone: 'warn' },
  restarting: { icon: 'restart', tone: 'warn' },
  created: { icon: 'stopped', tone: 'quiet' },
  exited: { icon: 'stopped', tone: 'quiet' },
  dead: { icon: 'bad', tone: 'bad' },
  removing: { icon: 'remove', tone: 'warn' },
  unknown: { icon: 'unknown', tone: 'quiet' },
};

function word(c: Container): StateWord {
  const text = c.status_text ?? '';
  if (c.engine_state === 'dead') return 'dead';
  if (c.state === 'running') {
    if (text.includes('(healthy)')) return 'healthy';
    if (text.includes('(unhealthy)')) return 'unhealthy';
    if (text.includes('(health: starting)')) return 'starting';
  }
  return c.state in VIEWS ? (c.state as StateWord) : 'unknown';
}

// An intended end is quiet: a container that exited with 0 is not a fault, nor one that a stop has ended (137, 143).
export function stateView(c: Container): StateView {
  const w = word(c);
  const view = VIEWS[w];
  const code = w === 'exited' ? /^Exited \((\d+)\)/.exec(c.status_text ?? '')?.[1] : undefined;
  const failed = code !== undefined && !['0', '137', '143'].includes(code);
  return {
    word: w,
    detail: code ?? (w === 'unknown' ? (c.last_state ?? '') : ''),
    icon: failed ? 'bad' : view.icon,
    tone: failed ? 'warn' : view.tone,
  };
}

// The groups that the filter above the table offers.
export type StateGroup = 'running' | 'problem' | 'stopped' | 'other';
export function stateGroup(c: Container): StateGroup {
  const v = stateView(c);
  if (v.tone === 'bad' || v.tone === 'warn') return 'problem';
  if (v.word === 'running' || v.word === 'healthy') return 'running';
  return v.word === 'exited' || v.word === 'created' ? 'stopped' : 'other';
}

export interface Port {
  text: string;
  href: string | null; // null: not published
}

interface RawPort {
  ip: string;
  inside: number;
  outside: number;
  type: string;
}

function rawPorts(c: Container): RawPort[] {
  const found = new Map<string, RawPort>();
  for (const p of c.ports_raw) {
    const { IP: ip, PrivatePort: inside, PublicPort: outside, Type: type } = p as Record<string, unknown>;
    if (typeof inside !== 'number') continue;
    const port = { ip: String(ip ?? ''), inside, outside: typeof outside === 'number' ? outside : 0, type: String(type ?? 'tcp') };
    // The engine names the addresses of both families.
    found.set(`${port.outside}:${port.inside}/${port.type}`, port);
  }
  return [...found.values()].sort((a, b) => a.outside - b.outside || a.inside - b.inside);
}

// Where a browser reaches a published port: on the address of the host, unless the port is bound to another one.
export function addressOf(host: Host | undefined, ip = ''): string {
  const isAny = ip === '' || ip === '0.0.0.0' || ip === '::';
  const address = isAny ? (host?.host_ip ?? location.hostname) : ip;
  return address.includes(':') && !address.startsWith('[') ? `[${address}]` : address;
}

// Published ports first, as links; three or more consecutive ones are one range.
export function portsOf(c: Container, host: Host | undefined): Port[] {
  const ports = rawPorts(c);
  const published = ports.filter((p) => p.outside > 0);
  const list: Port[] = [];
  for (let i = 0; i < published.length; ) {
    const from = published[i] as RawPort;
    let n = 1;
    for (; i + n < published.length; n++) {
      const next = published[i + n] as RawPort;
      if (next.outside !== from.outside + n || next.inside !== from.inside + n || next.type !== from.type) break;
    }
    if (n < 3) n = 1;
    const range = n > 1 ? `-${from.outside + n - 1}` : '';
    const target = from.inside === from.outside ? '' : `→${from.inside}${n > 1 ? `-${from.inside + n - 1}` : ''}`;
    const scheme = [443, 8443, 9443].includes(from.inside) ? 'https' : 'http';
    list.push({
      text: `${from.outside}${range}${target}${from.type === 'tcp' ? '' : `/${from.type}`}`,
      href: from.type === 'tcp' ? `${scheme}://${addressOf(host, from.ip)}:${from.outside}/` : null,
    });
    i += n;
  }
  return list;
}

export function privatePortsOf(c: Container): string[] {
  return rawPorts(c)
    .filter((p) => p.outside === 0)
    .map((p) => `${p.inside}/${p.type}`);
}

// "registry/name:tag" in two parts; a digest is cut.
export function imageParts(image: string | null): { name: string; tag: string } {
  const text = image ?? '';
  const [ref = '', digest] = text.split('@');
  const colon = ref.lastIndexOf(':');
  if (colon > ref.lastIndexOf('/')) return { name: ref.slice(0, colon), tag: ref.slice(colon + 1) };
  return { name: /^sha256:/.test(text) ? text.slice(7, 19) : ref, tag: digest ? digest.slice(0, 15) : '' };
}

// Only http and https: an address comes from a user, who may write anything.
export function webLink(text: string | null): string | null {
  if (!text || !URL.canParse(text)) return null;
  return /^https?:$/.test(new URL(text).protocol) ? text : null;
}

export const nameOf = (c: Container): string => c.name ?? c.id;
export const refOf = (c: Container): string => `${c.host_name ?? c.host_id}/${nameOf(c)}`;
export const pathOf = (c: Container, tab = ''): string => `/containers/${c.host_id}/${c.id}${tab ? `/${tab}` : ''}`;

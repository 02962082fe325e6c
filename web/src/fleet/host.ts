// Facts about a host that several screens show.
import type { Container, Host } from '../api/client';
import type { Tone } from './container';

export type HostWord = 'online' | 'offline' | 'problem';

const VIEWS: Record<HostWord, { icon: string; tone: Tone }> = {
  online: { icon: 'running', tone: 'ok' },
  offline: { icon: 'stopped', tone: 'bad' },
  problem: { icon: 'bad', tone: 'bad' },
};

// The agent may be connected while its engine does not answer.
export function hostView(h: Host): { word: HostWord; icon: string; tone: Tone } {
  const word = h.status !== 'online' ? 'offline' : h.error ? 'problem' : 'online';
  return { word, ...VIEWS[word] };
}

export const hostName = (h: Host): string => h.name ?? h.id;
export const engineOf = (h: Host): string => (h.docker_version ? `${h.is_podman ? 'Podman' : 'Docker'} ${h.docker_version}` : '');
export const containersOf = (h: Host, list: Container[]): Container[] => list.filter((c) => c.host_id === h.id);
export const hostPath = (h: Host, tab = ''): string => `/hosts/${h.id}${tab ? `/${tab}` : ''}`;
// The containers of a host in the table of all.
export const containersPath = (h: Host, query = ''): string => `/containers?q=${encodeURIComponent(`host:${hostName(h)}`)}${query}`;

export function hostMatcher(query: string): (h: Host) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (h) => {
    const text = [hostName(h), ...h.tags.map((tag) => `tag:${tag}`), ...h.host_ips, engineOf(h), h.os_version, h.agent?.version, hostView(h).word].join('\n').toLowerCase();
    return words.every((w) => text.includes(w));
  };
}

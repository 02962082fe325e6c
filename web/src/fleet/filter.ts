// The search above the table: words, and members such as host:prod or label:tier=db. All must match.
import type { Container } from '../api/client';
import { stateView } from './container';

const MEMBERS: Record<string, (c: Container) => string> = {
  host: (c) => c.host_name ?? '',
  image: (c) => c.image ?? '',
  name: (c) => c.name ?? '',
  stack: (c) => c.compose_project ?? '',
  state: (c) => `${stateView(c).word} ${c.state}`,
  tag: (c) => c.tags.join('\n'),
  label: (c) => Object.entries(c.labels).map(([k, v]) => `${k}=${v}`).join('\n'),
};

// Objects of the fleet are replaced when they change, so that their text can be kept with them.
const texts = new WeakMap<Container, string>();
function textOf(c: Container): string {
  let text = texts.get(c);
  if (text === undefined) {
    text = [c.name, c.id, c.image, c.host_name, c.compose_project, c.compose_service, stateView(c).word, ...c.tags, ...c.ports].join('\n').toLowerCase();
    texts.set(c, text);
  }
  return text;
}

export function matcher(query: string): (c: Container) => boolean {
  const tests = query
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => {
      const isNot = word.startsWith('-') && word.length > 1;
      const wanted = isNot ? word.slice(1) : word;
      const colon = wanted.indexOf(':');
      const member = colon > 0 ? MEMBERS[wanted.slice(0, colon)] : undefined;
      const value = wanted.slice(colon + 1);
      const has = member ? (c: Container) => member(c).toLowerCase().includes(value) : (c: Container) => textOf(c).includes(wanted);
      return isNot ? (c: Container) => !has(c) : has;
    });
  return (c) => tests.every((f) => f(c));
}

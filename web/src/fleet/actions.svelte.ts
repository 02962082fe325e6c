// Operations on containers: when each is offered, what it sends, and the line of the CLI that does the same.
import { SvelteMap } from 'svelte/reactivity';
import { api, sentence, type Container } from '../api/client';
import { keyOf, type Key } from '../live/fleet.svelte';
import { notices } from '../parts/notices.svelte';
import { t } from '../text';
import { quoted } from './cli';
import { nameOf, refOf } from './container';

export type ActionName = 'start' | 'stop' | 'restart' | 'pause' | 'unpause' | 'kill' | 'remove';

interface Action {
  name: ActionName;
  icon: string;
  fits: (c: Container) => boolean;
  asksFirst?: boolean; // it ends or destroys something
  isDestructive?: boolean;
  verb: string; // of the CLI
}

const isUp = (c: Container): boolean => ['running', 'restarting', 'paused'].includes(c.state);

export const actions: Action[] = [
  { name: 'start', icon: 'start', fits: (c) => ['exited', 'created'].includes(c.state), verb: 'start' },
  { name: 'stop', icon: 'stop', fits: isUp, asksFirst: true, verb: 'stop' },
  { name: 'restart', icon: 'restart', fits: (c) => isUp(c) || c.state === 'exited', asksFirst: true, verb: 'restart' },
  { name: 'pause', icon: 'pause', fits: (c) => c.state === 'running', verb: 'pause' },
  { name: 'unpause', icon: 'start', fits: (c) => c.state === 'paused', verb: 'unpause' },
  { name: 'kill', icon: 'kill', fits: isUp, asksFirst: true, isDestructive: true, verb: 'kill' },
  { name: 'remove', icon: 'remove', fits: (c) => c.host_online, asksFirst: true, isDestructive: true, verb: 'rm -f' },
];

export const actionOf = (name: ActionName): Action => actions.find((a) => a.name === name) as Action;

export const cliLine = (name: ActionName, list: Container[]): string => `dockmon ${actionOf(name).verb} ${list.map((c) => quoted(refOf(c))).join(' ')}`;

// Containers with an operation that this page has started.
export const progress = new SvelteMap<Key, ActionName>();

const PATH = '/api/hosts/{host}/containers/{container}' as const;

function send(name: ActionName, c: Container): Promise<unknown> {
  const path = { host: c.host_id, container: c.full_id };
  if (name === 'remove') return api.delete(PATH, { path, query: { force: true } });
  return api.post(`${PATH}/${name}`, { path } as never);
}

// Runs one operation and reports its result. The feed brings the new state.
export async function perform(name: ActionName, c: Container): Promise<boolean> {
  const key = keyOf(c);
  progress.set(key, name);
  try {
    await send(name, c);
    notices.say(t.actions[name].done(nameOf(c)));
    return true;
  } catch (error) {
    notices.say(`${nameOf(c)}: ${sentence(error)}`, 'bad');
    return false;
  } finally {
    progress.delete(key);
  }
}

// The request of the page: a dialog of the frame shows it and performs it (parts/ActionDialog.svelte).
class Request {
  name = $state<ActionName | null>(null);
  list = $state.raw<Container[]>([]);

  // Asks first where that is due, also for more than one container, whose results need a place.
  ask(name: ActionName, list: Container[]): void {
    const [only] = list;
    if (only && list.length === 1 && !actionOf(name).asksFirst) void perform(name, only);
    else if (only) {
      this.list = list;
      this.name = name;
    }
  }
}

export const request = new Request();

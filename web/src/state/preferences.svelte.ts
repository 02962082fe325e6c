// Choices of the user on this device: theme, time zone, shortcuts. They work without a login, too.
const KEY = 'dockmon.preferences';
const VERSION = 1;

export type Theme = 'auto' | 'light' | 'dark';
export type Zone = 'local' | 'utc';

export interface LogChoices {
  wraps: boolean;
  times: boolean;
}

interface Stored {
  version: number;
  theme: Theme;
  zone: Zone;
  keys: boolean;
  logs: LogChoices;
  columns: Record<string, boolean>; // of the table of containers, where the user has chosen
}

const DEFAULTS: Stored = { version: VERSION, theme: 'auto', zone: 'local', keys: true, logs: { wraps: false, times: true }, columns: {} };

function read(): Stored {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Stored>;
    return stored.version === VERSION ? { ...DEFAULTS, ...stored } : { ...DEFAULTS };
  } catch {
    return { ...DEFAULTS };
  }
}

class Preferences {
  #stored = $state(read());

  get theme(): Theme {
    return this.#stored.theme;
  }
  set theme(theme: Theme) {
    this.#change({ theme });
    this.applyTheme();
  }
  get zone(): Zone {
    return this.#stored.zone;
  }
  set zone(zone: Zone) {
    this.#change({ zone });
  }
  get keys(): boolean {
    return this.#stored.keys;
  }
  set keys(keys: boolean) {
    this.#change({ keys });
  }

  get columns(): Record<string, boolean> {
    return this.#stored.columns;
  }
  setColumn(name: string, isShown: boolean): void {
    this.#change({ columns: { ...this.#stored.columns, [name]: isShown } });
  }

  get logs(): LogChoices {
    return this.#stored.logs;
  }
  setLogs(logs: LogChoices): void {
    const { wraps, times } = this.#stored.logs;
    if (wraps !== logs.wraps || times !== logs.times) this.#change({ logs });
  }

  applyTheme(): void {
    const { theme } = this.#stored;
    if (theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme;
  }

  #change(part: Partial<Stored>): void {
    this.#stored = { ...this.#stored, ...part };
    localStorage.setItem(KEY, JSON.stringify(this.#stored));
  }
}

export const preferences = new Preferences();
preferences.applyTheme();
window.addEventListener('storage', (e) => {
  if (e.key === KEY) location.reload(); // another tab has changed them
});

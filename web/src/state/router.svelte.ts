// The path and the query of the page. Every screen and every filter has an address; Back and reload keep both.
const base = new URL(document.baseURI).pathname; // ends with a slash

function current(): { path: string; query: URLSearchParams } {
  const { pathname, search } = location;
  return {
    path: `/${pathname.startsWith(base) ? pathname.slice(base.length) : ''}`,
    query: new URLSearchParams(search),
  };
}

class Router {
  #at = $state.raw(current());

  constructor() {
    window.addEventListener('popstate', () => (this.#at = current()));
    document.addEventListener('click', (e) => this.#follow(e));
  }

  get path(): string {
    return this.#at.path;
  }
  get query(): URLSearchParams {
    return this.#at.query;
  }
  // The parts of the path: "/containers/H/C" is ["containers", "H", "C"].
  get parts(): string[] {
    return this.path.split('/').filter(Boolean).map(decodeURIComponent);
  }

  href(path: string): string {
    return base + path.replace(/^\//, '');
  }

  go(path: string, { replace = false } = {}): void {
    const to = this.href(path);
    if (replace) history.replaceState(null, '', to);
    else history.pushState(null, '', to);
    this.#at = current();
  }

  // Changes members of the query in place; null removes one. Typing in a filter makes no history.
  setQuery(values: Record<string, string | null>): void {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    history.replaceState(null, '', location.pathname + (text ? `?${text}` : ''));
    this.#at = current();
  }

  // Links of the page change the address without a request.
  #follow(e: MouseEvent): void {
    const a = e.target instanceof Element ? e.target.closest('a') : null;
    if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    if (a.target || a.hasAttribute('download') || a.origin !== location.origin || !a.pathname.startsWith(base)) return;
    if (a.hash && a.pathname === location.pathname) return;
    e.preventDefault();
    this.go(`/${a.pathname.slice(base.length)}${a.search}`);
  }
}

export const router = new Router();

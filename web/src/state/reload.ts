// A reload that heals a page whose files are of an older server. At most one a minute, so that a broken
// installation shows its error instead of reloading forever.
const KEY = 'dockmon.reloaded';
const GUARD_MS = 60_000;

export function reloadOnce(): boolean {
  const last = Number(sessionStorage.getItem(KEY) ?? 0);
  if (Date.now() - last < GUARD_MS) return false;
  sessionStorage.setItem(KEY, String(Date.now()));
  location.reload();
  return true;
}

// Compares the scripts of the server's page with those of this page, after a connection was lost.
export async function reloadIfUpdated(): Promise<void> {
  const own = document.querySelector<HTMLScriptElement>('script[type=module][src]')?.getAttribute('src');
  const page = await fetch(document.baseURI, { headers: { accept: 'text/html' }, cache: 'no-cache' }).catch(() => null);
  if (own && page?.ok && !(await page.text()).includes(`"${own}"`)) reloadOnce();
}

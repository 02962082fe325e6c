// Shortcuts of single keys, for the part that names them while it is on screen. They are off while the user types, while
// a dialog is open, and when the account page says so. "g c" is g and then c.
import { preferences } from './preferences.svelte';

type Keys = Record<string, () => unknown>;

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

// The letter that begins a shortcut of two, "g" then "c".
const LEAD = 'g';
const LEAD_MS = 1500;
let led = -Infinity; // not 0: that is the start of the page

export function onKey(keys: Keys): void {
  $effect(() => {
    const press = (e: KeyboardEvent): void => {
      const isLed = performance.now() - led < LEAD_MS;
      const run = keys[isLed ? `${LEAD} ${e.key}` : e.key];
      if (e.key === LEAD && !isTyping(e.target)) led = performance.now();
      if (!run || !preferences.keys || e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey) return;
      if (isTyping(e.target) || document.querySelector('dialog[open]')) return;
      // Enter belongs to the focused link or button.
      if (e.key === 'Enter' && e.target instanceof Element && e.target.closest('a, button')) return;
      e.preventDefault();
      run();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  });
}

// Times and durations as people read them; the exact time is on hover everywhere (parts/Age.svelte).
import { preferences } from '../state/preferences.svelte';

const UNITS: [number, string][] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

// "5 s", "12 min", "3 h 20 min", "41 d".
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  for (const [i, [size, unit]] of UNITS.entries()) {
    if (s < size && unit !== 's') continue;
    const whole = Math.floor(s / size);
    const next = UNITS[i + 1];
    const rest = next && whole < 10 ? Math.floor((s % size) / next[0]) : 0;
    return rest && next && next[1] !== 's' ? `${whole} ${unit} ${rest} ${next[1]}` : `${whole} ${unit}`;
  }
  return '0 s';
}

// The exact time in the zone that the user has chosen: "2026-12-01 14:03:22 UTC".
export function exact(iso: string | number, { withMs = false } = {}): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return '';
  const parts = new Intl.DateTimeFormat('sv-SE', {
    dateStyle: 'short',
    timeStyle: 'medium',
    ...(preferences.zone === 'utc' ? { timeZone: 'UTC' } : {}),
  }).format(date);
  const fraction = withMs ? `.${String(date.getMilliseconds()).padStart(3, '0')}` : '';
  return `${parts}${fraction}${preferences.zone === 'utc' ? ' UTC' : ''}`;
}

// For axes and narrow screens: "14:03", or with `isDay` "12-01".
export function shortTime(ms: number, isDay = false): string {
  const text = exact(ms);
  return isDay ? text.slice(5, 10) : text.slice(11, 16);
}

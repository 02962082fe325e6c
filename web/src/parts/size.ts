// Numbers with units.
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

// "0 B", "212 MiB", "1.4 GiB".
export function bytes(n: number): string {
  let i = 0;
  for (; n >= 1000 && i < UNITS.length - 1; i++) n /= 1024;
  return `${i > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${UNITS[i]}`;
}

export const rate = (n: number): string => `${bytes(n)}/s`;

// "0.3 %", "42 %", "312 %".
export const percent = (n: number): string => `${n < 10 ? n.toFixed(1) : Math.round(n)} %`;

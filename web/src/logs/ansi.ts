// Colours and weights of terminal output (SGR). Everything else that a sequence could do is removed. The result is text
// with names of styles, never markup, because strangers write logs.
import type { Span } from './line';

const SEQUENCE = /\u001b(?:\[([0-9;:]*)([ -/]*[@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f]/g;

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const hex = (n: number): string => n.toString(16).padStart(2, '0');

interface Pen {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  name: string;
  colour: string;
}
const PLAIN: Pen = { bold: false, dim: false, italic: false, underline: false, name: '', colour: '' };

function paletteColour(n: number): Partial<Pen> {
  if (n < 16) return { name: NAMES[n % 8] as string, colour: '' };
  if (n >= 232) return { name: '', colour: `#${hex(8 + (n - 232) * 10).repeat(3)}` };
  const part = (i: number): string => hex([0, 95, 135, 175, 215, 255][i] as number);
  const i = n - 16;
  return { name: '', colour: `#${part(Math.floor(i / 36))}${part(Math.floor(i / 6) % 6)}${part(i % 6)}` };
}

// The codes of one sequence, for example "1;38;5;208".
function apply(pen: Pen, codes: string): Pen {
  const list = codes.split(/[;:]/).map((c) => Math.min(255, Number(c) || 0));
  let p = { ...pen };
  for (let i = 0; i < list.length; i++) {
    const c = list[i] as number;
    if (c === 0) p = { ...PLAIN };
    else if (c === 1) p.bold = true;
    else if (c === 2) p.dim = true;
    else if (c === 3) p.italic = true;
    else if (c === 4) p.underline = true;
    else if (c === 22) p.bold = p.dim = false;
    else if (c === 23) p.italic = false;
    else if (c === 24) p.underline = false;
    else if (c === 39) p.name = p.colour = '';
    else if ((c >= 30 && c <= 37) || (c >= 90 && c <= 97)) Object.assign(p, paletteColour(c % 10));
    else if (c === 38 || c === 48) {
      const isPalette = list[i + 1] === 5;
      const found = isPalette ? paletteColour(list[i + 2] ?? 0) : { name: '', colour: `#${hex(list[i + 2] ?? 0)}${hex(list[i + 3] ?? 0)}${hex(list[i + 4] ?? 0)}` };
      if (c === 38) Object.assign(p, found);
      i += isPalette ? 2 : 4;
    }
  }
  return p;
}

function spanOf(text: string, p: Pen): Span {
  const words = [p.bold && 'bold', p.dim && 'dim', p.italic && 'italic', p.underline && 'underline', p.name].filter(Boolean);
  return { text, style: words.join(' '), ...(p.colour ? { colour: p.colour } : {}) };
}

export function parseAnsi(raw: string): { text: string; spans: Span[] | null } {
  if (!raw.includes('\u001b')) return { text: raw.replace(CONTROL, ''), spans: null };
  const spans: Span[] = [];
  let pen = PLAIN;
  let from = 0;
  const add = (to: number): void => {
    const text = raw.slice(from, to).replace(CONTROL, '').replaceAll('\u001b', '');
    if (text) spans.push(spanOf(text, pen));
  };
  for (const m of raw.matchAll(SEQUENCE)) {
    add(m.index);
    from = m.index + m[0].length;
    if (m[2] === 'm') pen = apply(pen, m[1] ?? '');
  }
  add(raw.length);
  return { text: spans.map((s) => s.text).join(''), spans };
}

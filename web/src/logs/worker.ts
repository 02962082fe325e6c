// Parses messages of /ws/logs beside the page, so that a burst of lines never holds up typing or scrolling.
import { parseAnsi } from './ansi';
import type { Level, Line, LogMessage, Parsed } from './line';

const NAMES: Record<string, Level> = {
  emerg: 'error', alert: 'error', crit: 'error', critical: 'error', fatal: 'error', panic: 'error', error: 'error', err: 'error', severe: 'error',
  warning: 'warn', warn: 'warn', notice: 'info', information: 'info', info: 'info', inf: 'info', debug: 'debug', dbg: 'debug', trace: 'debug', verbose: 'debug',
};
const PINO: Level[] = ['debug', 'debug', 'info', 'warn', 'error', 'error']; // 10 to 60
const FIELD = /\b(?:level|lvl|severity)=["']?([a-z]+)/i;
const WORD = /(?:^|[\s[(|<:])(EMERG|ALERT|CRIT|CRITICAL|FATAL|PANIC|ERROR|ERR|SEVERE|WARNING|WARN|NOTICE|INFO|INF|DEBUG|DBG|TRACE)(?=$|[\s\])|>:])/;
const HEAD = 120; // a level stands near the beginning

let count = 0;

function jsonLevel(text: string): { isJson: boolean; level: Level } {
  try {
    const o = JSON.parse(text) as Record<string, unknown>;
    const value = o['level'] ?? o['severity'] ?? o['lvl'] ?? '';
    const level = typeof value === 'number' ? (PINO[Math.floor(value / 10) - 1] ?? '') : (NAMES[String(value).toLowerCase()] ?? '');
    return { isJson: true, level };
  } catch {
    return { isJson: false, level: '' };
  }
}

function levelOf(text: string): Level {
  const head = text.slice(0, HEAD);
  const word = FIELD.exec(head)?.[1] ?? WORD.exec(head)?.[1] ?? '';
  return NAMES[word.toLowerCase()] ?? '';
}

function parse(l: NonNullable<LogMessage['lines']>[number]): Line {
  const { text, spans } = parseAnsi(l.log);
  const json = text.startsWith('{') ? jsonLevel(text) : { isJson: false, level: '' as Level };
  return {
    n: count++,
    source: l.id,
    at: l.timestamp ?? '',
    kind: l.stream === 'stderr' ? 'stderr' : 'stdout',
    level: json.isJson ? json.level : levelOf(text),
    text,
    spans,
    isJson: json.isJson,
  };
}

self.onmessage = (e: MessageEvent<string>) => {
  const m = JSON.parse(e.data) as LogMessage;
  const answer: Parsed = m.type === 'lines' ? { lines: (m.lines ?? []).map(parse), cursors: m.cursors ?? {} } : { message: m };
  self.postMessage(answer);
};

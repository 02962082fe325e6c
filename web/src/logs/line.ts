// A line of a log as the worker delivers it to the page.
export type Level = 'error' | 'warn' | 'info' | 'debug' | '';

// Text with the colours and weights of its ANSI sequences, as names of classes.
export interface Span {
  text: string;
  style: string;
  colour?: string; // "#rrggbb", of sequences with 24 bits or of the palette with 256
}

export interface Line {
  n: number; // counts all lines of the stream
  source: number; // which container: the id of its subscription
  at: string; // RFC 3339, or '' from agents that send no times
  kind: 'stdout' | 'stderr' | 'mark';
  level: Level;
  text: string; // plain, without sequences
  spans: Span[] | null; // null: the text as it is
  isJson: boolean;
}

// A message of the server on /ws/logs (docs/protocol.md, "Log streams").
export interface LogMessage {
  type: 'subscribed' | 'lines' | 'mark' | 'ended' | 'error';
  id?: number;
  lines?: { id: number; stream: string | null; timestamp: string | null; log: string }[];
  cursors?: Record<string, string>;
  event?: string;
  message?: string;
  reason?: string;
}

// From the worker: parsed lines, or a message that has none.
export type Parsed = { lines: Line[]; cursors: Record<string, string> } | { message: LogMessage };

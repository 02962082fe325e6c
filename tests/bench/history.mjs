// Measures the history below the API: bytes and CPU of a day of 1,000 containers, and of 30 days of 40; the time of queries.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../../build/tests/bench/bench-history');

for (const size of [['50', '20', '1'], ['2', '20', '30']]) {
  const dir = mkdtempSync(join(tmpdir(), 'dockmon-history-'));
  try {
    process.stdout.write(`${execFileSync(program, [dir, ...size], { encoding: 'utf8' })}\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

// Common functions of the benchmarks: timing, percentiles, CPU and memory of a process, and the printed table.
import { readFile } from 'node:fs/promises';
import http from 'node:http';

export const percentile = (values, p) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))];
};

// CPU time of a process and its threads in milliseconds, with nanosecond resolution.
export async function cpuMs(pid) {
  const { readdir } = await import('node:fs/promises');
  let ns = 0;
  for (const task of await readdir(`/proc/${pid}/task`))
    ns += Number((await readFile(`/proc/${pid}/task/${task}/schedstat`, 'utf8')).split(' ')[0]);
  return ns / 1e6;
}

export async function memoryKb(pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]);
  return { rss: field('VmRSS'), anonymous: field('RssAnon'), peak: field('VmHWM') };
}

// Sends a request over a kept connection; resolves with the status when the whole answer has arrived.
export function request(agent, { socketPath, port, method = 'GET', path, headers = {} }) {
  return new Promise((resolve, reject) => {
    const r = http.request({ agent, socketPath, host: '127.0.0.1', port, method, path, headers }, (response) => {
      response.on('data', () => {});
      response.on('end', () => resolve(response.statusCode));
    });
    r.on('error', reject);
    r.end();
  });
}

export const keepAlive = () => new http.Agent({ keepAlive: true, maxSockets: 1 });

export async function timed(action) {
  const begin = process.hrtime.bigint();
  await action();
  return Number(process.hrtime.bigint() - begin) / 1e6;
}

export function printTable(title, header, rows) {
  const widths = header.map((h, i) => Math.max(h.length, ...rows.map((r) => String(r[i]).length)));
  const line = (cells) => `| ${cells.map((c, i) => String(c).padEnd(widths[i])).join(' | ')} |`;
  console.log(`\n### ${title}\n`);
  console.log(line(header));
  console.log(line(widths.map((w) => '-'.repeat(w))));
  for (const r of rows) console.log(line(r));
}

export const ms = (v) => v.toFixed(2);

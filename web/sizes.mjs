// The size gate: gzipped bytes of the first screen (the page and all that it loads before the sign-in form shows), and
// of the whole bundle without the terminal, which is loaded on demand. Fails beyond the limits.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const KB = 1024;
const LIMITS = { first: 60 * KB, all: 140 * KB };
const ON_DEMAND = /^assets\/Terminal-/;

const size = async (name) => (await readFile(join('dist', `${name}.gz`)).catch(() => readFile(join('dist', name)))).length;
const page = await readFile('dist/index.html', 'utf8');
const first = ['index.html', ...[...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((m) => m[1])];
const all = (await readdir('dist', { recursive: true, withFileTypes: true }))
  .filter((e) => e.isFile() && !e.name.endsWith('.gz'))
  .map((e) => join(e.parentPath, e.name).replace(/^dist\//, ''))
  .filter((name) => !ON_DEMAND.test(name));

let failed = false;
for (const [what, names] of [['first', first], ['all', all]]) {
  const sizes = await Promise.all(names.map(size));
  const total = sizes.reduce((a, b) => a + b, 0);
  console.log(`${what}: ${(total / KB).toFixed(1)} KB gzipped of ${LIMITS[what] / KB} KB`);
  if (total > LIMITS[what]) {
    failed = true;
    names.forEach((name, i) => console.log(`web/dist/${name}: error: ${sizes[i]} bytes`));
  }
}
process.exit(failed ? 1 : 0);

// The manual pages, generated from the programs under test: clean for mandoc and groff, with every verb and option.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, bin } from './lib/dockmon.mjs';
import { run } from './lib/process.mjs';

const plain = (text) => text.replace(/.\u0008/gu, '').replace(/\s+/g, ' ');

for (const page of ['dockmon.1', 'dockmond.8', 'dockmon-agent.8']) {
  const program = bin(page.replace(/\.\d$/, ''));
  const help = async (...words) => (await run(program, [...words, '--help'])).stdout;

  test(`${page} is clean and complete`, async () => {
    const made = await run(join(ROOT, 'packaging/man/make-page'), [join(ROOT, `packaging/man/${page}.in`), program]);
    assert.deepEqual([made.code, made.stderr], [0, '']);
    const dir = await mkdtemp(join(tmpdir(), 'dockmon-man-'));
    const file = join(dir, page);
    await writeFile(file, made.stdout);

    const lint = await run('mandoc', ['-T', 'lint', '-W', 'warning', file]);
    assert.deepEqual([lint.code, lint.stdout], [0, '']);
    const groff = await run('groff', ['-ww', '-mandoc', '-Tutf8', file]);
    assert.deepEqual([groff.code, groff.stderr], [0, '']);

    const text = plain((await run('mandoc', ['-T', 'utf8', '-O', 'width=200', file])).stdout).replaceAll('‐', '-');
    await rm(dir, { recursive: true });
    const whole = await help();
    const options = [...whole.matchAll(/^ {2}(--[\w-]+)/gm)].map((m) => m[1]);
    const variables = [...whole.matchAll(/^ {10,}\[([A-Z_]+)[,\]]/gm)].map((m) => m[1]);
    const verbs = page === 'dockmon.1' ? [...whole.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {1,}[A-Z][a-z]/gm)].map((m) => m[1]) : [];
    for (const word of [...options, ...variables]) assert.ok(text.includes(word), `${word} is in ${page}`);
    assert.ok(options.length + verbs.length > 15, whole);
    for (const verb of verbs) {
      const [usage, ...rest] = (await help(...verb.split(' '))).split('\n');
      assert.ok(text.includes(usage.replace(/^Usage: +dockmon /, '')), `${usage} is in ${page}`);
      for (const line of rest.filter((l) => /^ {2}(-\w,| {3}) --/.test(l))) {
        const [, name, what] = /(--[\w-]+(?: [A-Z=]+)?) +(.*)/.exec(line);
        assert.ok(text.includes(`${name} ${what.replace(/\s+/g, ' ')}`), `${verb}: ${line} is in ${page}`);
      }
    }
  });
}

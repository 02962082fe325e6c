// Writes the precompressed form of each text beside it, which the server sends to clients that accept gzip.
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

for (const e of await readdir('dist', { recursive: true, withFileTypes: true })) {
  const path = join(e.parentPath, e.name);
  if (!e.isFile() || path.endsWith('.gz')) continue;
  const body = await readFile(path);
  const packed = gzipSync(body, { level: 9 });
  if (packed.length < body.length) await writeFile(`${path}.gz`, packed);
}

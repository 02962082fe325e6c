// Certificates for a test, created with the openssl command: an authority and the certificates it signs.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.mjs';

async function openssl(...args) {
  const r = await run('openssl', args);
  assert.equal(r.code, 0, `openssl ${args.join(' ')}: ${r.stderr}`);
  return r.stdout;
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

// A self-signed certificate; `cert` and `key` are paths.
export function selfSigned(cert, key, { names = ['DNS:localhost', 'IP:127.0.0.1'], days = 30, oldKey = null } = {}) {
  return openssl(
    'req', '-x509', ...(oldKey ? ['-key', oldKey] : [...EC, '-keyout', key]), '-out', cert,
    '-subj', '/CN=test', '-days', String(days), '-addext', `subjectAltName=${names.join(',')}`,
  );
}

export class Authority {
  static async make(dir, name = 'ca') {
    const a = new Authority();
    a.dir = dir;
    a.cert = join(dir, `${name}.pem`);
    a.key = join(dir, `${name}-key.pem`);
    await openssl('req', '-x509', ...EC, '-keyout', a.key, '-out', a.cert, '-subj', `/CN=${name}`, '-days', '2');
    return a;
  }

  // Signs a new key; `usage` is serverAuth or clientAuth.
  async sign(cert, key, { usage, names = ['DNS:localhost', 'IP:127.0.0.1'], days = 2 }) {
    const request = `${cert}.csr`;
    const extensions = `${cert}.ext`;
    await openssl('req', '-new', ...EC, '-keyout', key, '-out', request, '-subj', '/CN=signed');
    await writeFile(extensions, `extendedKeyUsage=${usage}\nsubjectAltName=${names.join(',')}\n`);
    await openssl(
      'x509', '-req', '-in', request, '-CA', this.cert, '-CAkey', this.key, '-CAcreateserial', '-days', String(days),
      '-extfile', extensions, '-out', cert,
    );
  }
}

export const certificate = (path) => new X509Certificate(readFileSync(path));

// The fingerprint as `dockmond fingerprint` should print it.
export const fingerprint = (path) =>
  `sha256:${createHash('sha256').update(certificate(path).publicKey.export({ type: 'spki', format: 'der' })).digest('hex')}`;

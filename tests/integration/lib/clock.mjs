// A separate wall clock for a program, which a test sets while the program runs. The machine's clock is not touched.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, temporaryDirectory } from './dockmon.mjs';
import { run } from './process.mjs';

export class Clock {
  static async make() {
    const c = new Clock();
    c.dir = await temporaryDirectory();
    c.file = join(c.dir, 'offset');
    c.jump(0);
    const shim = join(c.dir, 'clock.so');
    const r = await run('cc', ['-shared', '-fPIC', '-O1', '-o', shim, join(ROOT, 'tests/integration/lib/clock_shim.c')]);
    assert.equal(r.code, 0, r.stderr);
    c.env = {
      LD_PRELOAD: shim,
      DOCKMON_TEST_CLOCK: c.file,
      ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':'),
    };
    return c;
  }

  // From now on it runs `hours` off the machine's clock.
  jump(hours) {
    const text = Buffer.alloc(8);
    text.writeBigInt64LE(BigInt(Math.round(hours * 3600)));
    writeFileSync(this.file, text, { flag: this.hours === undefined ? 'w' : 'r+' }); // mapped: must not be truncated
    this.hours = hours;
  }

  now() {
    return Date.now() + this.hours * 3600000;
  }

  remove() {
    return rm(this.dir, { recursive: true, force: true });
  }
}

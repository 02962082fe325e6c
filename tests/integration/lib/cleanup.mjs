// The clean-ups of a test file, run in reverse order, all of them even if some fail: processes left running would
// keep the file from ending.
import { after } from 'node:test';

export function cleanups() {
  const ends = [];

  after(async () => {
    const errors = [];
    for (const end of ends.reverse()) {
      try {
        await end();
      } catch (e) {
        errors.push(e);
      }
    }
    if (errors.length) throw errors[0];
  });
  return (...more) => ends.push(...more);
}

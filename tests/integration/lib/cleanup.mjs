// What a test file has to take down, in reverse order, all of it also when some of it fails: what is left running would
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

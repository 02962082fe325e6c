// Waiting for something to become true, with a deadline: the only kind of sleep in these tests.
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Every deadline is this many times longer, for machines that are far slower than a developer's, such as emulated ones.
export const SLOWNESS = Number(process.env.DOCKMON_SLOWNESS || 1);

export async function eventually(probe, { timeout: wanted = 20000, interval = 50, what = '' } = {}) {
  const timeout = wanted * SLOWNESS;
  const deadline = Date.now() + timeout;
  for (;;) {
    let last;
    try {
      const value = await probe();
      if (value) return value;
      last = new Error(`got ${JSON.stringify(value)}`);
    } catch (e) {
      last = e;
    }
    if (Date.now() > deadline) {
      last.message = `not within ${timeout} ms${what ? ` (${what})` : ''}: ${last.message}`;
      throw last;
    }
    await sleep(interval);
  }
}

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

const WAIT_MS = 60000; // more than the longest deadline of a peer, 30 s for the first frame

// The promise, or a failure that names `what` after a deadline.
export async function within(promise, what, timeout = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${timeout * SLOWNESS} ms`)), timeout * SLOWNESS);
    timer.unref();
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Their deadline begins when a test waits for them.
const awaited = (promise, what) => ({ then: (resolve, reject) => within(promise, what).then(resolve, reject) });

// The end of a socket: { code, reason } of a WebSocket.
export function closing(socket, what = 'the end of a socket') {
  return awaited(new Promise((done) => socket.on('close', (code, reason) => done({ code, reason: String(reason) }))), what);
}

export function opening(ws) {
  return awaited(new Promise((done) => ws.on('open', done)), 'an open WebSocket');
}

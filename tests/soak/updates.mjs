// Updates of which the agent, the engine, or both are killed: around each act, before and after it, and then at random
// moments. After each the container has its name, runs once, and has its volumes; nothing else is left. See script/soak.
import { parseArgs } from 'node:util';
import { ACTS, KILLS, Killer, UNDO_ACTS } from '../integration/lib/update-kills.mjs';
import { sleep } from '../integration/lib/wait.mjs';
import { Choices } from './choices.mjs';

const { values: options } = parseArgs({
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    product: { type: 'boolean', default: true },
  },
  allowNegative: true,
});
const MAX_DELAY_MS = 4000; // an update takes about two seconds

const cleanups = [];
const k = new Killer((f) => cleanups.unshift(f));
const failures = [];
const table = new Map(); // 'who state' -> number of runs

async function attempt(what, run) {
  try {
    await run();
  } catch (error) {
    failures.push(what);
    console.error(`FAILED ${what}: ${error.stack}`);
  }
}

async function product() {
  for (const who of Object.keys(KILLS)) {
    let n = 0;
    for (const when of ['before', 'after']) {
      for (const [name, act] of Object.entries(ACTS)) await attempt(`${who} ${when} ${name}`, () => k.killUpdate(act, who, when, name).finally(() => n++));
      for (const [name, act] of Object.entries(UNDO_ACTS)) await attempt(`${who} ${when} ${name}`, () => k.killRollback(act, who, when, name).finally(() => n++));
    }
    console.log(`${who}: killed before and after ${n / 2} acts`);
  }
}

// An update, and sometimes a rollback, during which one side is killed after a random time, or not at all.
async function random(i, c) {
  const who = c.of(Object.keys(KILLS)), delay = c.below(MAX_DELAY_MS), is_rollback = c.below(4) === 0;
  const container = await k.make();
  const id = await k.world.update(container.id, { new_image: k.v2 });
  if (is_rollback) {
    await k.settled(id);
    await k.world.server.command('update_rollback', { update_id: id });
  }
  await sleep(delay);
  const sessions = k.world.server.sockets.length;
  await KILLS[who].down(k.world);
  await KILLS[who].up(k.world);
  if (who !== 'engine') await k.world.server.session({ count: sessions + 1 });
  const r = await k.settled(id);
  await k.check(container, r, `run ${i}: ${who} after ${delay} ms${is_rollback ? ' of a rollback' : ''}`);
  await k.remove(container);
  const key = `${who}${is_rollback ? ', rollback' : ''}: ${r.state}`;
  table.set(key, (table.get(key) ?? 0) + 1);
}

console.log(`seed ${options.seed}, ${options.runs} runs`);
try {
  await k.start();
  if (options.product) await product();
  for (let i = 0; i < Number(options.runs); i++) {
    await attempt(`run ${i}`, () => random(i, new Choices(options.seed, `update ${i}`)));
    if (i % 50 === 49) console.log(`${i + 1} runs, ${failures.length} failures`);
  }
} finally {
  for (const f of cleanups) await f();
}
for (const [key, n] of [...table].sort()) console.log(`${String(n).padStart(5)}  ${key}`);
console.log(failures.length === 0 ? 'no container, no volume was lost, and nothing was left behind' : `${failures.length} failures: ${failures.join('; ')}`);
process.exitCode = failures.length === 0 ? 0 : 1;

// Chaos test: server, agent and CLI do random work and are ended at random moments, in every way that a process can end. A
// sanitizer report, an unexpected exit status and a process that does not end are failures. See script/soak.
import { rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Agent, Client, Server, bin } from '../integration/lib/dockmon.mjs';
import { Engine } from '../integration/lib/engine.mjs';
import { LogSocket } from '../integration/lib/log-socket.mjs';
import { Process } from '../integration/lib/process.mjs';
import { Relay } from '../integration/lib/relay.mjs';
import { Shell } from '../integration/lib/shell.mjs';
import { eventually, sleep } from '../integration/lib/wait.mjs';
import { Choices } from './choices.mjs';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    plan: { type: 'boolean', default: false }, // print the first choices and stop
  },
});
const SECONDS = Number(options.seconds);
const WORKERS = 6;
const CONTAINERS = 5;
const END_MS = 60000; // any program ends within this time after SIGTERM, also on a busy machine
const REPORT = /(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:/;

/* --- choices ------------------------------------------------------------------------------------ */

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGKILL'];
const ENDS = ['one', 'one', 'both', 'both', 'twice', 'freeze', 'reload', 'cut', 'cut', 'hole'];

function chooseEnd(c) {
  const end = { kind: c.of(ENDS), first: c.of(['server', 'agent']), signals: [c.of(SIGNALS), c.of(SIGNALS)] };
  return { ...end, gap: c.ms(400), away: c.ms(3000), pause: c.ms(5000) };
}

const WORK = [
  ['cli', 'ps', '-a'], ['cli', 'logs', '-n', '20', 'NAME'], ['cli', 'inspect', 'NAME'], ['cli', 'stats', '--no-stream'],
  ['cli', 'logs', '-f', 'NAME'], ['cli', 'logs', '-f', 'NAME', 'OTHER'], ['cli', 'stats'], ['cli', 'hosts'],
  ['cli', 'exec', 'NAME', 'sh', '-c', 'echo begun; exec sleep 1000'], ['cli', 'exec', 'NAME', 'sh', '-c', 'busybox seq 1 20000'],
  ['cli', 'stop', '-t', '1', 'NAME'], ['cli', 'start', 'NAME'], ['cli', 'restart', '-t', '0', 'NAME'], ['cli', 'kill', 'NAME'],
  ['rest', 'GET', '/api/hosts'], ['rest', 'GET', '/api/containers'], ['rest', 'GET', '/metrics'], ['rest', 'GET', '/api/events'],
  ['rest', 'GET', 'CONTAINER/logs?follow=true'], ['rest', 'GET', 'CONTAINER/logs?tail=50'], ['rest', 'GET', 'CONTAINER/inspect'],
  ['rest', 'GET', 'CONTAINER/stats/live'], ['rest', 'GET', 'CONTAINER/stats/history'], ['rest', 'GET', 'HOST/images'],
  ['rest', 'POST', 'CONTAINER/stop?timeout=2'], ['rest', 'POST', 'CONTAINER/start'], ['rest', 'POST', 'CONTAINER/kill'],
  ['login'], ['stranger'], ['bulk'], ['follow'], ['shell'], ['shell'],
  ['engine', 'start', 'NAME'], ['engine', 'kill', 'NAME'], ['engine', 'restart', '-t', '0', 'NAME'], ['engine', 'start and remove'],
];

// `patience`: after this time the client is ended by the signal, or closes its connection.
function chooseWork(c) {
  const container = c.below(CONTAINERS);
  return {
    work: c.of(WORK), container, other: (container + 1) % CONTAINERS, patience: 100 + c.ms(6000),
    signal: c.of(['SIGINT', 'SIGTERM', 'SIGKILL', 'SIGSTOP']), pause: c.ms(500),
  };
}

if (options.plan) {
  const ends = new Choices(options.seed, 'ends'), work = new Choices(options.seed, 'work 0');
  for (let i = 0; i < 20; i++) console.log(JSON.stringify([chooseEnd(ends), chooseWork(work)]));
  process.exit(0);
}

/* --- observations ------------------------------------------------------------------------------- */

const counts = { work: 0, ends: 0, starts: 0 };
const began = Date.now();
const failures = new Map(); // subject -> count
const history = [];
let until = Infinity; // the time counts from when all is set up
// Every worker does at least two pieces of work, for which a few seconds are too short on a busy machine.
const isOver = () => Date.now() > until && counts.work >= 2 * WORKERS;

function note(text) {
  history.push(`${((Date.now() - began) / 1000).toFixed(1)} s: ${text}`);
  if (history.length > 40) history.shift();
}

function fail(about, detail) {
  failures.set(about, (failures.get(about) ?? 0) + 1);
  if (failures.get(about) > 1) return;
  console.log(`\nFAILURE ${about}\n${detail}\nbefore it:\n  ${history.join('\n  ')}`);
}

// Fails if the ended process has printed a report, or has ended in an unexpected way.
function judge(p, { code, signal }, { codes, signals }) {
  const at = p.lines.findIndex((l) => REPORT.test(l));
  const lines = p.lines.slice(at < 0 ? -30 : at, at < 0 ? undefined : at + 90).join('\n');
  const summary = p.lines.find((l) => /^SUMMARY:/.test(l)) ?? p.lines[at];
  if (at >= 0) fail(`${p.name}: ${summary}`, lines);
  else if (signal ? !signals.includes(signal) : !codes.includes(code)) fail(`${p.name} ended with ${code ?? signal}`, lines);
  if (p.lines.length > 20000) p.lines.splice(0, 10000);
}

async function endOf(p, what) {
  const late = Symbol('late');
  const exit = await Promise.race([p.exited, sleep(END_MS).then(() => late)]);
  if (exit !== late) return exit;
  fail(`${p.name} does not end after ${what}`, p.lines.slice(-30).join('\n'));
  p.child.kill('SIGABRT');
  return p.exited;
}

/* --- the world ---------------------------------------------------------------------------------- */

const engine = new Engine();
await engine.ensureImage();
const server = await Server.start();
const relay = await Relay.start({ to: { host: '127.0.0.1', port: Number(server.port) } });
const client = await server.client('admin');
const agent = await Agent.start({ url: `http://127.0.0.1:${relay.port}`, token: () => server.token() }, engine);
const host = await client.onlineHost({ timeout: 60000 });
const containers = [];
for (let i = 0; i < CONTAINERS; i++) {
  const command = i % 2 ? ['sh', '-c', 'trap "exit 0" TERM; while :; do echo line; busybox usleep 30000; done'] : ['sleep', '3600'];
  containers.push(await engine.run(`chaos${i}`, { command }));
}
const programs = { server, agent };
until = Date.now() + SECONDS * 1000;
console.log(`chaos: ${SECONDS} s, seed ${options.seed}`);

// The accepted ends of a process; every signal that is sent to it adds to them.
const expected = new WeakMap();
function expect(p, { code = [], signal = [] }) {
  const e = expected.get(p.process) ?? { codes: [], signals: [] };
  expected.set(p.process, { codes: [...e.codes, ...code], signals: [...e.signals, ...signal] });
}

const hasStarted = (p) => p.process.lines.some((l) => /listening on|dockmon-agent starts/.test(l));

function send(p, signal) {
  if (p.process.exit) return;
  note(`${signal} to ${p.process.name}`);
  if (signal === 'SIGKILL' || !hasStarted(p)) expect(p, { signal: [signal] }); // handlers are installed after the start
  if (signal !== 'SIGKILL') expect(p, { code: p === agent && expected.has(p.process) ? [0, 1] : [0] }); // a second signal ends it at once
  p.process.child.kill(signal);
}

// Restarts the program whenever it has ended, after the time that was chosen with the end.
async function keep(p) {
  while (!isOver()) {
    const { process: now } = p;
    const exit = await Promise.race([now.exited, sleep(500)]);
    if (!exit) continue;
    judge(now, exit, expected.get(now) ?? { codes: [], signals: [] });
    await sleep(p.away ?? 0);
    await p.up().catch((e) => p.process.exit || fail(`${now.name} does not start`, e.message)); // killed while it starts: judged above
    counts.starts++;
    note(`${now.name} has started`);
  }
}

async function end(e) {
  const [one, other] = e.first === 'server' ? [server, agent] : [agent, server];
  counts.ends++;
  one.away = e.away;
  other.away = e.away / 2;
  switch (e.kind) {
    case 'one':
      send(one, e.signals[0]);
      break;
    case 'both':
      send(one, e.signals[0]);
      if (e.gap > 20) await sleep(e.gap);
      send(other, e.signals[1]);
      break;
    case 'twice':
      send(one, 'SIGTERM');
      await sleep(e.gap);
      send(one, 'SIGTERM');
      break;
    case 'freeze':
      note(`${one.process.name} is frozen for ${e.away} ms`);
      one.process.child.kill('SIGSTOP');
      await sleep(e.away);
      one.process.child.kill('SIGCONT');
      break;
    case 'reload':
      if (!hasStarted(one)) break;
      note(`SIGHUP to ${one.process.name}`);
      one.process.child.kill('SIGHUP');
      break;
    case 'cut':
      note('the link is cut');
      relay.cut();
      break;
    case 'hole':
      note(`the link carries nothing for ${e.away} ms`);
      relay.set({ mode: 'hole' });
      await sleep(e.away);
      relay.set({ mode: 'pass' });
      relay.cut();
      break;
  }
}

async function ender() {
  const choices = new Choices(options.seed, 'ends');
  while (!isOver()) {
    const e = chooseEnd(choices);
    await sleep(e.pause);
    if (!isOver()) await end(e);
  }
}

/* --- the work ----------------------------------------------------------------------------------- */

async function runCli(words, w) {
  const p = new Process(bin('dockmon'), words, {
    name: `dockmon ${words[0]}`,
    env: { DOCKMON_URL: server.url, DOCKMON_API_KEY: client.key, NO_COLOR: '1' },
  });
  const isEnded = await Promise.race([p.exited, sleep(w.patience)]);
  if (!isEnded && w.signal === 'SIGSTOP') {
    p.child.kill('SIGSTOP');
    await sleep(w.patience / 2);
    p.child.kill('SIGCONT');
    p.child.kill('SIGTERM');
  } else if (!isEnded) {
    p.child.kill(w.signal);
  }
  // 137: a killed process in a container. 125 and more: as from `docker exec`.
  judge(p, await endOf(p, w.signal), { codes: [0, 1, 2, 125, 126, 127, 129, 130, 137, 143], signals: ['SIGINT', 'SIGTERM', 'SIGKILL'] });
}

async function callRest(method, path, w, as = client) {
  const gone = AbortSignal.timeout(w.patience);
  const r = await fetch(server.url + path, { method, headers: { authorization: `Bearer ${as.key}` }, signal: gone });
  await r.text();
}

const api = (path, w) => path.replace('CONTAINER', `/api/hosts/${host.id}/containers/${containers[w.container].id}`).replace('HOST', `/api/hosts/${host.id}`);

async function follow(w) {
  const s = await LogSocket.open(server, client.key);
  for (const i of [w.container, w.other]) s.subscribe(i, host.id, containers[i].name, { tail: 50 });
  await Promise.race([s.closed, sleep(w.patience)]);
  s.ws.terminate();
}

async function shell(w) {
  const s = await Shell.open(server, client.key, host.id, containers[w.container].name, { start: { cmd: ['sh'], tty: w.container % 2 === 0 } });
  s.write('echo $((6 * 7)); busybox seq 1 500; sleep 100\n');
  await Promise.race([s.closed, sleep(w.patience)]);
  if (w.signal === 'SIGKILL') s.ws.terminate();
  else s.ws.close();
}

async function startAndRemove(w) {
  const c = await engine.run(`guest${counts.work}`, { args: ['--rm'], command: ['sh', '-c', 'busybox seq 1 100; sleep 2'] });
  await sleep(w.patience / 2);
  await engine.docker('rm', '-f', c.id);
}

async function doWork(w) {
  const [how, ...words] = w.work;
  const named = words.map((x) => (x === 'NAME' ? containers[w.container].name : x === 'OTHER' ? containers[w.other].name : x));
  switch (how) {
    case 'cli': return runCli(named, w);
    case 'rest': return callRest(words[0], api(words[1], w), w);
    case 'login': return new Client(server).fetch('POST', '/api/v2/auth/login', { body: { username: 'admin', password: `wrong ${w.pause}` } });
    case 'stranger': return callRest('GET', '/api/hosts', w, { key: `dockmon_${w.patience.toString(16).padStart(64, '0')}` });
    case 'bulk': {
      const both = [w.container, w.other].map((i) => ({ host_id: host.id, container_id: containers[i].id }));
      return client.fetch('POST', '/api/bulk', { body: { action: 'restart', options: { timeout: 0 }, containers: both } });
    }
    case 'follow': return follow(w);
    case 'shell': return shell(w);
    default: return named[0] === 'start and remove' ? startAndRemove(w) : engine.docker(...named);
  }
}

// Calls may fail, because a program may be down.
async function worker(n) {
  const choices = new Choices(options.seed, `work ${n}`);
  while (!isOver()) {
    const w = chooseWork(choices);
    counts.work++;
    await Promise.race([doWork(w).catch(() => {}), sleep(2 * END_MS)]);
    await sleep(w.pause);
  }
}

/* --- the end ------------------------------------------------------------------------------------ */

// At the end both programs must still work, and end with the expected status.
async function checkWhole() {
  for (const c of containers) await engine.docker('start', c.id);
  relay.set({ mode: 'pass' });
  for (const p of Object.values(programs)) {
    if (p.process.exit) await p.up();
  }
  await eventually(async () => {
    const listed = await client.get('/api/containers');
    return containers.every((c) => listed.find((l) => l.name === c.name)?.state === 'running');
  }, { timeout: 60000, interval: 500, what: 'all containers are running' });
  for (const p of [agent, server]) {
    send(p, 'SIGTERM');
    judge(p.process, await endOf(p.process, 'SIGTERM'), expected.get(p.process));
  }
}

await Promise.all([keep(server), keep(agent), ender(), ...Array.from({ length: WORKERS }, (_, n) => worker(n))]);
await checkWhole().catch((e) => fail('the programs do not work any more', e.message));
await relay.stop();
await engine.cleanup();
for (const p of Object.values(programs)) await rm(p.dir, { recursive: true, force: true });
const n = [...failures.values()].reduce((a, b) => a + b, 0);
for (const [about, times] of failures) console.log(`${times} times: ${about}`);
console.log(
  `chaos: ${n ? 'FAILED' : 'ok'}: ${SECONDS} s, seed ${options.seed}: ${counts.work} pieces of work, ${counts.ends} ends, ` +
    `${counts.starts} restarts, ${n} failures of ${failures.size} kinds`,
);
process.exit(n ? 1 : 0);

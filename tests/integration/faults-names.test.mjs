// Resolving the server's name: unknown at first, no name server, an unreachable address before a good one, IPv6, IPv4.
// In network namespaces, with /etc/hosts and /etc/resolv.conf of their own.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { cleanups } from './lib/cleanup.mjs';
import { Agent, Server } from './lib/dockmon.mjs';
import { Network } from './lib/netns.mjs';
import { ScriptedEngine } from './lib/scripted-engine.mjs';
import { eventually } from './lib/wait.mjs';

const NAME = 'dockmon.test';
const ATTEMPT_MS = 10000; // TCP, TLS and handshake in total
const later = cleanups();
let network, server, client, pin;

before(async () => {
  network = await Network.make();
  later(() => network.remove());
  server = await Server.start({ network, args: ['--tls-san', NAME] });
  later(() => server.remove());
  client = await server.client('viewer');
  pin = await server.admin('fingerprint');
});

// `hosts` are the addresses of the server's name; without it the name is unknown.
async function makeSite(hosts) {
  const site = await network.site();
  site.name_is = (...addresses) => site.configure('hosts', ['127.0.0.1 localhost', ...addresses.map((a) => `${a} ${NAME}`), ''].join('\n'));
  await site.name_is(...hosts(site));
  await site.configure('resolv.conf', `nameserver ${site.server}\noptions timeout:1 attempts:2\n`);
  return site;
}

async function start(site, name) {
  const engine = await ScriptedEngine.start();
  later(() => engine.stop());
  engine.info.ID = name;
  const env = { DOCKMON_URL: `https://${NAME}:${server.port}`, DOCKMON_PIN: pin, AGENT_NAME: name };
  const agent = await Agent.start(server, engine, { env, wrap: site.wrap });
  later(() => agent.remove());
  return agent;
}

const isOnline = async (name, timeout = 40000) =>
  eventually(async () => (await client.get('/api/hosts')).find((h) => h.name === name)?.status === 'online', { timeout, what: `${name} is online` });

async function known(agent, name) {
  await agent.process.line(/cannot connect: resolve dockmon\.test:\d+: /, { timeout: 40000 });
  const attempts = () => agent.process.lines.filter((l) => /cannot connect/.test(l)).length;
  await eventually(() => attempts() >= 2, { timeout: 60000, what: 'it continues to try' });
  return name;
}

// No name server listens, so the query is refused. Later the name is known.
async function refused() {
  const site = await makeSite(() => []);
  const agent = await start(site, 'names-refused');
  await known(agent);
  await site.name_is(site.server);
  await isOnline('names-refused');
}

// The name server does not answer. A signal ends the agent while it waits.
async function silent() {
  const site = await makeSite(() => []);
  await network.iptables('-A', 'INPUT', '-i', site.peer, '-p', 'udp', '--dport', '53', '-j', 'DROP');
  const agent = await start(site, 'names-silent');
  await known(agent);
  await eventually(() => /dialing$/.test(agent.process.lines.findLast((l) => /link: /.test(l))?.replace(/"$/, '')), { interval: 5 });
  const begin = Date.now();
  await agent.down(); // while it resolves the name; fails if it does not end by itself
  assert.ok(Date.now() - begin < 10000, `${Date.now() - begin} ms`);
  await agent.up();
  await agent.process.line(/cannot connect/, { timeout: 40000 });
  await site.name_is(site.server);
  await isOnline('names-silent');
}

const DEAD = 3; // nearer to 2, the agent's own address, than the server's 1: it is tried first

async function connectsAtOnce(name, { site, first }) {
  const tried = await site.exec('getent', 'ahosts', NAME);
  assert.ok(tried.startsWith(`${first} `), `${first} would be tried first: ${tried}`);
  for (const tool of ['iptables', 'ip6tables'])
    if (first.includes(':') === (tool === 'ip6tables')) await site.exec(tool, '-A', 'OUTPUT', '-d', first, '-j', 'DROP');
  const agent = await start(site, name);
  await isOnline(name);
  assert.deepEqual(agent.process.lines.filter((l) => /cannot connect/.test(l)), [], 'the first attempt finds the reachable address');
}

async function deadThenLiving() {
  const site = await makeSite((s) => [s.server.replace(/\.1$/, `.${DEAD}`), s.server]);
  await connectsAtOnce('names-dead-4', { site, first: site.server.replace(/\.1$/, `.${DEAD}`) });
}

async function deadSixThenFour() {
  const site = await makeSite((s) => [s.server6.replace(/1$/, `${DEAD}`), s.server]);
  await connectsAtOnce('names-dead-6', { site, first: site.server6.replace(/1$/, `${DEAD}`) });
}

async function refusingThenLiving() {
  const site = await makeSite((s) => [s.server6.replace(/1$/, '2'), s.server]); // nothing listens at the agent's own address
  const agent = await start(site, 'names-refusing');
  await isOnline('names-refusing');
  assert.deepEqual(agent.process.lines.filter((l) => /cannot connect/.test(l)), []);
}

async function sixOnly() {
  const site = await makeSite((s) => [s.server6]);
  await start(site, 'names-6');
  await isOnline('names-6');
}

// The server has a new address: the name is resolved for every attempt.
async function moved() {
  const site = await makeSite((s) => [s.server.replace(/\.1$/, `.${DEAD}`)]);
  await site.iptables('-A', 'OUTPUT', '-d', site.server.replace(/\.1$/, `.${DEAD}`), '-j', 'DROP');
  const agent = await start(site, 'names-moved');
  await agent.process.line(/cannot connect: no connection in time/, { timeout: 3 * ATTEMPT_MS });
  await site.name_is(site.server);
  await isOnline('names-moved');
}

const scenarios = {
  'no name server at start': refused,
  'a name server that is silent': silent,
  'a dead IPv4 address before a living one': deadThenLiving,
  'a dead IPv6 address before a living IPv4 one': deadSixThenFour,
  'an address that refuses before a living one': refusingThenLiving,
  'IPv6 alone': sixOnly,
  'another address than before': moved,
};

test('names', { concurrency: true, timeout: 150000 }, async (t) => {
  await Promise.all(Object.entries(scenarios).map(([name, run]) => t.test(name, run)));
});

// A network for one test: a namespace for the server, and one for each agent, each connected by a cable (veth) to the
// server's. They are isolated from the machine's network. The test itself stays outside:
// `publish` maps a port of the server's namespace to a loopback port of the test. Needs root; without it a
// test that asks for a network fails.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Relay } from './relay.mjs';
import { run } from './process.mjs';

const NAME = /^dmns(\d+)-/; // the pid of the test that created it
const made = new Set();
let counter = 0;

async function ip(...args) {
  const r = await run('ip', args);
  assert.equal(r.code, 0, `ip ${args.join(' ')} (as root, in a machine that has network namespaces?): ${r.stderr}`);
  return r.stdout;
}

const configuration = (name) => join('/etc/netns', name); // of `ip netns exec`

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return e.code === 'EPERM';
  }
}

function removeNow(name) {
  spawnSync('ip', ['netns', 'del', name]);
  rmSync(configuration(name), { recursive: true, force: true });
  made.delete(name);
}

// Removes the namespaces of crashed tests.
function removeStale() {
  const dirs = ['/run/netns', '/etc/netns'].flatMap((dir) => {
    try {
      return readdirSync(dir);
    } catch {
      return [];
    }
  });
  for (const name of new Set(dirs)) {
    const pid = NAME.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) removeNow(name);
  }
}

process.on('exit', () => [...made].forEach(removeNow));

class Namespace {
  static async make() {
    const n = new Namespace();
    n.name = `dmns${process.pid}-${counter++}`;
    made.add(n.name);
    await ip('netns', 'add', n.name);
    await ip('-n', n.name, 'link', 'set', 'lo', 'up');
    n.wrap = ['ip', 'netns', 'exec', n.name]; // for Agent, Server and Relay
    return n;
  }

  async exec(...command) {
    const r = await run(this.wrap[0], [...this.wrap.slice(1), ...command]);
    assert.equal(r.code, 0, `${command.join(' ')} in ${this.name}: ${r.stderr}`);
    return r.stdout;
  }

  async iptables(...rule) {
    await this.exec('iptables', '-w', ...rule);
  }

  // Sets the contents of /etc/resolv.conf or /etc/hosts for its processes, before they are started.
  async configure(file, what) {
    await mkdir(configuration(this.name), { recursive: true });
    await writeFile(join(configuration(this.name), file), what); // in place, so that running processes see it
  }
}

// An agent's end of a cable.
class Site extends Namespace {
  static async plug(network, n) {
    const s = Object.assign(new Site(), await Namespace.make());
    s.network = network;
    s.address = `10.231.${n}.2`;
    s.server = `10.231.${n}.1`;
    s.server6 = `fd00:231:${n}::1`;
    s.peer = `srv${n}`; // the interface at the server's end
    await ip('-n', s.name, 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', s.peer, 'netns', network.name);
    for (const [name, dev, last] of [[network.name, s.peer, 1], [s.name, 'up0', 2]]) {
      await ip('-n', name, 'addr', 'add', `10.231.${n}.${last}/24`, 'dev', dev);
      await ip('-n', name, 'addr', 'add', `fd00:231:${n}::${last}/64`, 'dev', dev, 'nodad');
      await ip('-n', name, 'link', 'set', dev, 'up');
    }
    return s;
  }

  // The cable's faults. Packets vanish on their way to the agent ('in'), from it ('out'), or both.
  async drop(direction = 'both') {
    if (direction !== 'out') await this.iptables('-A', 'INPUT', '-i', 'up0', '-j', 'DROP');
    if (direction !== 'in') await this.iptables('-A', 'OUTPUT', '-o', 'up0', '-j', 'DROP');
  }

  async lose(probability) {
    for (const [chain, way] of [['INPUT', '-i'], ['OUTPUT', '-o']])
      await this.iptables('-A', chain, way, 'up0', '-m', 'statistic', '--mode', 'random', '--probability', `${probability}`, '-j', 'DROP');
  }

  // Answers all TCP packets with a reset to both ends.
  async reset() {
    for (const [end, dev] of [[this.network, this.peer], [this, 'up0']])
      await end.iptables(...`-A INPUT -i ${dev} -p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset`.split(' '));
  }

  async heal() {
    await this.iptables('-F');
    await this.network.iptables('-F');
  }

  pull() {
    return ip('-n', this.network.name, 'link', 'set', this.peer, 'down');
  }

  async plugIn() {
    await ip('-n', this.network.name, 'link', 'set', this.peer, 'up');
    await ip('-n', this.network.name, 'addr', 'replace', `${this.server6}/64`, 'dev', this.peer, 'nodad'); // IPv6 addresses are lost with the link
  }
}

export class Network extends Namespace {
  static async make() {
    removeStale();
    const n = Object.assign(new Network(), await Namespace.make());
    n.plugged = 0;
    n.sites = [];
    n.relays = [];
    return n;
  }

  async site() {
    const s = await Site.plug(this, ++this.plugged);
    this.sites.push(s);
    return s;
  }

  // Maps `port` to a loopback port of the test; returns its URL, always without TLS.
  async publish(port, { tls = false } = {}) {
    const path = join('/tmp', `${this.name}-${port}.sock`);
    const inner = await Relay.start({ listen: { path }, to: { host: '127.0.0.1', port, tls } }, { wrap: this.wrap });
    const outer = await Relay.start({ listen: { host: '127.0.0.1', port: 0 }, to: { path } });
    this.relays.push(inner, outer);
    return `http://127.0.0.1:${outer.port}`;
  }

  async remove() {
    for (const r of this.relays) await r.stop();
    for (const n of [...this.sites, this]) {
      await run('ip', ['netns', 'del', n.name]);
      await rm(configuration(n.name), { recursive: true, force: true });
      made.delete(n.name);
    }
  }
}

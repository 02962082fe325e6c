// A service manager's end of the notification socket: a list of the received datagrams.
import { join } from 'node:path';
import { Process } from './process.mjs';

// Node has no datagram sockets in the file system; perl-base is on every Debian.
const RECEIVER = `use Socket; $| = 1;
socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die; bind($s, pack_sockaddr_un($ARGV[0])) or die "bind: $!"; print "bound\\n";
while (defined recv($s, my $m, 4096, 0)) { $m =~ s/\\n/;/g; print "$m\\n"; }`;

export class Manager {
  static async start(dir) {
    const m = new Manager();
    m.socket = join(dir, 'notify.sock');
    m.process = new Process('perl', ['-e', RECEIVER, m.socket], { name: 'manager' });
    await m.process.line(/^bound$/);
    return m;
  }

  env(more = {}) {
    return { NOTIFY_SOCKET: this.socket, ...more };
  }

  // The first message from `from` on that matches.
  heard(pattern, options) {
    return this.process.line(pattern, options);
  }

  get messages() {
    return this.process.lines.slice(1);
  }

  stop() {
    return this.process.stop();
  }
}

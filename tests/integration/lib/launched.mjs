// An agent under dockmon-agent-launch, and a shell in the place of the service manager that starts it again.
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Agent, bin } from './dockmon.mjs';

// $0 is the packaged agent. SIGTERM ends both, with the exit code of the agent.
const SUPERVISE = `
trap 'stop=1; kill -TERM "$pid" 2>/dev/null' TERM
while :; do
  "$LAUNCHER" "$0" "$DATA_PATH" "$@" & pid=$!
  echo "supervisor: started $pid"
  wait $pid
  [ -z "$stop" ] || { wait $pid; exit $?; }
  sleep 0.05
done`;

export class LaunchedAgent extends Agent {
  static start(server, engine, { env = {}, before = '', wrapper = [], ...rest } = {}) {
    return super.start(server, engine, {
      ...rest,
      env: { LAUNCHER: bin('dockmon-agent-launch'), SELF_UPDATE_TIMEOUT: '20s', RECONNECT_MAX: '200ms', ...env },
      wrap: [...wrapper, 'sh', '-c', before + SUPERVISE],
    });
  }

  // The newest process of the agent; undefined before the first.
  get pid() {
    const line = this.process.lines.findLast((l) => l.startsWith('supervisor: started '));
    return line && Number(line.split(' ')[2]);
  }

  // The file that the process runs.
  program() {
    return readlink(`/proc/${this.pid}/exe`);
  }

  file(name) {
    return join(this.dir, 'bin', name);
  }
}

// The server's own key, derived from its file.
export async function serverKey(server) {
  const seed = await readFile(join(server.dir, 'release.key'));
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
}

export const PLATFORM = `linux-${{ x64: 'amd64', arm64: 'arm64', arm: 'arm' }[process.arch]}`;

// A description as src/proto/release.h has it.
export function describe(key, content, { version = '0.1.0', minimum = '0.1.0', platform = PLATFORM } = {}) {
  const sum = createHash('sha256').update(content).digest('hex');
  const text = `dockmon-agent 1\nversion ${version}\nplatform ${platform}\nsha256 ${sum}\nminimum ${minimum}\n`;
  return `${text}signature ${sign(null, Buffer.from(text), key).toString('base64')}\n`;
}

export const writeProgram = (dir, content) => writeFile(join(dir, `agent-${PLATFORM}`), content);
export const writeDescription = (dir, text) => writeFile(join(dir, `agent-${PLATFORM}.release`), text);

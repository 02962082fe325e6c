// The commands with which a new host joins: the service of install.sh, `docker run`, Compose, and the bare program. All
// of them name the address of the server, its key, and a token that was made for them.
import type { Schemas } from '../api/client';

type Token = Schemas['Token'];
export const WAYS = ['script', 'docker', 'compose', 'program'] as const;
export type Way = (typeof WAYS)[number];

// The names of the architectures as the image has them.
const ARCH = "$(uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/;s/armv.*/arm/')";
const MOUNTS = ['dockmon-agent:/data', '/var/run/docker.sock:/var/run/docker.sock:ro', '/proc:/host/proc:ro', '/sys/fs/cgroup:/host/sys/fs/cgroup:ro'];
const DATA = '/var/lib/dockmon-agent';

export function isLoopback(address: string): boolean {
  const host = URL.canParse(address) ? new URL(address).hostname : '';
  return host === 'localhost' || host === '[::1]' || /^127\./.test(host);
}

function base64(hex: string): string {
  return btoa(String.fromCharCode(...(hex.match(/../g) ?? []).map((byte) => parseInt(byte, 16))));
}

// How curl recognises the server by the pinned key instead of an authority.
function curl(token: Token): string {
  const pin = token.fingerprint?.replace(/^sha256:/, '');
  return `curl -sS${pin ? `k --pinnedpubkey 'sha256//${base64(pin)}'` : ''}`;
}

const authorized = (token: Token): string => `${curl(token)} -H 'Authorization: Bearer ${token.token}'`;

function environment(token: Token, address: string): [string, string][] {
  return [['DOCKMON_URL', address], ...(token.fingerprint ? ([['DOCKMON_PIN', token.fingerprint]] as [string, string][]) : []), ['REGISTRATION_TOKEN', token.token]];
}

export const scriptLine = (token: Token, address: string): string => `${authorized(token)} ${address}/install.sh | sh`;

export const loadLine = (token: Token, address: string): string => `${authorized(token)} ${address}/download/agent-image/${ARCH}.tar | docker load`;

// An address of this machine is one of the host's network only.
export function dockerLine(token: Token, address: string): string {
  const parts = [
    'docker run -d --name dockmon-agent --restart unless-stopped',
    ...(isLoopback(address) ? ['--network host'] : []),
    ...environment(token, address).map(([name, value]) => `-e ${name}=${value}`),
    ...MOUNTS.map((m) => `-v ${m}`),
    '--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true',
    'dockmon-agent:latest',
  ];
  return parts.join(' \\\n  ');
}

export function composeFile(token: Token, address: string): string {
  const list = (items: string[]): string => items.map((item) => `      - ${item}`).join('\n');
  return `services:
  agent:
    image: dockmon-agent:latest
    container_name: dockmon-agent
    restart: unless-stopped
${isLoopback(address) ? '    network_mode: host\n' : ''}    environment:
${environment(token, address).map(([name, value]) => `      ${name}: "${value}"`).join('\n')}
    volumes:
${list(MOUNTS)}
    tmpfs: [/tmp]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
volumes:
  dockmon-agent:
    name: dockmon-agent
`;
}

export const programLine = (token: Token, address: string): string =>
  `${environment(token, address).map(([name, value]) => `${name}=${value}`).join(' ')} DATA_PATH=${DATA} dockmon-agent`;

export const healthLine = (token: Token, address: string): string => `${curl(token)} ${address}/health`;

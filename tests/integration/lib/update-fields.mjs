// The fields of a container that an update must keep: bodies of POST /containers/create that together have every field
// which Docker 20.10 takes (API 1.41), the fields that no body has and why, and the differences between the inspects of
// the old and of the new container that are no loss. Everything else that differs is one.
const MIB = 1 << 20;

// `names` are those of what the bodies refer to: a parent container, two networks with their subnets, of a
// volume, and a folder on the host.
export const BODIES = {
  resources: () => ({
    HostConfig: {
      CpuShares: 512, CpuPeriod: 50000, CpuQuota: 25000, CpusetCpus: '0', CpusetMems: '0',
      Memory: 64 * MIB, MemoryReservation: 32 * MIB, MemorySwap: 96 * MIB, MemorySwappiness: 10, OomScoreAdj: 100, PidsLimit: 77,
      Ulimits: [{ Name: 'nofile', Soft: 512, Hard: 1024 }],
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
    },
  }),
  // Memory without swap, and CPUs in the other notation.
  limits: () => ({ HostConfig: { NanoCpus: 500000000, Memory: 64 * MIB, MemorySwap: -1, OomKillDisable: true, Init: false, RestartPolicy: { Name: 'always' } } }),
  storage: (names) => ({
    Volumes: { '/anonymous': {} },
    HostConfig: {
      Binds: [`${names.dir}:/bound:ro`, `${names.volume}:/named`],
      VolumeDriver: 'local',
      Tmpfs: { '/scratch': 'size=1m' },
      ShmSize: 8 * MIB,
      ReadonlyRootfs: true,
      VolumesFrom: [names.parent],
      Mounts: [
        { Type: 'bind', Source: names.dir, Target: '/mounted', ReadOnly: true, Consistency: 'default', BindOptions: { Propagation: 'private', NonRecursive: true } },
        {
          Type: 'volume', Source: `${names.volume}-made`, Target: '/made',
          VolumeOptions: { NoCopy: true, Labels: { own: 'yes' }, DriverConfig: { Name: 'local', Options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } } },
        },
        { Type: 'volume', Target: '/unnamed' },
        { Type: 'tmpfs', Target: '/memory', TmpfsOptions: { SizeBytes: MIB, Mode: 0o700 } },
      ],
    },
  }),
  security: () => ({
    HostConfig: {
      CapAdd: ['NET_ADMIN'], CapDrop: ['MKNOD'], GroupAdd: ['27'], SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'],
      Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/own', CgroupPermissions: 'rw' }],
      DeviceCgroupRules: ['c 1:3 rwm'],
      Sysctls: { 'net.ipv4.ip_unprivileged_port_start': '80' },
      MaskedPaths: ['/proc/kcore'], ReadonlyPaths: ['/proc/sys'],
      IpcMode: 'shareable', CgroupnsMode: 'private', UsernsMode: 'host', Isolation: 'default', Runtime: 'io.containerd.runc.v2',
    },
  }),
  unconfined: () => ({ HostConfig: { MaskedPaths: [], ReadonlyPaths: [], PidMode: 'host', IpcMode: 'host', UTSMode: 'host' } }),
  privileged: () => ({ HostConfig: { Privileged: true } }),
  config: () => ({
    Hostname: 'own-host', Domainname: 'example.test', User: '1:1', WorkingDir: '/own',
    AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: true, OpenStdin: true, StdinOnce: true,
    Env: ['MINE=1', 'COLOUR=green', 'EMPTY=', 'UNSET'],
    Entrypoint: ['/bin/sleep'], Cmd: ['3600'],
    Healthcheck: { Test: ['CMD', '/bin/true'], Interval: 1000000000, Timeout: 20000000000, Retries: 7, StartPeriod: 2000000000 },
    ExposedPorts: { '90/tcp': {} }, Labels: { own: 'yes', version: 'mine' }, StopSignal: 'SIGKILL', StopTimeout: 3, Shell: ['/bin/sh', '-ec'],
  }),
  inherits: () => ({}),
  no_entrypoint: () => ({ Entrypoint: [], Cmd: ['sleep', '3600'], Healthcheck: { Test: ['NONE'] } }),
  networks: (names) => ({
    MacAddress: '02:00:00:00:0a:0b',
    ExposedPorts: { '91/udp': {} },
    HostConfig: {
      NetworkMode: names.front,
      PortBindings: { '91/udp': [{ HostIp: '127.0.0.1', HostPort: '' }], '92/tcp': [{ HostIp: '127.0.0.2', HostPort: '' }] },
      Dns: ['10.0.0.53'], DnsOptions: ['ndots:3'], DnsSearch: ['example.test'], ExtraHosts: ['other:10.0.0.9'],
    },
    NetworkingConfig: {
      EndpointsConfig: {
        [names.front]: {
          IPAMConfig: { IPv4Address: `${names.net4}.50`, IPv6Address: `${names.net6}::50`, LinkLocalIPs: ['169.254.34.68'] },
          Links: [`${names.friend}:pal`], Aliases: ['shop', 'redis-master'], DriverOpts: { 'com.example.own': 'yes' },
        },
      },
    },
  }),
  published: () => ({ ExposedPorts: { '93/tcp': {} }, HostConfig: { PublishAllPorts: true } }),
  linked: (names) => ({ HostConfig: { Links: [`${names.linked}:pal`] } }),
  host: () => ({ HostConfig: { NetworkMode: 'host' } }),
  no_network: () => ({ NetworkDisabled: true, HostConfig: { NetworkMode: 'none' } }),
  shared: (names) => ({ HostConfig: { NetworkMode: `container:${names.parent}`, PidMode: `container:${names.parent}`, IpcMode: `container:${names.parent}` } }),
  removed: () => ({ Volumes: { '/anonymous': {} }, HostConfig: { AutoRemove: true } }),
  // These are only created: the kernel or the host of the test cannot start them.
  created: () => ({
    HostConfig: {
      BlkioDeviceReadBps: [{ Path: '/dev/loop0', Rate: 1001 }], BlkioDeviceWriteBps: [{ Path: '/dev/loop0', Rate: 1002 }],
      BlkioDeviceReadIOps: [{ Path: '/dev/loop0', Rate: 1003 }], BlkioDeviceWriteIOps: [{ Path: '/dev/loop0', Rate: 1004 }],
      CgroupParent: '/dockmon-test', Init: true,
      DeviceRequests: [{ Driver: 'own', Count: 2, DeviceIDs: null, Capabilities: [['gpu', 'own']], Options: { 'own.option': 'yes' } }],
    },
  }),
  devices: () => ({ HostConfig: { DeviceRequests: [{ Driver: '', Count: 0, DeviceIDs: ['0', 'GPU-1'], Capabilities: [['gpu']], Options: {} }] } }),
};

export const ONLY_CREATED = new Set(['created', 'devices', 'privileged']);
// A second network of the container, connected after the create.
export const SECOND = { networks: (names) => [names.back, { Aliases: ['behind'], IPAMConfig: { IPv4Address: `${names.back4}.60` } }] };

// Fields of the planner's table that no body has.
const OUTPUT = 'an answer of the engine, not a setting';
const LATER = 'the engine does not know it: API 1.42 or later';
const WINDOWS = 'a setting of Windows';
export const WITHOUT = {
  'HostConfig.BlkioWeight': 'the kernel has no such weight: discarded', 'HostConfig.BlkioWeightDevice': 'the same',
  'HostConfig.BlkioWeightDevice[].Path': 'the same', 'HostConfig.BlkioWeightDevice[].Weight': 'the same',
  'HostConfig.CpuRealtimePeriod': 'the kernel has no real-time scheduling of groups: refused at create',
  'HostConfig.CpuRealtimeRuntime': 'the same',
  'HostConfig.CpuCount': WINDOWS, 'HostConfig.CpuPercent': WINDOWS, 'HostConfig.IOMaximumIOps': WINDOWS, 'HostConfig.IOMaximumBandwidth': WINDOWS,
  'HostConfig.ConsoleSize': WINDOWS, 'Config.ArgsEscaped': WINDOWS,
  'HostConfig.ContainerIDFile': 'a file of the client',
  'HostConfig.Cgroup': 'refused: only for links between containers of an abandoned driver',
  'HostConfig.StorageOpt': 'refused: the file system has no project quotas',
  'HostConfig.KernelMemory': 'the kernel has no such limit any more: discarded', 'HostConfig.KernelMemoryTCP': 'the same',
  'HostConfig.Mounts[].ClusterOptions': 'a setting of Swarm',
  'HostConfig.Mounts[].BindOptions.CreateMountpoint': LATER, 'HostConfig.Annotations': LATER,
  'HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive': LATER, 'HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive': LATER,
  'HostConfig.Mounts[].VolumeOptions.Subpath': LATER, 'HostConfig.Mounts[].TmpfsOptions.Options': LATER,
  'HostConfig.Mounts[].ImageOptions': LATER, 'HostConfig.Mounts[].ImageOptions.Subpath': LATER,
  'Config.Healthcheck.StartInterval': LATER, 'Endpoint.DNSNames': LATER, 'Endpoint.GwPriority': LATER,
  'Config.OnBuild': 'of images only',
  'Endpoint.MacAddress': 'taken from Config.MacAddress by API 1.41',
  ...Object.fromEntries(['NetworkID', 'EndpointID', 'Gateway', 'IPAddress', 'IPPrefixLen', 'IPv6Gateway', 'GlobalIPv6Address', 'GlobalIPv6PrefixLen'].map((f) => [`Endpoint.${f}`, OUTPUT])),
};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const sorted = (list) => [...(list ?? [])].sort();

// Fields that the engine shows otherwise than they were sent: path -> whether it is the same.
export const SHOWN_OTHERWISE = {
  'Config.Env': (sent, shown) => same(sent, shown.slice(0, sent.length)), // the image's follow
  'Endpoint.Aliases': (sent, shown) => sent.every((a) => shown.includes(a)), // and the short id
  ...Object.fromEntries(['NetworkMode', 'PidMode', 'IpcMode'].map((f) => [`HostConfig.${f}`, (sent, shown) => sent === shown || (/^container:/.test(sent) && /^container:[0-9a-f]{64}$/.test(shown))])),
  'HostConfig.Links': (sent, shown) => same(sent.map((l) => l.split(':')[0]), shown.map((l) => l.split(':')[0].slice(1))),
};

export function get(object, path) {
  return path.split('.').reduce((o, key) => o?.[key], object);
}

// [path, rule]: rule({ before, after, old, now, images: { old, now } }) says whether the difference is none. In the order of
// updates-engines B; a path is one of the leaves below.
const anything = () => true;
const ofImages = ({ before, after, path, images }) => {
  const [was, is] = [get(images.old, path), get(images.now, path)];
  return same(before ?? null, was ?? null) && same(after ?? null, is ?? null);
};
export const ALLOWED = [
  [/^(Id|Created|Path|Args|ResolvConfPath|HostnamePath|HostsPath|LogPath|ExecIDs|Image)$/, anything],
  [/^GraphDriver\b/, anything],
  [/^State\.(?!Status|Running|Paused|Restarting)/, anything],
  [/^Config\.Image$/, anything],
  [/^Config\.Hostname$/, ({ before, after, old, now }) => before === old.Id.slice(0, 12) && after === now.Id.slice(0, 12)],
  [/^Config\.(Cmd|Entrypoint|User|StopSignal|WorkingDir|Shell|Healthcheck|ExposedPorts|Volumes|Labels)\b/, ofImages],
  [/^Config\.Env$/, ({ before, after, images }) => {
    const own = before.filter((e) => !images.old.Config.Env.includes(e));
    const names = new Set(own.map((e) => e.split('=')[0]));
    return same(sorted(after), sorted([...own, ...images.now.Config.Env.filter((e) => !names.has(e.split('=')[0]))]));
  }],
  [/^HostConfig\.Binds$/, ({ before, after, old }) => {
    const added = (after ?? []).filter((b) => !(before ?? []).includes(b));
    return (before ?? []).every((b) => after.includes(b)) && added.every((b) => old.Mounts.some((m) => m.Type === 'volume' && b.startsWith(`${m.Name}:${m.Destination}`)));
  }],
  [/^HostConfig\.Mounts\[\d+\]\.Source$/, ({ before, after, old }) => !before && old.Mounts.some((m) => m.Name === after)],
  [/^NetworkSettings\.(SandboxID|SandboxKey|EndpointID|IPAddress|MacAddress|Gateway)$/, anything],
  [/^Config\.Labels\.dockmon\.update$/, anything], // ours
  [/^NetworkSettings\.Ports\.[^ ]*HostPort$/, anything], // of random ports: none of the bodies has another one
  [/^NetworkSettings\.Ports\./, ({ path, images }) => {
    const port = /\.(\d+\/\w+)/.exec(path)[1];
    return port in images.old.Config.ExposedPorts !== port in images.now.Config.ExposedPorts;
  }],
  [/^Mounts\.[^.]+\.Mode$/, ({ before, after }) => before === '' && after === 'z'],
  [/^Mounts\./, ({ path, before, images }) => before === undefined && path.split('.')[1] in (images.now.Config.Volumes ?? {})],
  [/^NetworkSettings\.Networks\.[^.]+\.EndpointID$/, anything],
  [/^NetworkSettings\.Networks\.[^.]+\.(IPAddress|GlobalIPv6Address)$/, ({ path, old }) => !get(old, path.replace(/\.\w+$/, '.IPAMConfig'))],
  [/^NetworkSettings\.Networks\.[^.]+\.MacAddress$/, ({ old }) => !old.Config.MacAddress],
  [/^NetworkSettings\.Networks\.[^.]+\.Aliases$/, ({ before, after, old, now }) =>
    same(sorted((before ?? []).map((a) => (a === old.Id.slice(0, 12) ? now.Id.slice(0, 12) : a))), sorted(after))],
];

// The leaves of a document by their path: values that are no objects, and lists of them; objects in lists have an index.
export function leaves(v, path = '', to = new Map()) {
  const isObject = v !== null && typeof v === 'object';

  if (Array.isArray(v) && v.some((x) => x !== null && typeof x === 'object')) v.forEach((x, i) => leaves(x, `${path}[${i}]`, to));
  else if (isObject && !Array.isArray(v) && Object.keys(v).length > 0) for (const [k, x] of Object.entries(v)) leaves(x, path ? `${path}.${k}` : k, to);
  else to.set(path, v);
  return to;
}

const normal = (c) => ({ ...c, Mounts: Object.fromEntries(c.Mounts.map((m) => [m.Destination, m])) });

// The differences of two inspects that no rule allows: [{ path, before, after }].
export function losses(old, now, images) {
  const [a, b] = [leaves(normal(old)), leaves(normal(now))];
  const paths = [...new Set([...a.keys(), ...b.keys()])].filter((p) => !same(a.get(p), b.get(p)));

  return paths
    .map((path) => ({ path, before: a.get(path), after: b.get(path) }))
    .filter((d) => !ALLOWED.some(([re, rule]) => re.test(d.path) && rule({ ...d, old, now, images })));
}

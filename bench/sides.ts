import type { Container, Host } from '../test/helpers/private-host.ts';
import { pluginFolder } from '../test/helpers/executable.ts';
import type { Job } from './driver.ts';

/** One of those that are compared: how it is asked to connect a container, and to take it away. */
export interface Side {
  readonly name: string;
  readonly hasCheck: boolean;
  /** What its host has besides. */
  readonly surround?: (host: Host) => Promise<unknown>;
  jobs(container: Container, place: number): Jobs;
}

export interface Jobs {
  readonly add: Job;
  /** `result` is what ADD answered. */
  readonly check: (result: unknown) => Job;
  readonly del: (result: unknown) => Job;
}

export interface ChainOptions {
  readonly port?: boolean;
  readonly ipv6?: boolean;
}

/** Port of the host that container number `place` publishes. */
export const portOf = (place: number): number => 10_000 + place;

const path = '/usr/sbin:/usr/bin:/sbin:/bin';
const bridge = { bridge: 'bench0', isDefaultGateway: true, ipMasq: true, hairpinMode: true };

function ipam({ ipv6 = false }: ChainOptions): object {
  const ranges = [[{ subnet: '10.88.0.0/16' }], ...(ipv6 ? [[{ subnet: 'fd00:88::/64' }]] : [])];
  return { type: 'host-local', ranges };
}

interface OneOptions extends ChainOptions {
  readonly egress?: object | null;
  readonly routed?: boolean;
  /** "inside": beside the end in the namespace; "host": in place of the veth. */
  readonly tap?: 'inside' | 'host';
}

/** Ours in one process, with a policy unless `egress` says otherwise. */
export function one(options: OneOptions = {}): Side {
  const { egress = { mode: 'restricted' }, routed = false, tap } = options;
  const way = routed ? { routed, isDefaultGateway: true, ipMasq: true } : bridge;
  const conf = { type: 'drawbridge', ...way, ipam: ipam(options), ...(egress === null ? {} : { egress }) };
  const withTap = tap === undefined ? conf : { ...conf, tap: tap === 'host' ? { onHost: true } : true };
  const name = `drawbridge, one process${routed ? ', routed' : ''}${tap === undefined ? '' : `, tap ${tap}`}${suffix(options)}`;
  const side = chain(name, pluginFolder, [withTap], options);
  return tap === 'host'
    ? { ...side, jobs: ({ ...at }, place) => side.jobs({ ...at, netns: '/proc/self/ns/net' }, place) }
    : side;
}

/** The same beside somebody who changes rules of his own each second, as Docker and kube-proxy do. */
export function besideOthers(): Side {
  const script = 'while :; do nft add table ip foreign; sleep 1; nft delete table ip foreign; sleep 1; done';
  return {
    ...one(),
    name: 'drawbridge, one process, beside others',
    surround: async (host) => host.spawn(['/bin/sh', '-c', script]),
  };
}

/** Ours in two processes, as the policy behind any other plugin is used. */
export function two(options: ChainOptions = {}): Side {
  const confs = [
    { type: 'drawbridge', ...bridge, ipam: ipam(options) },
    { type: 'egress-policy', mode: 'restricted' },
  ];
  return chain(`drawbridge + egress-policy${suffix(options)}`, pluginFolder, confs, options);
}

/** The reference plugins with nftables: there is no firewall plugin of theirs for it. */
export function referenceNft(folder: string, options: ChainOptions = {}): Side {
  const confs = [
    { type: 'bridge', ...bridge, ipMasqBackend: 'nftables', ipam: ipam(options) },
    { type: 'portmap', backend: 'nftables', snat: true },
  ];
  return chain(`reference, nftables${suffix(options)}`, folder, confs, options);
}

export function referenceIptables(
  folder: string,
  options: ChainOptions & { firewall?: boolean; name?: string } = {},
): Side {
  const { firewall = true, name = 'reference, iptables' } = options;
  const confs = [
    { type: 'bridge', ...bridge, ipam: ipam(options) },
    { type: 'portmap', snat: true, ...(folder.includes('reference') ? { backend: 'iptables' } : {}) },
    ...(firewall ? [{ type: 'firewall', backend: 'iptables' }] : []),
  ];
  return chain(`${name}${firewall ? ' + firewall' : ''}${suffix(options)}`, folder, confs, options);
}

/** Podman's program: its own protocol, one process; the address is given by its caller. */
export function netavark(command: readonly string[]): Side {
  const id = 'be'.repeat(32);
  const network = {
    dns_enabled: false,
    driver: 'bridge',
    id,
    internal: false,
    ipv6_enabled: false,
    name: 'bench',
    network_interface: 'bench0',
    ipam_options: { driver: 'host-local' },
    subnets: [{ gateway: '10.88.0.1', subnet: '10.88.0.0/16' }],
  };
  const job = (verb: string, { name, netns }: Container, place: number): Job => ({
    op: 'exec',
    cmd: [...command, '--config', '/run/netavark', verb, netns],
    env: { PATH: path, NETAVARK_FW: 'nftables' },
    input: JSON.stringify({
      container_id: name,
      container_name: name,
      port_mappings: [{ container_port: 80, host_ip: '', host_port: portOf(place), protocol: 'tcp', range: 1 }],
      networks: { bench: { interface_name: 'eth0', static_ips: [`10.88.${(place + 2) >> 8}.${(place + 2) & 255}`] } },
      network_info: { bench: network },
    }),
  });
  return {
    name: 'netavark, nftables',
    hasCheck: false,
    jobs: (container, place) => ({
      add: job('setup', container, place),
      check: () => job('setup', container, place),
      del: () => job('teardown', container, place),
    }),
  };
}

function suffix({ port = true, ipv6 = false }: ChainOptions): string {
  return `${port ? '' : ', no port'}${ipv6 ? ', dual stack' : ''}`;
}

function chain(name: string, folder: string, confs: readonly object[], { port = true }: ChainOptions): Side {
  return {
    name,
    hasCheck: true,
    jobs: ({ name: id, netns }, place) => {
      const mappings = { portMappings: [{ hostPort: portOf(place), containerPort: 80, protocol: 'tcp' }] };
      const plugins = confs.map(
        (conf) =>
          [
            `${folder}/${(conf as { type: string }).type}`,
            { cniVersion: '1.0.0', name: 'bench', ...conf, ...(port ? { runtimeConfig: mappings } : {}) },
          ] as const,
      );
      const env = { PATH: path, CNI_CONTAINERID: id, CNI_NETNS: netns, CNI_IFNAME: 'eth0', CNI_PATH: folder };
      const job = (verb: string, list: typeof plugins, prev?: unknown): Job => ({
        op: 'chain',
        verb,
        plugins: list,
        env,
        ...(prev === undefined ? {} : { prev }),
      });
      return {
        add: job('ADD', plugins),
        check: (result) => job('CHECK', plugins, result),
        del: (result) => job('DEL', plugins.toReversed(), result),
      };
    },
  };
}

import { parseArgs } from '../../cni/args.ts';
import { CniError, codes } from '../../cni/errors.ts';
import { Fields } from '../../cni/fields.ts';
import { parseNetworkConf, type AttachmentRequest } from '../../cni/request.ts';
import { newestVersion } from '../../cni/versions.ts';
import { isTapName } from '../../links/conf.ts';
import { listsIn, typeOf, type Plugin } from '../../plugins/drawbridge/network-lists.ts';
import { UsageError, valueOf, type Invocation } from '../command.ts';
import { parseMapping } from '../mapping.ts';

/** The network of taps that were given none. */
const ownNetwork = 'taps';

/** Guests of that network have addresses of it: the first are 172.16.0.1 for the host and 172.16.0.2 for a guest. */
const ownSubnet = '172.16.0.0/16';

/** What a guest calls its interface. */
const ifname = 'eth0';

/**
 * What a runtime would ask of the interface plugin for the words of `tap add`: the network of a list that the host has,
 * or one of its own. Throws {@link UsageError}, and code 7 for a network that there is not.
 */
export function tapRequest(invocation: Invocation): {
  readonly request: AttachmentRequest;
  /** Sentences about what of the list does not hold for a tap. */
  readonly notices: readonly string[];
} {
  const [name = ''] = invocation.operands;
  if (!isTapName(name) || !/^[a-zA-Z0-9][\w.-]*$/u.test(name))
    throw new UsageError(
      `Cannot call a tap "${name}": it is the name of an interface, at most 15 letters, digits, ".", "_" and "-"`,
    );
  const network = valueOf(invocation, 'network');
  const { listed, notices } =
    network === undefined ? { listed: ownConf(invocation), notices: [] } : listedConf(network, invocation);
  const config = parseNetworkConf(
    new Fields({
      ...listed,
      cniVersion: newestVersion,
      type: 'drawbridge',
      awaitsPolicy: false,
      tap: tapOf(name, invocation),
      ...numberOf(invocation, 'mtu'),
      egress: egressOf(invocation, listed['egress']),
      capabilities: { ips: true, mac: true, portMappings: true, dns: true },
      runtimeConfig: runtimeConfigOf(invocation),
    }),
  );
  const id = { network: config.name, containerId: name, ifname };
  return { request: { verb: 'ADD', config, id, netns: '', path: [], args: parseArgs(''), argsText: '' }, notices };
}

function ownConf({ lists, ...invocation }: Invocation): Plugin {
  const bridge = valueOf({ lists, ...invocation }, 'bridge');
  const subnets = lists['subnet'] ?? [ownSubnet];
  return {
    name: ownNetwork,
    ...(bridge === undefined ? { routed: true } : { bridge }),
    isDefaultGateway: true,
    ipMasq: true,
    ipam: { type: 'host-local', ranges: subnets.map((subnet) => [{ subnet }]) },
  };
}

/** The part of `drawbridge` in a list of /etc/cni/net.d, and the policy that follows it there. */
function listedConf(
  network: string,
  invocation: Invocation,
): { readonly listed: Plugin; readonly notices: readonly string[] } {
  for (const option of ['bridge', 'subnet'])
    if (valueOf(invocation, option) !== undefined || invocation.lists[option] !== undefined)
      throw new UsageError(`Cannot use "--${option}" with "--network": the list of the network says it`);
  const folder = process.env['NETCONFPATH'] || '/etc/cni/net.d';
  const plugins = listsIn(folder, network)[0]?.plugins ?? [];
  const own = plugins.find((plugin) => typeOf(plugin) === 'drawbridge');
  if (own === undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot use the network "${network}": "${folder}" has no list of that name with a plugin of type "drawbridge"`,
      'Leave --network out for a network of its own, or install a list: "drawbridge install" brings one',
    );
  const policy = plugins.find((plugin) => typeOf(plugin) === 'egress-policy');
  const others = plugins.map(typeOf).filter((type) => type !== 'drawbridge' && type !== 'egress-policy');
  return {
    listed: { ...own, name: network, ...(policy === undefined ? {} : { egress: keysOfPolicy(policy) }) },
    notices: others.map((type) => `"${type}" of the list "${network}" is not run for a tap`),
  };
}

function keysOfPolicy(plugin: Plugin): Plugin {
  const foreign = ['type', 'capabilities', 'name', 'cniVersion'];
  return Object.fromEntries(Object.entries(plugin).filter(([key]) => !foreign.includes(key)));
}

function tapOf(name: string, invocation: Invocation): object {
  const { options } = invocation;
  return {
    name,
    onHost: true,
    manual: true,
    ephemeral: options['ephemeral'] === true,
    ...numberOf(invocation, 'owner'),
    ...numberOf(invocation, 'group'),
    multiQueue: options['multi-queue'] === true,
    vnetHeader: options['vnet-header'] === true,
  };
}

/** The policy of the words, else that of the list, else the restricted one: no guest is open by oversight. */
function egressOf({ lists, ...invocation }: Invocation, listed: unknown): unknown {
  const policy = valueOf({ lists, ...invocation }, 'policy');
  const { preset, allow } = lists;
  if (policy !== undefined && (preset ?? allow) !== undefined)
    throw new UsageError('Cannot use "--preset" or "--allow" with "--policy": the policy says it');
  if (policy !== undefined) return { policy };
  const keys = { ...(preset === undefined ? {} : { preset }), ...(allow === undefined ? {} : { allow }) };
  return Object.keys(keys).length > 0 ? keys : (listed ?? {});
}

function runtimeConfigOf(invocation: Invocation): object {
  const { lists } = invocation;
  const mac = valueOf(invocation, 'mac');
  return {
    ips: lists['ip'] ?? [],
    portMappings: (lists['publish'] ?? []).map(parseMapping).map(({ hostIp, hostPort, containerPort, protocol }) => ({
      ...(hostIp === undefined ? {} : { hostIP: hostIp }),
      hostPort,
      containerPort,
      protocol,
    })),
    ...(mac === undefined ? {} : { mac }),
    ...(lists['dns'] === undefined ? {} : { dns: { servers: lists['dns'] } }),
  };
}

/** Throws {@link UsageError} for what is no whole number. */
function numberOf(invocation: Invocation, name: string): Record<string, number> {
  const text = valueOf(invocation, name);
  if (text === undefined) return {};
  if (!/^\d{1,10}$/u.test(text)) throw new UsageError(`Cannot use "--${name} ${text}": it is a number`);
  return { [name]: Number(text) };
}

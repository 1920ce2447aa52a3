import { parseArgs } from '../../cni/args.ts';
import { InvalidValueError } from '../../cni/errors.ts';
import { Fields } from '../../cni/fields.ts';
import { parseNetworkConf, type AttachmentRequest, type NetworkConf } from '../../cni/request.ts';
import { newestVersion } from '../../cni/versions.ts';
import { parseNetwork, type Network } from './network.ts';

/** What podman says of a container that is connected to a network. */
interface Container {
  readonly ips: readonly string[];
  readonly mac?: string;
  readonly portMappings: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Makes of the input of `setup` and `teardown` what a container runtime would ask of the interface plugin. Throws
 * {@link CniError} with code 7.
 */
export function attachmentRequest(
  verb: 'ADD' | 'DEL',
  netns: string,
  input: unknown,
): { readonly request: AttachmentRequest; readonly network: Network } {
  const fields = new Fields(input);
  const network = parseNetwork(fields.raw('network'));
  const options = fields.object('network_options') ?? new Fields({}, 'network_options');
  const mac = options.string('static_mac');
  const container: Container = {
    ips: options.strings('static_ips') ?? [],
    ...(mac === undefined ? {} : { mac }),
    portMappings: (fields.objects('port_mappings') ?? []).flatMap(portsOf),
  };
  const id = {
    network: network.name,
    containerId: required(fields, 'container_id'),
    ifname: required(options, 'interface_name'),
  };
  const config = networkConf(network, container);
  return { request: { verb, config, id, netns, path: [], args: parseArgs(''), argsText: '' }, network };
}

function required(fields: Fields, key: string): string {
  const value = fields.string(key) ?? '';
  if (/^[\w.-]+$/.test(value)) return value;
  throw fields.invalid(key, 'a name');
}

/** Podman writes a range of ports as its first ones and their number, and may name several protocols at once. */
function portsOf(fields: Fields): Readonly<Record<string, unknown>>[] {
  const count = fields.integer('range', { min: 0, max: 65_535 }) ?? 1;
  const hostPort = fields.integer('host_port', { min: 0, max: 65_535 }) ?? 0;
  const containerPort = fields.integer('container_port', { min: 0, max: 65_535 }) ?? 0;
  const hostIP = fields.string('host_ip') ?? '';
  const protocols = (fields.string('protocol') ?? 'tcp').split(',');
  return protocols.flatMap((protocol) =>
    Array.from({ length: Math.max(count, 1) }, (_, index) => ({
      hostPort: hostPort + index,
      containerPort: containerPort + index,
      protocol,
      ...(hostIP === '' ? {} : { hostIP }),
    })),
  );
}

const nobody: Container = { ips: [], portMappings: [] };

/** A network in the words of the interface plugin's own configuration. Throws code 7 for one without a bridge. */
export function networkConf(network: Network, { ips, mac, portMappings } = nobody): NetworkConf {
  if (network.interface === undefined)
    throw new InvalidValueError(
      'network.network_interface',
      'it is missing',
      'Make the network by "podman network create -d drawbridge"',
    );
  return parseNetworkConf(
    new Fields({
      cniVersion: newestVersion,
      name: network.name,
      type: 'drawbridge',
      bridge: network.interface,
      isGateway: true,
      isDefaultGateway: !network.isInternal && network.options.hasDefaultRoute,
      ipMasq: !network.isInternal,
      awaitsPolicy: false,
      ...(network.options.mtu === undefined ? {} : { mtu: network.options.mtu }),
      ...(network.options.metric === undefined ? {} : { metric: network.options.metric }),
      ...ipamOf(network),
      ...egressOf(network),
      capabilities: { ips: true, mac: true, portMappings: true },
      runtimeConfig: { ips, portMappings, ...(mac === undefined ? {} : { mac }) },
    }),
  );
}

function ipamOf({ ipam, subnets, routes }: Network): object {
  if (ipam === 'none' || subnets.length === 0) return {};
  return {
    ipam: {
      type: 'host-local',
      ranges: subnets.map(({ subnet, gateway, leaseRange }) => [
        {
          subnet,
          ...(gateway === undefined ? {} : { gateway }),
          ...(leaseRange?.start === undefined ? {} : { rangeStart: leaseRange.start }),
          ...(leaseRange?.end === undefined ? {} : { rangeEnd: leaseRange.end }),
        },
      ]),
      routes: routes.map(({ destination, gateway, metric }) => ({
        dst: destination,
        ...(gateway === '' ? {} : { gw: gateway }),
        ...(metric === undefined ? {} : { priority: metric }),
      })),
    },
  };
}

function egressOf({ options: { egress, presets } }: Network): object {
  if (egress !== undefined) return { egress: { policy: egress } };
  return presets.length === 0 ? {} : { egress: { preset: presets } };
}

import type { SysctlValue } from './sysctl-value.ts';
import { line } from './batch-line.ts';
import { hardwareAddressOf } from './hardware-address.ts';
import { needsVlanFiltering, portVlanLines, vlanGatewayNames, type PortVlans } from './vlan.ts';

/** What a bridge shall be. */
export interface BridgeSpec extends PortVlans {
  readonly bridge: string;
  readonly mtu: number;
  readonly promiscMode: boolean;
  /** Bits for the link-local groups that the bridge forwards; 0 leaves it as it is. */
  readonly groupForwardMask?: number;
  readonly forceAddress: boolean;
  /** Addresses of the host on this network, with prefix length; empty when the bridge is no gateway. */
  readonly gateways: readonly string[];
  /** Networks behind the bridge in which no gateway address is; default none. */
  readonly onLink?: readonly string[];
  /** Lets 127.0.0.1 of the host reach published ports. */
  readonly routeLocalnet: boolean;
}

/** How to make a bridge, and how to keep it as it shall be. */
export interface BridgePlan {
  readonly name: string;
  readonly mtu: number;
  /** `ip -batch`: makes it. Stops at the first line, harmlessly, when another ADD was faster. */
  readonly create: readonly string[];
  /**
   * `ip -batch`, fit to be repeated at every ADD: flags, and the gateway addresses, which other tools strip (cni#77).
   */
  readonly keep: readonly string[];
  /** The interface that holds the gateway addresses: the bridge, or the veth of its VLAN. */
  readonly gatewayInterface: string;
  readonly gateways: readonly string[];
  readonly forceAddress: boolean;
  /**
   * Only for a gateway in a VLAN: a veth pair, one end of it a port of the bridge in that VLAN. The lines of
   * `vlans` may be repeated, but for one that takes the port out of VLAN 1, which then comes last.
   */
  readonly vlanGateway?: { readonly create: readonly string[]; readonly vlans: readonly string[] };
  /**
   * Values of files below /proc/sys/net/ that a bridge needs; what is below ipv6/ is skipped by a host without IPv6.
   */
  readonly sysctls: readonly SysctlValue[];
  /** Families that the host has to forward. */
  readonly forwarding: readonly (4 | 6)[];
}

/** Plans a bridge. Pure: the same spec gives the same text. */
export function planBridge(spec: BridgeSpec): BridgePlan {
  const { bridge: name, mtu, gateways } = spec;
  const isVlanGateway = spec.vlan !== 0 && gateways.length > 0;
  const gatewayInterface = gatewayInterfaceOf(name, spec);
  const families = [4, 6].filter((family): family is 4 | 6 => gateways.some((address) => familyOf(address) === family));
  return {
    name,
    mtu,
    create: [
      line`link add name ${name} address ${hardwareAddressOf(name)} type bridge`,
      // A bridge made with an MTU still follows its ports, and falls back to 1500 without any; one that is set later
      // does not.
      line`link set dev ${name} mtu ${mtu}`,
    ],
    keep: keepLines(spec, gatewayInterface),
    gatewayInterface,
    gateways,
    forceAddress: spec.forceAddress,
    ...(isVlanGateway ? { vlanGateway: planVlanGateway(spec) } : {}),
    sysctls: [
      {
        file: `ipv6/conf/${name}/accept_ra`,
        value: '0',
        without: 'where the host does not forward IPv6, a container without a policy can announce itself as its router',
      },
      ...(families.includes(6) ? [{ file: `ipv6/conf/${gatewayInterface}/disable_ipv6`, value: '0' }] : []),
      ...(spec.routeLocalnet
        ? [
            {
              file: `ipv4/conf/${name}/route_localnet`,
              value: '1',
              without: 'published ports are not reached through 127.0.0.1',
            },
          ]
        : []),
      // A host that forwarded before has its "default" for a new device, which may say otherwise.
      ...families.map((family) => ({ file: `ipv${family}/conf/${gatewayInterface}/forwarding`, value: '1' })),
    ],
    forwarding: families,
  };
}

/** The interface that holds the gateway addresses: the bridge itself, or one in the VLAN. */
export function gatewayInterfaceOf(
  bridge: string,
  { vlan, gateways }: { readonly vlan: number; readonly gateways: readonly string[] },
): string {
  return vlan !== 0 && gateways.length > 0 ? vlanGatewayNames(bridge, vlan).name : bridge;
}

/** 4 or 6, by the text of an address or prefix. */
export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function keepLines(spec: BridgeSpec, gatewayInterface: string): string[] {
  const lines: string[] = [];
  if (needsVlanFiltering(spec)) lines.push(line`link set dev ${spec.bridge} type bridge vlan_filtering 1`);
  if (spec.promiscMode) lines.push(line`link set dev ${spec.bridge} promisc on`);
  const { groupForwardMask = 0 } = spec;
  if (groupForwardMask !== 0)
    lines.push(line`link set dev ${spec.bridge} type bridge group_fwd_mask ${groupForwardMask}`);
  lines.push(line`link set dev ${spec.bridge} up`);
  if (gatewayInterface !== spec.bridge) {
    lines.push(
      line`link set dev ${vlanGatewayNames(spec.bridge, spec.vlan).port} master ${spec.bridge} up`,
      line`link set dev ${gatewayInterface} up`,
    );
  }
  for (const address of spec.gateways) {
    lines.push(line`address replace ${address} dev ${gatewayInterface} ${familyOf(address) === 6 ? ['nodad'] : []}`);
  }
  for (const network of spec.onLink ?? []) lines.push(line`route replace ${network} dev ${gatewayInterface}`);
  return lines;
}

function planVlanGateway(spec: BridgeSpec): { create: string[]; vlans: string[] } {
  const { name, port } = vlanGatewayNames(spec.bridge, spec.vlan);
  return {
    create: [
      line`link add name ${name} mtu ${spec.mtu} address ${hardwareAddressOf(name)} type veth peer name ${port} mtu ${spec.mtu} address ${hardwareAddressOf(port)}`,
      line`link set dev ${port} master ${spec.bridge}`,
    ],
    vlans: portVlanLines(port, { vlan: spec.vlan, trunk: [], preserveDefaultVlan: spec.preserveDefaultVlan }),
  };
}

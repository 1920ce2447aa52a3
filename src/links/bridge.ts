import { familyOf } from '../ip/family.ts';
import type { SysctlValue } from './sysctl-value.ts';
import type { LinkCommand } from './command.ts';
import { hardwareAddressOf } from './hardware-address.ts';
import { needsVlanFiltering, planPortVlans, vlanGatewayNames, type PortVlans } from './vlan.ts';

/** What a bridge shall be. */
export interface BridgeSpec extends PortVlans {
  readonly bridge: string;
  readonly mtu: number;
  readonly promiscMode: boolean;
  /** Bits for the link-local groups that the bridge forwards; other networks of the bridge may ask for others. */
  readonly groupForwardMask?: number;
  readonly forceAddress: boolean;
  /** Addresses of the host on this network, with prefix length; empty when the bridge is no gateway. */
  readonly gateways: readonly string[];
  /** Networks behind the bridge in which no gateway address is; default none. */
  readonly onLink?: readonly string[];
}

/** How to make a bridge, and how to keep it as it shall be. */
export interface BridgePlan {
  readonly name: string;
  readonly mtu: number;
  /** Makes it. Stops at the first command, harmlessly, when another ADD was faster. */
  readonly create: readonly LinkCommand[];
  /** Fit to be repeated at every ADD: flags, and the gateway addresses, which other tools strip (cni#77). */
  readonly keep: readonly LinkCommand[];
  /** The interface that holds the gateway addresses: the bridge, or the veth of its VLAN. */
  readonly gatewayInterface: string;
  readonly gateways: readonly string[];
  readonly forceAddress: boolean;
  /**
   * Bits for the link-local groups that the bridge forwards beside those that it has; 0 when nothing is asked of it.
   */
  readonly groupForwardMask: number;
  /**
   * Only for a gateway in a VLAN: a veth pair, one end of it a port of the bridge in that VLAN. Those of
   * `vlans` may be repeated, but for one that takes the port out of VLAN 1, which then comes last.
   */
  readonly vlanGateway?: { readonly create: readonly LinkCommand[]; readonly vlans: readonly LinkCommand[] };
  /**
   * Values of files below /proc/sys/net/ that a bridge needs; what is below ipv6/ is skipped by a host without IPv6.
   */
  readonly sysctls: readonly SysctlValue[];
  /** Families that the host has to forward. */
  readonly forwarding: readonly (4 | 6)[];
}

/** Plans a bridge. Pure: the same spec gives the same commands. */
export function planBridge(spec: BridgeSpec): BridgePlan {
  const { bridge: name, mtu, gateways } = spec;
  const isVlanGateway = spec.vlan !== 0 && gateways.length > 0;
  const gatewayInterface = gatewayInterfaceOf(name, spec);
  const families = [4, 6].filter((family): family is 4 | 6 => gateways.some((address) => familyOf(address) === family));
  return {
    name,
    mtu,
    create: [
      { kind: 'addBridge', name, mac: hardwareAddressOf(name) },
      // A bridge made with an MTU still follows its ports, and falls back to 1500 without any; one that is set later
      // does not.
      { kind: 'setLink', name, mtu },
    ],
    keep: keepBridge(spec, gatewayInterface),
    gatewayInterface,
    gateways,
    forceAddress: spec.forceAddress,
    groupForwardMask: spec.groupForwardMask ?? 0,
    ...(isVlanGateway ? { vlanGateway: planVlanGateway(spec) } : {}),
    sysctls: [
      {
        file: `ipv6/conf/${name}/accept_ra`,
        value: '0',
        without: 'where the host does not forward IPv6, a container without a policy can announce itself as its router',
      },
      ...(families.includes(6) ? [{ file: `ipv6/conf/${gatewayInterface}/disable_ipv6`, value: '0' }] : []),
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

function keepBridge(spec: BridgeSpec, gatewayInterface: string): LinkCommand[] {
  const { bridge: name } = spec;
  const commands: LinkCommand[] = [];
  if (needsVlanFiltering(spec)) commands.push({ kind: 'setBridge', name, vlanFiltering: true });
  if (spec.promiscMode) commands.push({ kind: 'setLink', name, promiscuous: true });
  commands.push({ kind: 'setLink', name, state: 'up' });
  if (gatewayInterface !== name) {
    commands.push(
      { kind: 'setLink', name: vlanGatewayNames(name, spec.vlan).port, master: name, state: 'up' },
      { kind: 'setLink', name: gatewayInterface, state: 'up' },
    );
  }
  commands.push(...spec.gateways.map((address) => keepGateway(address, gatewayInterface)));
  for (const network of spec.onLink ?? []) commands.push({ kind: 'replaceRoute', dst: network, dev: gatewayInterface });
  return commands;
}

/** Gives an interface of the host the address of a gateway, with prefix length, unless it has it. */
export function keepGateway(address: string, name: string): LinkCommand<'replaceAddress'> {
  return { kind: 'replaceAddress', address, name, ...(familyOf(address) === 6 ? { nodad: true } : {}) };
}

function planVlanGateway(spec: BridgeSpec): { create: LinkCommand[]; vlans: LinkCommand[] } {
  const { bridge, mtu } = spec;
  const { name, port } = vlanGatewayNames(bridge, spec.vlan);
  return {
    create: [
      {
        kind: 'addVeth',
        end: { name, mtu, mac: hardwareAddressOf(name) },
        peer: { name: port, mtu, mac: hardwareAddressOf(port) },
      },
      { kind: 'setLink', name: port, master: bridge },
    ],
    vlans: planPortVlans(port, { vlan: spec.vlan, trunk: [], preserveDefaultVlan: spec.preserveDefaultVlan }),
  };
}

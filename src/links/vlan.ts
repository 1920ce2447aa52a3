import { sha256 } from '../digest/sha256.ts';
import type { LinkCommand } from './command.ts';

/** VLANs of a bridge port. */
export interface PortVlans {
  /** Untagged VLAN of the port, 1 to 4094; 0 means none was asked for. */
  readonly vlan: number;
  /** Tagged VLANs, ascending, without repeats. */
  readonly trunk: readonly number[];
  /** Keeps VLAN 1, which the bridge gives to every new port. */
  readonly preserveDefaultVlan: boolean;
}

/** Whether a bridge has to filter VLANs for such a port. */
export function needsVlanFiltering({ vlan, trunk }: PortVlans): boolean {
  return vlan !== 0 || trunk.length > 0;
}

/**
 * Puts a port in its VLANs; nothing when it is in none.
 *
 * A trunk without a VLAN of its own has VLAN 1 as its untagged one, as in the reference bridge plugin.
 */
export function planPortVlans(port: string, vlans: PortVlans): LinkCommand[] {
  if (!needsVlanFiltering(vlans)) return [];
  const native = vlans.vlan === 0 ? defaultVlan : vlans.vlan;
  const commands: LinkCommand[] = [{ kind: 'addPortVlans', name: port, first: native, last: native, isNative: true }];
  if (!vlans.preserveDefaultVlan && native !== defaultVlan)
    commands.push({ kind: 'deletePortVlan', name: port, vlan: defaultVlan });
  for (const range of rangesOf(vlans.trunk.filter((id) => id !== native)))
    commands.push({ kind: 'addPortVlans', name: port, ...range });
  return commands;
}

/** Names of the veth pair that carries the gateway addresses of a VLAN: the end with the addresses, and the port. */
export function vlanGatewayNames(bridge: string, vlan: number): { name: string; port: string } {
  const name = `${bridge}.${vlan}`;
  return { name, port: `vlgw${sha256(name).slice(0, 11)}` };
}

/** VLAN that a Linux bridge puts every new port in (default_pvid). */
const defaultVlan = 1;

function rangesOf(ids: readonly number[]): { first: number; last: number }[] {
  const ranges: { first: number; last: number }[] = [];
  for (const id of ids) {
    const range = ranges.at(-1);
    if (range !== undefined && range.last + 1 === id) range.last = id;
    else ranges.push({ first: id, last: id });
  }
  return ranges;
}

import { sha256 } from '../digest/sha256.ts';
import { line } from './batch-line.ts';

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
 * Lines of `bridge -batch` that put a port in its VLANs; none when it is in none.
 *
 * A trunk without a VLAN of its own has VLAN 1 as its untagged one, as in the reference bridge plugin.
 */
export function portVlanLines(port: string, vlans: PortVlans): string[] {
  if (!needsVlanFiltering(vlans)) return [];
  const native = vlans.vlan === 0 ? defaultVlan : vlans.vlan;
  const lines: string[] = [];
  const dropsDefault = !vlans.preserveDefaultVlan && native !== defaultVlan;
  lines.push(line`vlan add dev ${port} vid ${native} pvid untagged`);
  if (dropsDefault) lines.push(line`vlan del dev ${port} vid ${defaultVlan}`);
  for (const range of rangesOf(vlans.trunk.filter((id) => id !== native)))
    lines.push(line`vlan add dev ${port} vid ${range}`);
  return lines;
}

/** Names of the veth pair that carries the gateway addresses of a VLAN: the end with the addresses, and the port. */
export function vlanGatewayNames(bridge: string, vlan: number): { name: string; port: string } {
  const name = `${bridge}.${vlan}`;
  return { name, port: `vlgw${sha256(name).slice(0, 11)}` };
}

/** VLAN that a Linux bridge puts every new port in (default_pvid). */
const defaultVlan = 1;

function rangesOf(ids: readonly number[]): string[] {
  const ranges: { from: number; to: number }[] = [];
  for (const id of ids) {
    const last = ranges.at(-1);
    if (last !== undefined && last.to + 1 === id) last.to = id;
    else ranges.push({ from: id, to: id });
  }
  return ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
}

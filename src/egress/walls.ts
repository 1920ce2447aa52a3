/**
 * Walls around bridges: who may ask something of the containers there, in the words of the reference firewall
 * plugin's "ingressPolicy". What is judged is the bridge alone, not the container.
 *
 *   set walls            bridges with walls: what leaves one of them does not enter another
 *   set walls_within     (bridge, bridge) the same twice: a wall does not stand between a bridge and itself
 *   set walls_isolated   (bridge, bridge) the same twice: here it does
 *
 * The reference leaves what passes between two ports of one bridge to br_netfilter; ports are isolated from one
 * another besides (plugins/drop-in/firewall), so that "isolated" holds without it.
 */
import type { Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** Declarations inside `table inet drawbridge`. */
export const wallsDeclarations = `
  set walls { type ifname; }
  set walls_within { type ifname . ifname; }
  set walls_isolated { type ifname . ifname; }
  chain walls_forward {
    type filter hook forward priority filter - 6; policy accept;
    iifname @walls oifname @walls iifname . oifname != @walls_within drop
    iifname . oifname @walls_isolated drop
  }
`;

/** What an attachment has in those sets: what every container on its bridge with the same policy has. */
export function wallsElements({ walls }: AttachmentRecord): Element[] {
  if (walls === undefined || walls.policy === 'open') return [];
  const { ingressInterface, policy } = walls;
  const table = 'inet drawbridge';
  const bridge = quotedInterface(ingressInterface);
  const pair = `${bridge} . ${bridge}`;
  const shared = `walls-${ingressInterface}`;
  return [
    { table, set: 'walls', key: bridge, shared },
    { table, set: 'walls_within', key: pair, shared },
    ...(policy === 'isolated'
      ? [{ table, set: 'walls_isolated', key: pair, shared: `isolated-${ingressInterface}` } as const]
      : []),
  ];
}

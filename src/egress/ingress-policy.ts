/**
 * The ingress policy of a bridge: who may open a connection to the containers there, as the key "ingressPolicy" of the
 * reference firewall plugin says. What is judged is the bridge alone, not the container.
 *
 *   set ingress_bridges            bridges with ingressPolicy: what leaves one of them does not enter another
 *   set ingress_within     (bridge, bridge) the same twice: what stays on one bridge passes
 *   set ingress_isolated   (bridge, bridge) the same twice: here it does not
 *
 * The reference leaves what passes between two ports of one bridge to br_netfilter; ports are isolated from one
 * another besides (plugins/drop-in/firewall), so that "isolated" holds without it.
 */
import type { Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** Declarations inside `table inet drawbridge`. */
export const ingressPolicyDeclarations = `
  set ingress_bridges { type ifname; }
  set ingress_within { type ifname . ifname; }
  set ingress_isolated { type ifname . ifname; }
  chain ingress_forward {
    type filter hook forward priority filter - 6; policy accept;
    iifname @ingress_bridges oifname @ingress_bridges iifname . oifname != @ingress_within drop
    iifname . oifname @ingress_isolated drop
  }
`;

/** What an attachment has in those sets: what every container on its bridge with the same policy has. */
export function ingressPolicyElements({ ingressPolicy }: AttachmentRecord): Element[] {
  if (ingressPolicy === undefined || ingressPolicy.policy === 'open') return [];
  const { ingressInterface, policy } = ingressPolicy;
  const table = 'inet drawbridge';
  const bridge = quotedInterface(ingressInterface);
  const pair = `${bridge} . ${bridge}`;
  const shared = `ingressPolicy-${ingressInterface}`;
  return [
    { table, set: 'ingress_bridges', key: bridge, shared },
    { table, set: 'ingress_within', key: pair, shared },
    ...(policy === 'isolated'
      ? [{ table, set: 'ingress_isolated', key: pair, shared: `isolated-${ingressInterface}` } as const]
      : []),
  ];
}

/**
 * Chains that judge where containers may go, and who reaches them. A packet costs the same whatever the number of
 * containers: one lookup finds the chains of its container's policy (egress/compile.ts), which all containers under
 * that policy share.
 *
 * What is judged is what the container asked for, `ct original`: a redirection or a published port of ours does not
 * change the verdict. In the forward hook a bridge stands for its ports, so an address is only as true as the guard
 * makes it (guard.ts).
 */
import type { ChainDeclaration } from '../../nft/declaration.ts';
import { hex, portMark, strangerMark, without } from '../../egress/marks.ts';
import { boundsOfEcho } from './bounds.ts';
import { isSettled } from './names.ts';
import { perFamily } from './per-family.ts';
import { tellsUnasked } from './recording.ts';

const table = 'inet drawbridge';

/**
 * What comes to a container by a translation. One of ours is known by where it came from and to, in both directions of
 * the connection: a Service of Kubernetes, or a rule of an operator's, translates too and publishes nothing. Siblings
 * that may reach each other may do so by such a translation, and a container itself.
 */
const passesTranslated: readonly string[] = [
  ...perFamily((n) => {
    const ip = n === 4 ? 'ip' : 'ip6';
    // nft takes the type of a port from the protocol.
    const hasPort = 'meta l4proto { tcp, udp, sctp }';
    const port = 'meta l4proto . ct original proto-dst';
    const target = `ct reply ${ip} saddr . ct reply proto-src`;
    return [
      `ct status dnat ${hasPort} ${port} . ${target} @translated${n} return`,
      `ct status dnat ${hasPort} ct original ${ip} daddr . ${port} . ${target} @translated${n}_at return`,
      `ct status dnat ${ip} saddr . ${ip} daddr @parties${n} return`,
    ];
  }).flat(),
  'ct status dnat iifname . oifname @enforced_pairs jump ingress_sibling',
  'ct status dnat iifgroup . oifgroup @routed_pairs jump ingress_sibling',
];

/**
 * A reply goes the way of the connection that it belongs to, which was judged when it began. "related" is
 * believed of ICMP errors alone: a helper's expectation (FTP, SIP) would let the far end pick a port.
 * Of a packet that somebody exempts from conntrack ("notrack") nothing is known: it would match no rule, and
 * a policy that lets the rest pass would let it pass. Broadcasts and neighbour discovery through one bridge
 * are bridged, which br_netfilter shows here after the guard has judged them; the host never routes them.
 * What a container answers is judged again as the question is (egress_answer): whether it still may be asked.
 * A source that nobody knows gets no answer: the answer quotes the packet and would carry it to whoever
 * is named as the source. On a bridge the guard lets a container send from its own addresses alone, and what comes in
 * by the veth of somebody unknown ends in egress_stranger; so any other source there is one of a port that is not a
 * container's. The bridge table saw the packet earlier, when the container may still have had its policy: what it
 * marked as a container's is refused here with a source that is nobody's by now. Of "::" come a container's reports of
 * groups. Behind a lone veth nothing but these rules ties a packet to a source. An ICMP error is believed of a party of
 * the flow that it quotes: conntrack takes it to belong there, whoever sends it. A source route names the true
 * destination in an option, which conntrack does not read; so it is looked for in packets of established connections
 * too. The connections of a container whose names are checked have to say that they are settled (names.ts): so one
 * whose mark somebody wipes is judged anew, and not let through. "return" allows: a packet that leaves one enforced
 * bridge may still be judged on entering another. Judging egress before ingress matters: a published port would else
 * let siblings through (DESIGN.md, isolation).
 */
export const judgementChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'egress_stranger',
    rules: [
      `icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 meta mark set meta mark & ${without(strangerMark)} return`,
      'counter name unknown_sources drop',
    ],
  },
  {
    table,
    name: 'egress_lone_out',
    rules: [
      'iifname . ip saddr != @sources4 goto egress_unknown',
      'iifname . ip6 saddr != @sources6 goto egress_unknown',
      'goto egress_out',
    ],
  },
  {
    table,
    name: 'egress_lone_host',
    rules: [
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 return',
      'iifname . ip saddr != @sources4 goto egress_unknown',
      'iifname . ip6 saddr != @sources6 goto egress_unknown',
      'goto egress_host',
    ],
  },
  {
    table,
    name: 'egress_options',
    rules: [
      'iifname . ip saddr @sources4 ip option lsrr exists goto egress_unknown',
      'iifname . ip saddr @sources4 ip option ssrr exists goto egress_unknown',
      'iifname . ip6 saddr @sources6 exthdr rt exists goto egress_unknown',
    ],
  },
  {
    table,
    name: 'egress_out',
    rules: [
      'ip hdrlength > 5 jump egress_options',
      'ip6 nexthdr != { tcp, udp, icmpv6 } jump egress_options',
      ...perFamily((n) => `ct state established ${isSettled} ${sourceOf(n)} != @requalify${n} return`),
      ...perFamily(
        (n) => `ct state established ${sourceOf(n)} != @requalify${n} ${sourceOf(n)} != @verifying${n} return`,
      ),
      'meta pkttype { broadcast, multicast } iifname . oifname @enforced_pairs accept',
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 iifname . oifname @enforced_pairs accept',
      'iifname . ip saddr != @sources4 goto egress_foreign',
      'iifname . ip6 saddr != @sources6 goto egress_foreign',
      'ct state untracked drop',
      'ct state related meta l4proto { icmp, icmpv6 } goto egress_error',
      'ct state invalid drop',
      'ct status and dnat == 0 iifname . oifname @enforced_pairs jump egress_within',
      'ct status and dnat == 0 iifgroup . oifgroup @routed_pairs jump egress_within',
      'ct direction reply goto egress_answer',
      'iifname . ip saddr vmap @egress4',
      'iifname . ip6 saddr vmap @egress6',
      'goto egress_unknown',
    ],
  },
  {
    table,
    name: 'egress_answer',
    rules: ['iifname . ip saddr vmap @ingress4', 'iifname . ip6 saddr vmap @ingress6', 'goto ingress_published'],
  },
  {
    table,
    name: 'egress_foreign',
    rules: [
      `meta mark & ${hex(portMark)} == 0 iifname @enforced_bridges return`,
      'ip6 saddr :: drop',
      'goto egress_unknown',
    ],
  },
  {
    table,
    name: 'egress_error',
    rules: [
      'ip saddr . ct original ip saddr @parties4 return',
      'ip saddr . ct reply ip saddr @parties4 return',
      'ip6 saddr . ct original ip6 saddr @parties6 return',
      'ip6 saddr . ct reply ip6 saddr @parties6 return',
      'goto egress_unknown',
    ],
  },
  {
    table,
    name: 'egress_within',
    rules: [
      'oifname . ip daddr @sources4 goto egress_sibling',
      'oifname . ip6 daddr @sources6 goto egress_sibling',
      'oifname . ip daddr @containers4 goto egress_sibling',
      'oifname . ip6 daddr @containers6 goto egress_sibling',
    ],
  },
  {
    table,
    name: 'egress_sibling',
    rules: [
      // The bridge judges what goes straight from port to port; by way of the gateway, or routed, it comes here.
      ...perFamily((n) => `ct direction original ${sourceOf(n)} vmap @within${n}`),
      ...perFamily((n) => `ct direction reply oifname . ct original ${n === 4 ? 'ip' : 'ip6'} saddr vmap @within${n}`),
      'iifname . ip saddr @siblings4 oifname . ip daddr @siblings4 accept',
      'iifname . ip6 saddr @siblings6 oifname . ip6 daddr @siblings6 accept',
      'goto deny_drop',
    ],
  },
  {
    table,
    name: 'egress_in',
    rules: [
      'ct state related meta l4proto { icmp, icmpv6 } return',
      'ct state established ct direction reply oifname . ct original ip saddr != @requalify4 return',
      'ct state established ct direction reply oifname . ct original ip6 saddr != @requalify6 return',
      'ct state established ct direction original oifname . ip daddr != @requalify4 return',
      'ct state established ct direction original oifname . ip6 daddr != @requalify6 return',
      'oifname . ip daddr != @sources4 goto ingress_unknown',
      'oifname . ip6 daddr != @sources6 goto ingress_unknown',
      'ct state invalid drop',
      'ct direction reply goto egress_again',
      'oifname . ip daddr vmap @ingress4',
      'oifname . ip6 daddr vmap @ingress6',
      'goto ingress_published',
    ],
  },
  {
    table,
    name: 'ingress_unknown',
    rules: [
      'oifname . ip daddr @containers4 goto ingress_published',
      'oifname . ip6 daddr @containers6 goto ingress_published',
      'oifname @enforced_bridges return',
      'goto ingress_published',
    ],
  },
  {
    table,
    name: 'egress_again',
    rules: [
      // A router may be on that bridge too, and answers for the world.
      ...['ip saddr @sources4', 'ip6 saddr @sources6', 'ip saddr @containers4', 'ip6 saddr @containers6'].map(
        (sibling) =>
          `ct status and dnat == 0 iifname . oifname @enforced_pairs iifname . ${sibling} jump egress_within`,
      ),
      'ct status and dnat == 0 iifgroup . oifgroup @routed_pairs jump egress_within',
      'oifname . ct original ip saddr vmap @egress4',
      'oifname . ct original ip6 saddr vmap @egress6',
      'drop',
    ],
  },
  {
    table,
    name: 'ingress_published',
    rules: [...passesTranslated, ...tellsUnasked, 'counter name unasked_ingress drop'],
  },
  {
    table,
    name: 'ingress_open',
    rules: [
      'ct direction reply oifname != @enforced oifname != @bridges return',
      'iifname @enforced goto ingress_published',
      'iifname @bridges goto ingress_published',
      'meta l4proto tcp ct state new tcp flags & (fin | syn | rst | ack) != syn counter name unasked_ingress drop',
    ],
  },
  {
    table,
    name: 'ingress_sibling',
    rules: [
      'iifname . ip saddr @siblings4 oifname . ip daddr @siblings4 accept',
      'iifname . ip6 saddr @siblings6 oifname . ip6 daddr @siblings6 accept',
    ],
  },
  {
    table,
    name: 'ingress_published_audit',
    rules: [...passesTranslated, ...tellsUnasked, 'counter name unasked_ingress'],
  },
  {
    table,
    name: 'egress_host',
    rules: [
      'icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 return',
      ...boundsOfEcho,
      'ip hdrlength > 5 jump egress_options',
      'ip6 nexthdr != { tcp, udp, icmpv6 } jump egress_options',
      'ct state established ct direction reply return',
      'ct state established iifname . ct original ip saddr != @requalify4 return',
      'ct state established iifname . ct original ip6 saddr != @requalify6 return',
      'iifname . ip saddr != @sources4 goto egress_foreign',
      'iifname . ip6 saddr != @sources6 goto egress_foreign',
      'icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } drop',
      'ct state untracked drop',
      'icmp type { redirect, router-advertisement, router-solicitation } drop',
      'ct state related meta l4proto { icmp, icmpv6 } goto egress_error',
      'ct state invalid drop',
      'iifname . ip saddr vmap @host4',
      'iifname . ip6 saddr vmap @host6',
      'goto egress_unknown',
    ],
  },
  { table, name: 'egress_unknown', rules: ['counter name unknown_sources', 'goto deny_drop'] },
];

function sourceOf(n: 4 | 6): string {
  return `iifname . ${n === 4 ? 'ip' : 'ip6'} saddr`;
}

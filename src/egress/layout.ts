/**
 * The part of `table inet drawbridge` that judges. A packet costs the same whatever the number of
 * containers: one lookup finds the chains of its container's policy (compile.ts), which all containers
 * under that policy share.
 *
 *   set enforced          interfaces (bridges, or lone veths) behind which nobody may send without a policy
 *   set enforced_bridges  those of them that are bridges: who comes in by a port that is not a container's (a NIC, a
 *                         bond, a VM's tap) is not judged here
 *   map enforced_out      the same interfaces -> how what comes in by them is judged, when it is forwarded
 *   map enforced_host     and when it is for the host itself
 *   set enforced_pairs    the same interface twice: in and out through one bridge
 *   set enforced_ports    ports of those bridges: an IP packet never enters the host through a port itself
 *   set enforced_hosts4   addresses of enforced containers: what is sent there bears the gate's mark too (gate.ts)
 *   map egress4          (interface, container) -> chain that judges what it asks of the world
 *   map host4            (interface, container) -> chain that judges what it asks of the host
 *   map ingress4         (interface, container) -> chain that judges who asks something of it
 *   set sources4          (interface, container): what comes from there, or goes there, is a container's with a policy
 *   set parties4          (container, container): both parties of what is one container's own
 *   set gateways4        (interface, container, gateway): the host as this container knows it
 *   set siblings4        (interface, container) that others on its bridge may reach and that may reach them
 *   set requalify4       (interface, container) whose established connections are judged anew (requalify.ts)
 *   set dnsforce4        (interface, container) whose DNS the agent answers, whomever it asks; expiring, renewed by the
 *                        agent
 *   set denials4         (interface, container) with the count of what was denied
 *   set denied4          (container, destination, protocol, port) with counts; bounded, the kernel drops the old
 *   set metadata4, bogon4, private4   ranges-reserved.ts
 *
 * and the same with 6. What is judged is what the container asked for, `ct original`: a redirection or a
 * published port of ours does not change the verdict. In the forward hook a bridge stands for its ports,
 * so an address is only as true as the guard makes it (guard.ts).
 */
import { bridgeMark, gateMark, hex, translatedMark, strangerMark, without } from './marks.ts';
import { bogonRanges, metadataRanges, privateRanges, type ReservedRange } from './ranges-reserved.ts';

const sets = `
  set enforced { type ifname; }
  set enforced_bridges { type ifname; }
  map enforced_out { type ifname : verdict; }
  map enforced_host { type ifname : verdict; }
  set enforced_pairs { type ifname . ifname; }
  set enforced_ports { type ifname; }
  set enforced_hosts4 { type ipv4_addr; }
${perFamily(
  (n, ip) => `
  map egress${n} { type ifname . ${ip} : verdict; }
  map host${n} { type ifname . ${ip} : verdict; }
  map ingress${n} { type ifname . ${ip} : verdict; }
  set sources${n} { type ifname . ${ip}; }
  set parties${n} { type ${ip} . ${ip}; }
  set gateways${n} { type ifname . ${ip} . ${ip}; }
  set siblings${n} { type ifname . ${ip}; }
  set requalify${n} { type ifname . ${ip}; flags timeout; }
  set dnsforce${n} { type ifname . ${ip}; flags timeout; }
  set denials${n} { type ifname . ${ip}; counter; }
  set denied${n} { type ${ip} . ${ip} . inet_proto . inet_service; size 8192; flags dynamic, timeout; timeout 10m; counter; }
  set denied${n}_portless { type ${ip} . ${ip} . inet_proto; size 8192; flags dynamic, timeout; timeout 10m; counter; }
  set metadata${n} { type ${ip}; flags interval; elements = { ${prefixes(metadataRanges, n)} } }
  set bogon${n} { type ${ip}; flags interval; elements = { ${prefixes(bogonRanges, n)} } }
  set private${n} { type ${ip}; flags interval; elements = { ${prefixes(privateRanges, n)} } }`,
)}
  counter unknown_sources { }
  counter unasked_ingress { }
`;

/**
 * Before the host's own filters (priority filter) and Docker's, so that our answer and our counters come
 * first; an accept of ours ends nobody else's judgement. The gate's mark is set after all other prerouting
 * chains: one that restores the mark of a connection would wipe it.
 */
const hooks = `
  chain egress_seen {
    type filter hook prerouting priority -450; policy accept;
    meta mark & ${hex(strangerMark)} != 0 iifname @enforced goto egress_stranger
    meta mark & ${hex(bridgeMark | strangerMark)} != 0 meta mark set meta mark & ${without(bridgeMark | strangerMark)}
  }
  chain egress_gate {
    type filter hook prerouting priority 300; policy accept;
    iifname @enforced meta mark set meta mark | ${hex(gateMark)}
    ip daddr @enforced_hosts4 meta mark set meta mark | ${hex(gateMark)}
    ct status dnat iifname @enforced meta mark set meta mark | ${hex(translatedMark)}
    ct direction reply ct status snat iifname @enforced meta mark set meta mark | ${hex(translatedMark)}
  }
  chain egress_dns {
    type nat hook prerouting priority dstnat + 5; policy accept;
    iifname . ip saddr @dnsforce4 meta l4proto { tcp, udp } th dport 53 redirect to :53
    iifname . ip6 saddr @dnsforce6 meta l4proto { tcp, udp } th dport 53 redirect to :53
  }
  chain egress_forward {
    type filter hook forward priority filter - 5; policy accept;
    iifname @enforced_ports counter drop
    iifname vmap @enforced_out
    oifname @enforced jump egress_in
  }
  chain egress_input {
    type filter hook input priority filter - 5; policy accept;
    iifname @enforced_ports counter drop
    iifname vmap @enforced_host
  }
`;

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
 * container's. Behind a lone veth nothing but these rules ties a packet to a source.
 * An ICMP error is believed of a party of the flow that it quotes: conntrack takes it to belong there, whoever sends
 * it. A source route names the true destination in an option, which conntrack does not read; so it is looked for in
 * packets of established connections too.
 * "return" allows: a packet that leaves one enforced bridge may still be judged on entering another.
 * Judging egress before ingress matters: a published port would else let siblings through (DESIGN.md, isolation).
 */
const judgement = `
  chain egress_stranger {
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 meta mark set meta mark & ${without(strangerMark)} return
    counter name unknown_sources drop
  }
  chain egress_lone_out {
    iifname . ip saddr != @sources4 goto egress_unknown
    iifname . ip6 saddr != @sources6 goto egress_unknown
    goto egress_out
  }
  chain egress_lone_host {
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 return
    iifname . ip saddr != @sources4 goto egress_unknown
    iifname . ip6 saddr != @sources6 goto egress_unknown
    goto egress_host
  }
  chain egress_options {
    iifname . ip saddr @sources4 ip option lsrr exists goto egress_unknown
    iifname . ip saddr @sources4 ip option ssrr exists goto egress_unknown
    iifname . ip6 saddr @sources6 exthdr rt exists goto egress_unknown
  }
  chain egress_out {
    ip hdrlength > 5 jump egress_options
    ip6 nexthdr != { tcp, udp, icmpv6 } jump egress_options
    ct state established iifname . ip saddr != @requalify4 return
    ct state established iifname . ip6 saddr != @requalify6 return
    meta pkttype { broadcast, multicast } iifname . oifname @enforced_pairs accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 iifname . oifname @enforced_pairs accept
    iifname . ip saddr != @sources4 goto egress_foreign
    iifname . ip6 saddr != @sources6 goto egress_foreign
    ct state untracked drop
    ct state related meta l4proto { icmp, icmpv6 } goto egress_error
    ct state invalid drop
    ct status and dnat == 0 iifname . oifname @enforced_pairs jump egress_within
    ct direction reply goto egress_answer
    iifname . ip saddr vmap @egress4
    iifname . ip6 saddr vmap @egress6
    goto egress_unknown
  }
  chain egress_answer {
    iifname . ip saddr vmap @ingress4
    iifname . ip6 saddr vmap @ingress6
    goto ingress_published
  }
  chain egress_foreign {
    iifname @enforced_bridges return
    goto egress_unknown
  }
  chain egress_error {
    ip saddr . ct original ip saddr @parties4 return
    ip saddr . ct reply ip saddr @parties4 return
    ip6 saddr . ct original ip6 saddr @parties6 return
    ip6 saddr . ct reply ip6 saddr @parties6 return
    goto egress_unknown
  }
  chain egress_within {
    oifname . ip daddr @sources4 goto egress_sibling
    oifname . ip6 daddr @sources6 goto egress_sibling
    oifname . ip daddr @containers4 goto egress_sibling
    oifname . ip6 daddr @containers6 goto egress_sibling
  }
  chain egress_sibling {
    iifname . ip saddr @siblings4 oifname . ip daddr @siblings4 accept
    iifname . ip6 saddr @siblings6 oifname . ip6 daddr @siblings6 accept
    goto deny_drop
  }
  chain egress_in {
    ct state related meta l4proto { icmp, icmpv6 } return
    ct state established ct direction reply oifname . ct original ip saddr != @requalify4 return
    ct state established ct direction reply oifname . ct original ip6 saddr != @requalify6 return
    ct state established ct direction original oifname . ip daddr != @requalify4 return
    ct state established ct direction original oifname . ip6 daddr != @requalify6 return
    oifname . ip daddr != @sources4 goto ingress_unknown
    oifname . ip6 daddr != @sources6 goto ingress_unknown
    ct state invalid drop
    ct direction reply goto egress_again
    oifname . ip daddr vmap @ingress4
    oifname . ip6 daddr vmap @ingress6
    goto ingress_published
  }
  chain ingress_unknown {
    oifname . ip daddr @containers4 goto ingress_published
    oifname . ip6 daddr @containers6 goto ingress_published
    oifname @enforced_bridges return
    goto ingress_published
  }
  chain egress_again {
    oifname . ct original ip saddr vmap @egress4
    oifname . ct original ip6 saddr vmap @egress6
    drop
  }
  chain ingress_published {
    ct status dnat return
    counter name unasked_ingress drop
  }
  chain ingress_open {
    ct direction reply oifname != @enforced oifname != @bridges return
    iifname @enforced goto ingress_published
    iifname @bridges goto ingress_published
    meta l4proto tcp ct state new tcp flags & (fin | syn | rst | ack) != syn counter name unasked_ingress drop
  }
  chain ingress_published_audit {
    ct status dnat return
    counter name unasked_ingress
  }
  chain egress_host {
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 return
    ip hdrlength > 5 jump egress_options
    ip6 nexthdr != { tcp, udp, icmpv6 } jump egress_options
    ct state established ct direction reply return
    ct state established iifname . ct original ip saddr != @requalify4 return
    ct state established iifname . ct original ip6 saddr != @requalify6 return
    iifname . ip saddr != @sources4 goto egress_foreign
    iifname . ip6 saddr != @sources6 goto egress_foreign
    icmpv6 type { nd-router-solicit, nd-router-advert, nd-redirect, mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } drop
    ct state untracked drop
    icmp type { redirect, router-advertisement, router-solicitation } drop
    ct state related meta l4proto { icmp, icmpv6 } goto egress_error
    ct state invalid drop
    iifname . ip saddr vmap @host4
    iifname . ip6 saddr vmap @host6
    goto egress_unknown
  }
  chain egress_unknown {
    counter name unknown_sources
    goto deny_drop
  }
`;

/**
 * `deny_log` is empty: an operator or the agent may put one limited log rule there. Broadcast and multicast
 * are nobody's attempt to get out and would fill the list.
 */
const denials = `
  chain deny_log { }
  chain deny_count {
    meta pkttype { broadcast, multicast } return
    iifname . ip saddr @denials4
    iifname . ip6 saddr @denials6
    meta l4proto { tcp, udp, sctp } update @denied4 { ct original ip saddr . ct original ip daddr . meta l4proto . ct original proto-dst }
    meta l4proto { tcp, udp, sctp } update @denied6 { ct original ip6 saddr . ct original ip6 daddr . meta l4proto . ct original proto-dst }
    meta l4proto != { tcp, udp, sctp } update @denied4_portless { ct original ip saddr . ct original ip daddr . meta l4proto }
    meta l4proto != { tcp, udp, sctp } update @denied6_portless { ct original ip6 saddr . ct original ip6 daddr . meta l4proto }
    jump deny_log
  }
  chain deny_reject {
    jump deny_count
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain deny_drop {
    jump deny_count
    drop
  }
  chain deny_audit {
    jump deny_count
    return
  }
`;

/**
 * Declarations inside `table inet drawbridge` that judge where containers may go. Needs `set bridges` of nft/layout.ts.
 */
export const egressDeclarations = [sets, hooks, judgement, denials].join('');

function perFamily(text: (n: 4 | 6, type: string) => string): string {
  return text(4, 'ipv4_addr') + text(6, 'ipv6_addr');
}

function prefixes(ranges: readonly ReservedRange[], family: 4 | 6): string {
  return ranges
    .map(({ prefix }) => prefix)
    .filter((prefix) => prefix.includes(':') === (family === 6))
    .join(', ');
}

/**
 * `table bridge drawbridge`: who may send what on a bridge. Rules have no state: ct in the bridge family
 * needs a module of its own. What comes up from a bridge to the host bears the mark of the bridge's gate (gate.ts),
 * whichever bridge it is: to tell bridges apart here needs a module too.
 *
 *   set guard_ports      ports that may send only as themselves, and only to the host and to one another
 *   set guard_mac_ports  ports whose source MAC alone is checked (macspoofchk)
 *   set guard_mac        (port, MAC)
 *   set guard4, guard6   (port, MAC, address); guard6 with the link-local address of the MAC
 *   set guard_nd         guard6 again, its address in two halves: the target of an advertisement, or of a solicitation
 *                        that asks whether an address is free. nft has no name for that field before 1.0.7; later ones
 *                        list the whole of it by name, and then do not read back what they list, while halves stay as
 *                        they are
 *   set guard_isolated   ports that neither send to another port nor receive from one
 */

import { bridgeMark, hex, translatedMark, strangerMark } from './marks.ts';

/**
 * Declarations inside `table bridge drawbridge`.
 *
 * Of two tests in a rule the cheaper one comes first, and no packet is looked up in a set twice: these are the rules
 * that every packet of a container passes. The set of IPv4 addresses holds the MAC as well.
 */
export const guardDeclarations = `
  set guard_ports { type ifname; }
  set guard_mac_ports { type ifname; }
  set guard_mac { type ifname . ether_addr; }
  set guard4 { type ifname . ether_addr . ipv4_addr; }
  set guard6 { type ifname . ether_addr . ipv6_addr; }
  set guard_nd { typeof iifname . ether saddr . @th,64,64 . @th,128,64; }
  set guard_isolated { type ifname; }
  counter guard_forged { }
  counter guard_refused { }
  counter guard_isolation { }

  chain guard_prerouting {
    type filter hook prerouting priority -300; policy accept;
    iifname @guard_ports goto guard
    iifname @guard_mac_ports iifname . ether saddr != @guard_mac counter name guard_forged drop
    meta iifkind { "veth", "netkit" } meta mark set meta mark | ${hex(strangerMark)}
  }
  chain guard_input {
    type filter hook input priority -300; policy accept;
    meta mark set meta mark | ${hex(bridgeMark)}
    ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f iifname @guard_ports counter name guard_refused drop
  }
  chain guard_forward {
    type filter hook forward priority -300; policy accept;
    meta mark and ${hex(translatedMark)} != 0 accept
    iifname @guard_isolated counter name guard_isolation drop
    oifname @guard_isolated counter name guard_isolation drop
    iifname @guard_ports oifname != @guard_ports counter name guard_isolation drop
    oifname @guard_ports iifname != @guard_ports counter name guard_isolation drop
  }
  chain guard {
    ether type vmap { ip : goto guard_ip4, ip6 : goto guard_ip6, arp : goto guard_arp }
    counter name guard_refused drop
  }
  chain guard_ip4 {
    iifname . ether saddr . ip saddr != @guard4 counter name guard_forged drop
    udp sport 67 counter name guard_refused drop
    igmp type membership-query counter name guard_refused drop
  }
  chain guard_arp {
    iifname . ether saddr != @guard_mac counter name guard_forged drop
    arp htype != 1 counter name guard_refused drop
    arp ptype != 0x0800 counter name guard_refused drop
    arp hlen != 6 counter name guard_refused drop
    arp plen != 4 counter name guard_refused drop
    iifname . arp saddr ether != @guard_mac counter name guard_forged drop
    arp operation request arp saddr ip 0.0.0.0 return
    iifname . arp saddr ether . arp saddr ip != @guard4 counter name guard_forged drop
  }
  chain guard_ip6 {
    iifname . ether saddr != @guard_mac counter name guard_forged drop
    icmpv6 type { nd-router-advert, nd-redirect, mld-listener-query } counter name guard_refused drop
    ip6 saddr fe80::/10 exthdr frag exists counter name guard_refused drop
    udp sport 547 counter name guard_refused drop
    icmpv6 type nd-neighbor-advert iifname . ether saddr . @th,64,64 . @th,128,64 != @guard_nd counter name guard_forged drop
    ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . ether saddr . @th,64,64 . @th,128,64 @guard_nd return
    ip6 saddr :: icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } return
    iifname . ether saddr . ip6 saddr != @guard6 counter name guard_forged drop
  }
`;

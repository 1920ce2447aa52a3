/**
 * The bits of the packet mark that our tables, and the gate that stays without them, tell one another things by. A mark
 * does not leave its network namespace, so no container can set one. Which bits they are says `/etc/drawbridge/marks`
 * (load-marks.ts); where they stand in it, the order below.
 */
import { loadMarks } from './load-marks.ts';
import { marksText, usualMarks } from './mark-bits.ts';

const { bits, problem } = loadMarks();

/** Why the operator's file of marks cannot be used; then the usual ones hold. */
export const marksProblem = problem;

/** The file that says these bits, and whether they are the ones that hold where nobody chose any. */
export const ownMarks = marksText(bits);
export const areUsualMarks = ownMarks === usualMarks;

function packetBit(place: number): number {
  return bits.packet[place] ?? 0;
}

function connectionBit(place: number): number {
  return bits.connection[place] ?? 0;
}

/** "table inet drawbridge saw this packet", to the routing rule of a gate (gate.ts). */
export const gateMark = packetBit(0);

/**
 * "Translated by conntrack", to the guard. Where br_netfilter is on, a packet to a published port of a container on the
 * same bridge, and an answer that comes by a NIC in that bridge, is translated and judged while it is bridged, and does
 * not come back through the host.
 */
export const translatedMark = packetBit(1);

/**
 * "table bridge drawbridge saw this packet", to the filter of a bridge's gate. That comes next, and then the bit is
 * taken off before anybody else sees it.
 */
export const bridgeMark = packetBit(2);

/**
 * "Came in by the veth of a container that nobody has a policy for", from the bridge table to the other one, which
 * takes it off.
 */
export const strangerMark = packetBit(3);

/**
 * "Came in by a container's port", to the gate of a bridge that has other ports too: there only what bears it has to
 * show the marks of our tables. The kernel sets it at the port, tables or no tables. The bridge table sets it too, for
 * the other one: what bears it there is not from a foreign port.
 */
export const portMark = packetBit(4);

/**
 * "Came in by the port of a container with a policy, and `table inet drawbridge` has not seen it", from the bridge
 * table to that one, which takes it off. What still bears it at the host's door is dropped.
 */
export const unjudgedMark = packetBit(5);

/**
 * "On its way from port to port", from the bridge table to the forward chains of the other one, which see a packet that
 * br_netfilter translated while it is bridged. It leaves by a port at once.
 */
export const bridgedMark = packetBit(6);

/**
 * "On its way through a bridge, between a container and its gateway in a VLAN", from the bridge table to the other one,
 * which takes it off. Where br_netfilter is on, such a packet meets the chains of the host twice; translation and
 * conntrack are for the second time, when it comes out of the gateway's interface.
 */
export const passingMark = packetBit(7);

/**
 * "Whoever answers for the queue has to look at it", from our chain before the queue. Who looked takes it off: what
 * still bears it behind the queue was not looked at, and is dropped.
 */
export const queueMark = packetBit(9);

/**
 * "Its connection asks for an allowed name, and the server has what was looked at", from the queue's reader. Together
 * with the mark before: "its connection was refused".
 */
export const verdictMark = packetBit(8);

/** Number of the kernel's queue for packets with that mark, of this network namespace. */
export const heldQueue = 8808;

/**
 * Bits of the mark of a connection; all others are somebody else's. "Held": a name alone opens it, and its packets go
 * to the queue. "Settled": there is nothing to look at any more.
 */
export const heldMark = connectionBit(0);
export const settledMark = connectionBit(1);

/**
 * "Came in by a lone veth, or a routed one", to the rule that all of them share. It is another bit than that of ports,
 * which a frame keeps that is no IP, and so comes to the host without having met `table inet drawbridge`.
 */
export const vethMark = packetBit(10);

/** What the bridge table says of a packet, until the inet table has seen it. */
export const bridgeTableMarks = bridgeMark | strangerMark | unjudgedMark | passingMark;

/** A mark, or a mask, in nft's words. */
export function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}

/** The mask of all other bits. */
export function without(mark: number): string {
  return hex(~mark >>> 0);
}

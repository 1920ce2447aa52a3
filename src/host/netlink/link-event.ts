/**
 * What route netlink tells of changes to links, addresses, routes, routing rules, sysctls and filters, whoever makes
 * them.
 */
import { listLinks } from '../interfaces.ts';
import { decodeAttributes, readNumber, readText, u8, type Answer } from './message.ts';

/** One change. Without a name it is of an interface that nobody knows any more. */
export type LinkEvent =
  | { readonly kind: 'link' | 'address'; readonly name?: string }
  /** A route to a single address by that interface was taken out. */
  | { readonly kind: 'lost route'; readonly name?: string }
  /** A sysctl; of all interfaces, present or to come, when `isGlobal`. */
  | { readonly kind: 'sysctl'; readonly name?: string; readonly isGlobal: boolean }
  | { readonly kind: 'routing rule' }
  /** A filter, or a queueing discipline with its filters. */
  | { readonly kind: 'filter'; readonly isRemoval: boolean };

/**
 * RTNLGRP_* of linux/rtnetlink.h: LINK, TC, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE,
 * IPV4_NETCONF, IPV6_NETCONF.
 */
export const linkGroups: readonly number[] = [1, 4, 5, 7, 8, 9, 11, 19, 24, 25];

/** Reads messages in the order in which they came: names of interfaces are learnt of earlier ones. */
export class LinkEvents {
  readonly #names = new Map<number, string>();

  constructor() {
    for (const [index, name] of presentInterfaces()) this.#names.set(index, name);
  }

  /** Undefined for what is none of these changes. */
  decode({ type, payload }: Answer): LinkEvent | undefined {
    switch (type) {
      case rtm.newLink:
      case rtm.delLink:
        return { kind: 'link', ...named(this.#learn(type, payload)) };
      case rtm.newAddress:
      case rtm.delAddress:
        return { kind: 'address', ...named(this.#names.get(readNumber(payload, 4, 4))) };
      case rtm.newNetconf:
      case rtm.delNetconf:
        return this.#sysctl(payload);
      case rtm.delRoute:
        return this.#lostRoute(payload);
      case rtm.newRule:
      case rtm.delRule:
        return { kind: 'routing rule' };
      case rtm.newFilter:
      case rtm.newQueue:
        return { kind: 'filter', isRemoval: false };
      case rtm.delFilter:
        return { kind: 'filter', isRemoval: true };
      case rtm.delQueue:
        return {
          kind: 'filter',
          isRemoval: readText(decodeAttributes(payload.subarray(20)).get(TCA_KIND) ?? u8()) === 'clsact',
        };
      default:
        return undefined;
    }
  }

  #learn(type: number, payload: Uint8Array): string | undefined {
    const index = readNumber(payload, 4, 4);
    const told = decodeAttributes(payload.subarray(16)).get(IFLA_IFNAME);
    const name = told === undefined ? this.#names.get(index) : readText(told);
    // A port that leaves its bridge is told as a link that goes, of the bridge's family.
    if (type === rtm.delLink && readNumber(payload, 0, 1) === AF_UNSPEC) this.#names.delete(index);
    else if (name !== undefined) this.#names.set(index, name);
    return name;
  }

  /** Routes to networks come and go by the thousand where a host speaks a routing protocol: they are none of ours. */
  #lostRoute(payload: Uint8Array): LinkEvent | undefined {
    const [family, length] = [readNumber(payload, 0, 1), readNumber(payload, 1, 1)];
    // Behind struct rtmsg.
    const index = decodeAttributes(payload.subarray(12)).get(RTA_OIF);
    if (length !== (family === AF_INET ? 32 : 128) || index === undefined) return undefined;
    return { kind: 'lost route', ...named(this.#names.get(readNumber(index))) };
  }

  #sysctl(payload: Uint8Array): LinkEvent {
    const index = decodeAttributes(payload.subarray(4)).get(NETCONFA_IFINDEX);
    const number = index === undefined ? NETCONFA_IFINDEX_ALL : readNumber(index) | 0;
    return { kind: 'sysctl', isGlobal: number < 0, ...named(this.#names.get(number)) };
  }
}

/** Of linux/rtnetlink.h. */
const rtm = {
  newLink: 16,
  delLink: 17,
  newAddress: 20,
  delAddress: 21,
  delRoute: 25,
  newRule: 32,
  delRule: 33,
  newQueue: 36,
  delQueue: 37,
  newFilter: 44,
  delFilter: 45,
  newNetconf: 80,
  delNetconf: 81,
} as const;
const AF_UNSPEC = 0;
const AF_INET = 2;
const RTA_OIF = 4;
const IFLA_IFNAME = 3;
const TCA_KIND = 1;
const NETCONFA_IFINDEX = 1;
/** -2 stands for "default". */
const NETCONFA_IFINDEX_ALL = -1;

function named(name: string | undefined): { readonly name?: string } {
  return name === undefined ? {} : { name };
}

function presentInterfaces(): (readonly [number, string])[] {
  try {
    return listLinks().map(({ index, name }) => [index, name]);
  } catch {
    return [];
  }
}

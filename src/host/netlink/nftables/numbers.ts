/** Numbers of linux/netfilter/nf_tables.h, nfnetlink.h and netfilter.h. */

/** NFNL_SUBSYS_NFTABLES: the upper byte of a message's type. */
export const subsystem = 10;

/** NFNLGRP_NFTABLES: the group of those who are told of every change. */
export const changes = 7;

/** Words of nft for NFPROTO_*. */
export const families: ReadonlyMap<number, string> = new Map([
  [1, 'inet'],
  [2, 'ip'],
  [3, 'arp'],
  [5, 'netdev'],
  [7, 'bridge'],
  [10, 'ip6'],
]);

/** 0 for a word that is none of them. */
export function numberOfFamily(word: string): number {
  return [...families].find(([, name]) => name === word)?.[0] ?? 0;
}

/** The lower byte of a message's type, NFT_MSG_*. */
export const messages = {
  table: { added: 0, deleted: 2, destroyed: 26 },
  chain: { added: 3, asked: 4, deleted: 5, destroyed: 27 },
  rule: { added: 6, asked: 7, deleted: 8, destroyed: 28 },
  set: { added: 9, asked: 10, deleted: 11, destroyed: 29 },
  element: { added: 12, asked: 13, deleted: 14, destroyed: 30 },
  object: { added: 18, deleted: 20, destroyed: 31 },
  flowtable: { added: 22, deleted: 24, destroyed: 32 },
} as const;

/**
 * Attributes of those messages, NFTA_*. All of them have their table as the first and mostly their name as the second.
 */
export const attributes = {
  table: 1,
  name: 2,
  chainName: 3,
  ruleChain: 2,
  ruleExpressions: 4,
  ruleUserdata: 7,
  elements: 3,
  listElement: 1,
  elementKey: 1,
  elementData: 2,
  elementFlags: 3,
  elementTimeout: 4,
  elementUserdata: 6,
  elementLastKey: 10,
  dataValue: 1,
  dataVerdict: 2,
  verdictCode: 1,
  verdictChain: 2,
} as const;

/**
 * Tables of iptables-legacy as the kernel has them: getsockopt of linux/netfilter_ipv4/ip_tables.h and of its sibling.
 */
import { sha256 } from '../../digest/sha256.ts';
import { openLibrary } from './libc.ts';
import { readNumber } from './message.ts';

const level = { 4: 0, 6: 41 } as const;
const GET_INFO = 64;
const GET_ENTRIES = 65;
const nameLength = 32;
/** struct ipt_getinfo; its last word is the size of the entries in bytes. */
const infoLength = 84;
/** struct ipt_get_entries before its entries, which stand at a multiple of eight. */
const headLength = 40;
/** Of struct ipt_entry and struct ip6t_entry: where the next one is told, and the two counters. */
const layout = { 4: { next: 90, counters: 96 }, 6: { next: 142, counters: 152 } } as const;
const countersLength = 16;

/**
 * A digest of the rules of the filter table of one family, without their counters. To be asked for where the table is
 * in use alone: the kernel would load it. Undefined where it cannot be read.
 */
export function filterDigest(family: 4 | 6): string | undefined {
  const kernel = openLibrary();
  const info = kernel?.readOption(family, { level: level[family], option: GET_INFO, value: named(infoLength) });
  if (kernel === undefined || info === undefined) return undefined;
  const size = readNumber(info, infoLength - 4, 4);
  const value = named(headLength + size);
  new DataView(value.buffer).setUint32(nameLength, size, true);
  const table = kernel.readOption(family, { level: level[family], option: GET_ENTRIES, value });
  if (table === undefined) return undefined;
  const entries = table.subarray(headLength);
  for (let at = 0; at < entries.length;) {
    entries.fill(0, at + layout[family].counters, at + layout[family].counters + countersLength);
    const length = readNumber(entries, at + layout[family].next, 2);
    if (length === 0) return undefined;
    at += length;
  }
  return sha256(Buffer.from(entries).toString('latin1'));
}

function named(length: number): Uint8Array {
  const value = new Uint8Array(length);
  value.set(new TextEncoder().encode('filter'));
  return value;
}

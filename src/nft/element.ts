import { quotedInterface } from './quote.ts';

/**
 * Our tables, in the order in which they are written. Nothing of ours is anywhere else, except the accepts that foreign
 * firewalls need.
 */
export const tableNames = ['inet drawbridge', 'bridge drawbridge', 'ip drawbridge', 'ip6 drawbridge'] as const;

export type TableName = (typeof tableNames)[number];

/** Of a table of ours. */
type Family = 'inet' | 'bridge' | 'ip' | 'ip6';

/** The family of a table of ours, as netlink and events name it apart from the table. */
export function familyOfTable(table: TableName): Family {
  return families[table];
}

const families: Readonly<Record<TableName, Family>> = {
  'inet drawbridge': 'inet',
  'bridge drawbridge': 'bridge',
  'ip drawbridge': 'ip',
  'ip6 drawbridge': 'ip6',
};

/** The table of ours that has this family and name; undefined for somebody else's. */
export function tableOf(family: string, name: string): TableName | undefined {
  return tableNames.find((table) => table === `${family} ${name}`);
}

/** One element of a set or map of ours. The same (table, set, key) never stands for two owners at once. */
export interface Element {
  readonly table: TableName;
  readonly set: string;
  /** As many parts as the set's key has: an interface and an address. */
  readonly key: readonly Part[];
  /** For maps: what the key leads to, in parts too, or a verdict. */
  readonly value?: readonly Part[] | Verdict;
  /** Seconds until the kernel drops it by itself. */
  readonly timeout?: number;
  /** Seconds that are left of the time that its set gives each element. */
  readonly expires?: number;
  /** What its set has counted of it; without it counting begins at zero. */
  readonly counted?: { readonly packets: number; readonly bytes: number };
  /** Shown by `nft list`; at most 128 bytes. */
  readonly comment?: string;
  /**
   * Of two attachments that claim the element, the one with the lower rank has it, and of equals the older one. Without
   * it the newer one has it: an address that was given anew is its new owner's.
   */
  readonly rank?: number;
  /**
   * Names what several attachments have in common and this element stands for: `bridge-drawbridge0`.
   * Such an element goes with the last attachment that claims the name. A file's name: see records/index-files.ts.
   */
  readonly shared?: string;
}

/**
 * One part of a key or a value: an address, a prefix, a MAC, a port, a protocol. An interface is told apart, because
 * its name can be any word.
 */
export type Part = string | number | Interface;

/** An interface by its name; made by {@link interfacePart}. */
interface Interface {
  readonly interface: string;
}

/** Where a map sends a packet: to a chain for good, or to one that it comes back from. */
export type Verdict = { readonly goto: string } | { readonly jump: string };

/** Throws a RangeError for a name that no rule can name. */
export function interfacePart(name: string): Part {
  quotedInterface(name);
  return { interface: name };
}

/** What an element is, without what it says: two elements with one id cannot both be in the kernel. */
export function elementId({ table, set, key }: Element): string {
  return `${table} ${set} { ${dataText(key)} }`;
}

/** nft text of a key or a value: `"drawbridge0" . 10.88.0.2`, `goto policy_ab12`. */
export function dataText(data: readonly Part[] | Verdict): string {
  if ('goto' in data) return `goto ${data.goto}`;
  if ('jump' in data) return `jump ${data.jump}`;
  return data.map((part) => (typeof part === 'object' ? quotedInterface(part.interface) : String(part))).join(' . ');
}

/** A part as the kernel and people name it, without the quotes of nft. */
export function plainText(part: Part): string {
  return typeof part === 'object' ? part.interface : String(part);
}

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
  /** nft text of the key, parts joined by " . ": `"drawbridge0" . 10.88.0.2`. */
  readonly key: string;
  /** nft text of the value, for maps: `goto policy_ab12`, `10.88.0.2 . 80`. */
  readonly value?: string;
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

/** What an element is, without what it says: two elements with one id cannot both be in the kernel. */
export function elementId({ table, set, key }: Element): string {
  return `${table} ${set} { ${key} }`;
}

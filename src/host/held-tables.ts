import { CommandError, findProgram, run } from './run.ts';
import { readNftError } from './tool-error.ts';
import type { TableName } from '../nft/element.ts';

/** An element of a set or map of ours, as the kernel has it. */
export interface HeldElement {
  /** Parts of the key as text: ["drawbridge0", "10.88.0.2"]. */
  readonly parts: readonly string[];
  /** "goto policy_ab12", "10.88.0.2 . 80"; only of maps. */
  readonly value?: string;
  readonly comment?: string;
  /** Seconds until the kernel drops it. */
  readonly expires?: number;
  /** How many packets met it, where its set counts them. */
  readonly packets?: number;
  readonly bytes?: number;
}

/** What the kernel holds in one of our tables. */
export interface HeldTable {
  readonly table: TableName;
  readonly chains: readonly string[];
  /** Sets and maps by name. */
  readonly sets: ReadonlyMap<string, readonly HeldElement[]>;
}

/** Reads a whole table of ours; undefined when it is not there. Throws code 100 when nft cannot be run. */
export async function readTable(table: TableName): Promise<HeldTable | undefined> {
  const listed = await listJson(['table', ...table.split(' ')]);
  if (listed === undefined) return undefined;
  return {
    table,
    chains: listed.flatMap(({ chain }) => chain?.name ?? []),
    sets: new Map(
      listed.flatMap(({ set, map }) => {
        const found = set ?? map;
        return found === undefined ? [] : [[found.name, heldElements(found)] as const];
      }),
    ),
  };
}

/** Reads one set of a table of ours; undefined when it is not there, or there is no nft. */
export async function readSet(
  name: string,
  table: TableName = 'inet drawbridge',
): Promise<readonly HeldElement[] | undefined> {
  if (findProgram('nft') === undefined) return undefined;
  const listed = await listJson(['set', ...table.split(' '), name]);
  return listed?.flatMap(({ set }) => (set === undefined ? [] : heldElements(set)));
}

/** Packets that the named counters of a table of ours have, by their names; none when the table is not there. */
export async function readCounters(table: TableName): Promise<ReadonlyMap<string, number>> {
  const listed = (await listJson(['counters', 'table', ...table.split(' ')])) ?? [];
  return new Map(listed.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])));
}

/** Part of what `nft -j list` prints (libnftables-json(5)). */
interface ListedObject {
  readonly chain?: { readonly name: string };
  readonly set?: ListedSet;
  readonly map?: ListedSet;
  readonly counter?: { readonly name: string; readonly packets: number };
}

interface ListedSet {
  readonly name: string;
  /** Data types of the key; an object for a set that has them from expressions. */
  readonly type?: unknown;
  readonly elem?: readonly unknown[];
}

async function listJson(what: readonly string[]): Promise<ListedObject[] | undefined> {
  try {
    const { stdout } = await run('nft', ['-j', 'list', ...what]);
    return (JSON.parse(stdout, exactly) as { nftables: ListedObject[] }).nftables;
  } catch (error) {
    if (error instanceof CommandError && readNftError(error) === 'stale') return undefined;
    throw error;
  }
}

/**
 * A number of 64 bits as decimal text: JavaScript's own have 53, and nft prints the upper half as negative ones. Others
 * stay as they are.
 */
function exactly(_key: string, value: unknown, { source = '' }: { readonly source?: string } = {}): unknown {
  const isTooLarge = typeof value === 'number' && !Number.isSafeInteger(value) && /^-?\d+$/.test(source);
  return isTooLarge ? String(BigInt.asUintN(64, BigInt(source))) : value;
}

function heldElements({ type, elem = [] }: ListedSet): HeldElement[] {
  const protocol = [type].flat().indexOf('inet_proto');
  const elements = elem.map(heldElement);
  if (protocol === -1) return elements;
  return elements.map((element) => ({
    ...element,
    parts: element.parts.map((part, at) => (at === protocol ? (protocols[part] ?? part) : part)),
  }));
}

/** nft prints numbers where a host has no /etc/protocols. */
const protocols: Readonly<Record<string, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'ipv6-icmp', 132: 'sctp' };

/** The numbers of the protocols that have a name everywhere. */
export const protocolNumbers: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(protocols).map(([number, name]) => [name, number]),
);

/** An element of a map is a pair; one with a comment, a timeout or a counter is wrapped once more. */
function heldElement(raw: unknown): HeldElement {
  const [inner, value] = Array.isArray(raw) ? (raw as [unknown, unknown]) : [raw];
  const { elem } = (inner ?? {}) as {
    elem?: { val: unknown; comment?: string; expires?: number; counter?: { packets: number; bytes: number } };
  };
  return {
    parts: partsOf(elem === undefined ? inner : elem.val),
    ...(value === undefined ? {} : { value: textOf(value) }),
    ...(elem?.comment === undefined ? {} : { comment: elem.comment }),
    ...(elem?.expires === undefined ? {} : { expires: elem.expires }),
    ...(elem?.counter === undefined ? {} : { packets: elem.counter.packets, bytes: elem.counter.bytes }),
  };
}

function partsOf(key: unknown): string[] {
  // A string has a "concat" of its own.
  const isCompound = typeof key === 'object' && key !== null && 'concat' in key && Array.isArray(key.concat);
  return isCompound ? (key.concat as unknown[]).map(textOf) : [textOf(key)];
}

function textOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const {
    prefix,
    range,
    goto: target,
    jump,
    concat,
  } = value as {
    prefix?: { addr: string; len: number };
    range?: unknown[];
    goto?: { target: string };
    jump?: { target: string };
    concat?: unknown[];
  };
  if (prefix !== undefined) return `${prefix.addr}/${prefix.len}`;
  if (range !== undefined) return range.map(textOf).join('-');
  if (concat !== undefined) return concat.map(textOf).join(' . ');
  if (target !== undefined) return `goto ${target.target}`;
  if (jump !== undefined) return `jump ${jump.target}`;
  return JSON.stringify(value);
}

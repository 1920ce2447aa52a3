import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { formatAddress, readAddress, readPrefix } from './address.ts';
import type { Address } from './address.ts';
import { isGivable, rangeOf } from './pool.ts';
import type { RangeSet } from './pool.ts';

/** The three places in which a runtime may ask for addresses; those of all three count. */
export interface RequestSources {
  /** "IP" of CNI_ARGS. */
  readonly args?: string | undefined;
  /** "ips" of args.cni. */
  readonly conf?: readonly string[];
  /** "ips" of the runtimeConfig. */
  readonly runtime?: readonly string[];
}

/**
 * Reads the addresses that were asked for, each with or without a prefix length (that of its subnet is what counts).
 *
 * Throws {@link CniError} with code 4 for CNI_ARGS and 7 for the others.
 */
export function parseRequested({ args, conf = [], runtime = [] }: RequestSources): Address[] {
  return [
    ...(args === undefined || args === '' ? [] : [parseOne(args, 'CNI_ARGS IP', codes.invalidEnvironment)]),
    ...conf.map((text, index) => parseOne(text, `args.cni.ips[${index}]`, codes.invalidConfig)),
    ...runtime.map((text, index) => parseOne(text, `runtimeConfig.ips[${index}]`, codes.invalidConfig)),
  ];
}

function parseOne(text: string, where: string, code: number): Address {
  const prefix = readPrefix(text);
  const address = prefix === undefined ? readAddress(text) : { family: prefix.family, value: prefix.address };
  if (address === undefined)
    throw new CniError(
      code,
      `Invalid ${quote(where)}: it is ${quote(text)}, an IP address with or without prefix length is expected`,
    );
  return address;
}

/**
 * Gives each set the first of the requested addresses that lies in one of its ranges; undefined where none does.
 * The same address asked for twice counts once.
 *
 * Throws {@link CniError} with code 7 when an address is left over, is a gateway or is excluded.
 */
export function assignRequested(sets: readonly RangeSet[], requested: readonly Address[]): (Address | undefined)[] {
  const left = new Map(requested.map((address) => [formatAddress(address), address]));
  const assigned = sets.map((set) => {
    const found = [...left].find(([, address]) => rangeOf(set, address) !== undefined);
    if (found === undefined) return undefined;
    const [text, address] = found;
    left.delete(text);
    refuseUngivable(set, address);
    return address;
  });
  if (left.size > 0) {
    const details = `Each range set gives one address: ${sets.map(({ text }) => text).join('; ')}`;
    throw new CniError(
      codes.invalidConfig,
      `Cannot reserve the requested addresses: failed to allocate all requested IPs: ${[...left.keys()].join(', ')}`,
      details,
    );
  }
  return assigned;
}

function refuseUngivable(set: RangeSet, address: Address): void {
  if (isGivable(set, address)) return;
  const isGateway = set.ranges.some(({ gateway }) => gateway === address.value);
  throw new CniError(
    codes.invalidConfig,
    `Cannot reserve the requested address ${quote(formatAddress(address))}: it is ${isGateway ? "the subnet's gateway" : 'excluded or a gateway of another range set'}`,
  );
}

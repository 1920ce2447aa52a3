import { CniError, InvalidValueError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { formatAddress, readAddress, readPrefix } from '../ip/address.ts';
import type { Address } from '../ip/address.ts';
import { isGivable, rangeOf } from './pool.ts';
import type { RangeSet } from './pool.ts';

/** The three places in which a runtime may ask for addresses. */
export interface RequestSources {
  /** "IP" of CNI_ARGS. */
  readonly args?: string | undefined;
  /** "ips" of args.cni. */
  readonly conf?: readonly string[];
  /** "ips" of the runtimeConfig. */
  readonly runtime?: readonly string[];
}

/** An address that was asked for. */
export interface RequestedAddress extends Address {
  /** Where two places ask for an address of one range set, the greater one wins; 0 when absent. */
  readonly strength?: number;
}

/**
 * Reads the addresses that were asked for, each with or without a prefix length (that of its subnet is what counts),
 * the strongest first: CONVENTIONS.md has "args" before CNI_ARGS, and capabilities, which replace both, before "args".
 *
 * Throws {@link CniError} with code 4 for CNI_ARGS and 7 for the others.
 */
export function parseRequested({ args, conf = [], runtime = [] }: RequestSources): RequestedAddress[] {
  const places = [
    runtime.map((text, index) => parseOne(text, `runtimeConfig.ips[${index}]`, codes.invalidConfig)),
    conf.map((text, index) => parseOne(text, `args.cni.ips[${index}]`, codes.invalidConfig)),
    args === undefined || args === '' ? [] : [parseOne(args, 'CNI_ARGS IP', codes.invalidEnvironment)],
  ];
  return places.flatMap((addresses, place) =>
    addresses.map((address) => ({ ...address, strength: places.length - 1 - place })),
  );
}

function parseOne(text: string, where: string, code: number): Address {
  const prefix = readPrefix(text);
  const address = prefix === undefined ? readAddress(text) : { family: prefix.family, value: prefix.address };
  if (address === undefined)
    throw new InvalidValueError(
      where,
      `it is ${quote(text)}, an IP address with or without prefix length is expected`,
      undefined,
      code,
    );
  return address;
}

/**
 * Gives each set the first of the requested addresses that lies in one of its ranges; undefined where none does.
 * The same address asked for twice counts once, and one of a weaker place is passed over where a stronger one won.
 *
 * Throws {@link CniError} with code 7 when an address is left over, is a gateway or is excluded.
 */
export function assignRequested(
  sets: readonly RangeSet[],
  requested: readonly RequestedAddress[],
): (Address | undefined)[] {
  const left = new Map<string, RequestedAddress>();
  for (const address of requested) if (!left.has(formatAddress(address))) left.set(formatAddress(address), address);
  const assigned = sets.map((set): RequestedAddress | undefined => {
    const found = [...left].find(([, address]) => rangeOf(set, address) !== undefined);
    if (found === undefined) return undefined;
    const [text, address] = found;
    left.delete(text);
    refuseUngivable(set, address);
    return address;
  });
  for (const [text, address] of left) {
    const winner = assigned[sets.findIndex((set) => rangeOf(set, address) !== undefined)];
    if ((winner?.strength ?? 0) > (address.strength ?? 0)) left.delete(text);
  }
  if (left.size > 0) {
    const details = `Each range set gives one address: ${sets.map(({ text }) => text).join('; ')}`;
    throw new CniError(
      codes.invalidConfig,
      `Cannot reserve the requested addresses: failed to allocate all requested IPs: ${[...left.keys()].join(', ')}`,
      details,
    );
  }
  return assigned.map((address) =>
    address === undefined ? undefined : { family: address.family, value: address.value },
  );
}

function refuseUngivable(set: RangeSet, address: Address): void {
  if (isGivable(set, address)) return;
  const isGateway = set.ranges.some(({ gateway }) => gateway === address.value);
  throw new CniError(
    codes.invalidConfig,
    `Cannot reserve the requested address ${quote(formatAddress(address))}: it is ${isGateway ? "the subnet's gateway" : 'excluded or a gateway of another range set'}`,
  );
}

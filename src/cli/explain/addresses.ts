import { readFileSync } from 'node:fs';
import { resolveNames } from '../../egress/names-resolve.ts';
import { recallName } from '../../egress/names-store.ts';
import { readAnyAddress } from '../../ip/address.ts';
import { familyOf } from '../../ip/family.ts';
import type { AskedDestination } from './destination.ts';
import type { Ground } from '../../repair/survey/verdict.ts';

export interface FoundAddresses {
  readonly addresses: readonly string[];
  /** Why the resolver gave none, or gave none of one family. */
  readonly problems: readonly string[];
}

/** Milliseconds: a person waits. */
const deadline = 2500;

/**
 * The addresses of what is asked about: of a name those that the kernel has open for it, those that are remembered,
 * and those that the policy's resolvers, or the host's, give now.
 */
export async function findAddresses(
  { host, isName, container }: AskedDestination,
  { record, open }: Ground,
): Promise<FoundAddresses> {
  if (!isName) return { addresses: [host], problems: [] };
  if (container !== undefined) return { addresses: container.toSorted(fourFirst), problems: [] };
  const known = open.filter(({ name }) => name === host).map(({ address }) => address);
  const local = fromHostsFile(host);
  if (local.length > 0) return { addresses: [...new Set([...known, ...local])].toSorted(fourFirst), problems: [] };
  const servers = record.egress?.policy.dns.upstream ?? [];
  const [remembered, [resolution]] = await Promise.all([
    recallName(host, servers),
    resolveNames([host], { servers, deadline }),
  ]);
  const answers = (resolution?.answers ?? []).map(({ address }) => address);
  const earlier = answers.length === 0 ? (remembered?.addresses ?? []).map(({ address }) => address) : [];
  return {
    addresses: [...new Set([...known, ...answers, ...earlier])].toSorted(fourFirst),
    problems: [...new Set((resolution?.failures ?? []).map(({ why }) => `Cannot resolve "${host}" now: ${why}`))],
  };
}

function fourFirst(one: string, other: string): number {
  return familyOf(one) - familyOf(other) || (one < other ? -1 : 1);
}

/** Names that never are in the DNS: "localhost", and what an administrator wrote down. */
function fromHostsFile(name: string): string[] {
  try {
    return readFileSync('/etc/hosts', 'utf8')
      .split('\n')
      .map((line) => (line.split('#', 1)[0] ?? '').trim().split(/\s+/))
      .flatMap(([address = '', ...names]) =>
        names.includes(name) && readAnyAddress(address) !== undefined ? [address] : [],
      );
  } catch {
    return [];
  }
}

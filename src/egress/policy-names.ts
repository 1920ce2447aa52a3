/** Names of a policy's chains and sets in the kernel. */
import type { NameRule, PortRule } from './policy.ts';

/** The chain of a policy. */
export function policyChain(id: string): string {
  return `policy_${id}`;
}

/** The set that holds the addresses of a policy's names with this protocol and these ports. */
export function namesSet(
  id: string,
  family: 4 | 6,
  { protocol, ports, unchecked, grant }: PortRule & Pick<NameRule, 'unchecked' | 'grant'>,
): string {
  const range = ports === undefined ? '' : ports.from === ports.to ? `_${ports.from}` : `_${ports.from}_${ports.to}`;
  return `${policyChain(id)}_names${family}_${protocol}${range}${unchecked ? '_unchecked' : ''}${grant === undefined ? '' : `_grant_${grant}`}`;
}

/** The set that holds the container's addresses for as long as a grant lasts. */
export function grantSet(id: string, family: 4 | 6, grant: string): string {
  return `${policyChain(id)}_grant_${grant}_${family}`;
}

/** What the name of a chain or a set of a policy says of it. */
export interface PolicyName {
  readonly id: string;
  /** Of a set of {@link namesSet}: the family of its addresses. */
  readonly names?: 4 | 6;
}

/** Reads a name that {@link policyChain} begins; undefined for any other. */
export function readPolicyName(name: string): PolicyName | undefined {
  const [, id, names] = /^policy_([0-9a-z]+)(?:_names([46])_|_|$)/.exec(name) ?? [];
  if (id === undefined) return undefined;
  return names === undefined ? { id } : { id, names: names === '4' ? 4 : 6 };
}

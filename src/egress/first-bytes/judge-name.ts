import { takesTcp } from '../deny-names.ts';
import { nameCovers } from '../name.ts';
import type { Policy } from '../policy.ts';
import type { FirstBytes } from './first-bytes.ts';

/** What becomes of a connection whose first bytes were read. */
export type NameVerdict =
  /** Without a name where the first bytes showed none, and nothing but names of `deny` is looked for. */
  | { readonly kind: 'allowed'; readonly name?: string }
  | {
      readonly kind: 'refused';
      /** The name that was asked for, where there was one. */
      readonly name?: string;
      /** A clause for "Denied because …". */
      readonly why: string;
    };

/** The connection that is judged. */
export interface JudgedConnection {
  readonly port: number;
  /** Something else than a name opens it: it is looked at for names of `deny` alone. */
  readonly isOpen: boolean;
}

/**
 * Judges what the first bytes of a TCP connection ask for: a name that the policy does not deny there, and that it
 * allows, unless the connection is open anyway. A request that names another port, as that of a proxy's client, is
 * judged at that one too. Of an encrypted hello the outer name is judged: whoever may ask for that one may ask it for
 * what it keeps.
 */
export function judgeName(
  { names, denyNames = [] }: Pick<Policy, 'names' | 'denyNames'>,
  { port, isOpen }: JudgedConnection,
  asked: Exclude<FirstBytes, { kind: 'more' }>,
): NameVerdict {
  if (asked.kind === 'none') return isOpen ? { kind: 'allowed' } : { kind: 'refused', why: asked.why };
  const { name } = asked;
  for (const one of new Set([port, asked.port ?? port])) {
    const denied = denyNames.find((rule) => nameCovers(rule.name, name) && takesTcp(rule, one));
    if (denied !== undefined)
      return { kind: 'refused', name, why: `it asks for "${name}", which ${denied.source} closes` };
    if (isOpen || names.some((rule) => nameCovers(rule.name, name) && takesTcp(rule, one))) continue;
    return { kind: 'refused', name, why: `it asks for "${name}", which the policy does not allow at port ${one}` };
  }
  return { kind: 'allowed', name };
}

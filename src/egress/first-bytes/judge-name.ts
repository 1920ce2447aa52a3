import { nameCovers } from '../name.ts';
import type { NameRule, Policy } from '../policy.ts';
import type { FirstBytes } from './first-bytes.ts';

/** What becomes of a connection whose first bytes were read. */
export type NameVerdict =
  | { readonly kind: 'allowed'; readonly name: string }
  | {
      readonly kind: 'refused';
      /** The name that was asked for, where there was one. */
      readonly name?: string;
      /** A clause for "Denied because …". */
      readonly why: string;
    };

/**
 * Judges what the first bytes of a TCP connection to `port` ask for: a name that the policy allows there. A request
 * that names another port, as that of a proxy's client, has to be allowed at that one too. Of an encrypted hello the
 * outer name is judged: whoever may ask for that one may ask it for what it keeps.
 */
export function judgeName(
  { names }: Pick<Policy, 'names'>,
  port: number,
  asked: Exclude<FirstBytes, { kind: 'more' }>,
): NameVerdict {
  if (asked.kind === 'none') return { kind: 'refused', why: asked.why };
  const { name } = asked;
  for (const one of new Set([port, asked.port ?? port])) {
    if (names.some((rule) => nameCovers(rule.name, name) && opensTcp(rule, one))) continue;
    return { kind: 'refused', name, why: `it asks for "${name}", which the policy does not allow at port ${one}` };
  }
  return { kind: 'allowed', name };
}

function opensTcp({ protocol, ports }: NameRule, port: number): boolean {
  if (protocol !== 'any' && protocol !== 'tcp') return false;
  return ports === undefined || (ports.from <= port && port <= ports.to);
}

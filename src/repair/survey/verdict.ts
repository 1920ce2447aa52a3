import type { Destination } from '../../egress/destination.ts';
import { besides, judge, type Surroundings, type Verdict } from '../../egress/judge.ts';
import { policyAt } from '../../egress/grants.ts';
import { uptime } from '../../host/uptime.ts';
import { nameCovers } from '../../egress/name.ts';
import { readAnyAddress } from '../../ip/address.ts';
import { familyOf } from '../../ip/family.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { waitsForPolicy } from '../../records/waiting.ts';
import { addressesOf } from '../../records/sections.ts';
import type { OpenAddress } from './open-names.ts';

/** What is asked for: an address, and the name that led to it. */
export interface AskedHost extends Pick<Destination, 'protocol' | 'port'> {
  /** Canonical address, or name in lower case. */
  readonly host: string;
  readonly isName: boolean;
}

/** What an attachment's verdicts rest on. */
export interface Ground {
  readonly record: AttachmentRecord;
  readonly surroundings: Surroundings;
  /** What names have open in the kernel now. */
  readonly open: readonly OpenAddress[];
}

/**
 * What becomes of the first packet to an address, as the rules in the kernel have it: a name counts while one of its
 * addresses is open there, whatever the policy says of the name.
 */
export function verdictOf(
  address: string,
  { protocol, port, host, isName }: AskedHost,
  { record, surroundings, open }: Ground,
): Verdict {
  const { egress } = record;
  if (isItself(address, record))
    return { verdict: 'allow', rule: 'itself', reason: 'it is the container itself: such a packet never leaves it' };
  // It is taken away inside, so no packet is there to be looked at, also under audit.
  if (egress?.policy.ipv6 === 'disable' && familyOf(address) === 6)
    return { verdict: 'deny', rule: 'ipv6 "disable"', reason: 'the container has no IPv6' };
  const destination = { address, protocol, ...(port === undefined ? {} : { port }) };
  if (waitsForPolicy(record))
    return {
      verdict: 'deny',
      rule: 'awaited policy',
      reason:
        'the container waits for a policy that never came, and reaches nothing until then; "drawbridge doctor" says why',
    };
  if (egress === undefined) return withoutPolicy(address, surroundings);
  const names = open.filter((one) => one.address === address).map(({ name }) => name);
  const asked = isName ? { askedName: host } : {};
  const policy = policyAt(egress.policy, uptime());
  const verdict = judge(policy, { ...destination, names, ...asked }, surroundings);
  if (verdict.verdict === 'allow' || !isName || names.length > 0) return verdict;
  const wouldBe = judge(policy, { ...destination, names: [host] }, surroundings);
  const rule = policy.names.find(({ source, name }) => source === wouldBe.rule && nameCovers(name, host));
  if (wouldBe.verdict === 'deny' || rule === undefined) return verdict;
  const isWildcard = rule.name.startsWith('*.');
  return {
    verdict: 'deny',
    rule: rule.source,
    reason: `${rule.source} names it, but this address of it is not open now: ${isWildcard ? 'a pattern opens what the container itself asks the gateway for, which needs the agent' : '"drawbridge refresh" opens what the name resolves to'}`,
  };
}

function isItself(address: string, record: AttachmentRecord): boolean {
  const isSix = familyOf(address) === 6;
  // Without IPv6 inside, its own address is not there either.
  if (isSix && record.egress?.policy.ipv6 === 'disable') return false;
  return (
    addressesOf(record).includes(address) ||
    address === '::1' ||
    (readAnyAddress(address)?.family === 4 && address.startsWith('127.'))
  );
}

/** Nothing of ours keeps such a container from anything, except from enforced ones. */
function withoutPolicy(address: string, { siblings }: Surroundings): Verdict {
  const sibling = siblings.find((one) => one.address === address);
  const { isolation, ingress, audit } = sibling?.policy ?? {};
  const isEnforcedSibling = sibling !== undefined && 'mode' in sibling.policy;
  if (isEnforcedSibling && sibling.sameBridge)
    return {
      verdict: 'deny',
      rule: `isolation "${isolation}"`,
      reason: `it is a container with a policy ${besides(sibling)}, and one without a policy does not reach it`,
      theirs: true,
    };
  if (isEnforcedSibling && audit !== true)
    return {
      verdict: 'deny',
      rule: `ingress "${ingress}"`,
      reason: 'it is a container on another bridge, where only its published ports lead',
      theirs: true,
    };
  return { verdict: 'allow', rule: 'no policy', reason: 'the container has no policy' };
}

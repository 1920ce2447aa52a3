/**
 * What a policy denies between containers of one bridge that may talk; its own chains lead here (compile-within.ts).
 */
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';

const table = 'bridge drawbridge';

export const withinSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'guard_asks',
    key: ['ifname'],
    value: 'verdict',
    filledBy: 'record',
    about: 'ports whose policy denies something to those that may talk within the bridge -> chain that judges it',
  },
  {
    table,
    name: 'guard_answers',
    key: ['ifname'],
    value: 'verdict',
    filledBy: 'record',
    about: 'the same ports -> chain that judges what may be an answer to them',
  },
];

/** Of TCP, what does not begin a connection. */
const isNoSyn = 'tcp flags & (syn | ack) != syn';

/** Nobody counts segments of a connection that is there: of TCP, the first packet is an attempt. */
export const isNoAttempt = `${isNoSyn} return`;

/** Nothing begins with these, so that another container may have asked for them. */
const mayBeAnswer = [
  isNoSyn,
  'icmp type { echo-reply, destination-unreachable, time-exceeded, parameter-problem }',
  'icmpv6 type { echo-reply, destination-unreachable, packet-too-big, time-exceeded, parameter-problem }',
];

export const withinChains: readonly ChainDeclaration[] = [
  {
    table,
    name: 'guard_denied',
    rules: [...mayBeAnswer.map((match) => `${match} goto guard_answer`), 'goto guard_refuse'],
  },
  { table, name: 'guard_denied_audit', rules: [...mayBeAnswer.map((match) => `${match} return`), 'jump guard_apart'] },
  { table, name: 'guard_answer', rules: ['oifname vmap @guard_answers'] },
  { table, name: 'guard_refuse', rules: ['jump guard_apart', 'drop'] },
];

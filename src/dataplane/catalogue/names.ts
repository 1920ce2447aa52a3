/**
 * Connections that a name alone opens, of containers under a policy with `verifyNames`: their packets are held in a
 * queue of the kernel until somebody who reads it has seen which name they ask for (agent/first-bytes/).
 *
 *   judgement     a SYN that only a name opens sets "held" on its connection
 *   names_before  what of a held connection has to be looked at gets a mark
 *   the queue     takes what bears the mark, and gives it back without
 *   names_behind  what still bears it is dropped; a verdict makes the connection "settled", and nothing of it is queued
 *                 any more, or has the packet counted as a denial
 *
 * Without a reader the kernel drops what would wait for it. Without the rule that leads to the queue names_behind does.
 */
import { heldMark, hex, queueMark, settledMark, verdictMark, without } from '../../egress/marks.ts';
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';

/** Matches what nobody has to look at any more, or never had to. */
export const isSettled = `ct mark & ${hex(settledMark)} != 0`;

const isHeld = `ct mark & ${hex(heldMark | settledMark)} == ${hex(heldMark)}`;

export const namesSets: readonly SetDeclaration[] = [
  ...perFamily((n, address): SetDeclaration => ({
    table,
    name: `held${n}`,
    key: [address],
    flags: ['dynamic', 'timeout'],
    size: 65_535,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about: 'container with a bucket for packets that wait to be looked at',
  })),
];

export const namesCounters: readonly CounterDeclaration[] = [
  { table, name: 'names_bounded', about: 'packets of containers that had sent as many first bytes as one may' },
  { table, name: 'names_unread', about: 'packets of held connections that came to no queue' },
];

/** Before and behind the mangle chains of xtables, at -150, in which the queue is where nft has none. */
const before = '-160';
const behind = '-140';

/** A container that opens connections as fast as it can sends a tenth of it. */
const mostQueued = '8000/second burst 16000 packets';

export const namesChains: readonly ChainDeclaration[] = [
  { table, name: 'names_settled', rules: [`ct mark set ct mark | ${hex(settledMark)} return`] },
  // What begins in the middle has shown nobody its first bytes.
  ...(['reject', 'drop'] as const).map((verdict): ChainDeclaration => ({
    table,
    name: `names_held_${verdict}`,
    rules: [
      `ct mark & ${hex(heldMark | settledMark)} != 0 return`,
      `ct state new tcp flags & (fin | syn | rst | ack) == syn ct mark set ct mark | ${hex(heldMark)} return`,
      `goto deny_${verdict}`,
    ],
  })),
  {
    table,
    name: 'names_before',
    hook: { type: 'filter', at: 'postrouting', priority: before },
    rules: [`ct mark & ${hex(heldMark)} != 0 goto names_queued`],
  },
  // A SYN inside a connection that stands may begin another one, at a server that has forgotten this one.
  {
    table,
    name: 'names_queued',
    rules: [
      `ct mark & ${hex(settledMark)} != 0 tcp flags & (syn | ack) != syn return`,
      `ct mark set ct mark & ${without(settledMark)}`,
      `meta mark set meta mark & ${without(queueMark | verdictMark)}`,
      'ct direction original tcp flags & syn == 0 goto names_unless_empty',
      'ct direction reply tcp flags & syn != 0 goto names_unless_empty',
      'tcp flags & rst != 0 goto names_unless_empty',
      'goto names_to_queue',
    ],
  },
  // Nobody has to look at a segment without data. Its header has five to fifteen words behind that of IP.
  {
    table,
    name: 'names_unless_empty',
    rules: [
      ...Array.from({ length: 11 }, (_, more) => more + 5).flatMap((words) => [
        `meta nfproto ipv4 ip hdrlength 5 tcp doff ${words} meta length ${20 + words * 4} return`,
        `meta nfproto ipv6 tcp doff ${words} meta length ${40 + words * 4} return`,
      ]),
      'goto names_to_queue',
    ],
  },
  {
    table,
    name: 'names_to_queue',
    rules: [
      ...perFamily((n) => {
        const source = `${n === 4 ? 'ip' : 'ip6'} saddr`;
        return `ct direction original update @held${n} { ${source} limit rate over ${mostQueued} } counter name names_bounded drop`;
      }),
      `meta mark set meta mark | ${hex(queueMark)}`,
    ],
  },
  {
    table,
    name: 'names_behind',
    hook: { type: 'filter', at: 'postrouting', priority: behind },
    rules: [`${isHeld} goto names_answered`],
  },
  // What was asked for is told by who read it; here it is counted of its container.
  {
    table,
    name: 'names_refused',
    rules: [...perFamily((n) => `iifname . ${n === 4 ? 'ip' : 'ip6'} saddr @denials${n}`), 'drop'],
  },
  {
    table,
    name: 'names_answered',
    rules: [
      `meta mark & ${hex(queueMark | verdictMark)} == ${hex(queueMark | verdictMark)} goto names_refused`,
      `meta mark & ${hex(queueMark)} != 0 counter name names_unread drop`,
      `meta mark & ${hex(verdictMark)} != 0 ct mark set ct mark | ${hex(settledMark)}`,
      `meta mark set meta mark & ${without(verdictMark)}`,
    ],
  },
];

/**
 * What the agent is told of by the kernel's packet log (nfnetlink_log), to write it down (agent/services/flows.ts).
 * Where nobody listens, a packet that is logged costs a lookup.
 */
import type { ChainDeclaration, CounterDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'inet drawbridge';
const guardTable = 'bridge drawbridge';

/** The group of nfnetlink_log: "db" in ASCII, to be nobody else's. */
export const logGroup = 0x6462;

/** Said of a packet whose destination was translated: what was asked for stands in the lists of denials. */
export const translatedPrefix = 'translated';

/** Said of a packet of a container that has used its quota. */
export const quotaPrefix = 'quota';

/** Bytes of a packet, from its network header on: addresses, ports, and room for an IPv6 extension header. */
const snapshot = 128;

const toLog = `log group ${logGroup} snaplen ${snapshot}`;

/** Most of one container, so that its flood leaves room for what others did. */
const mostOut = '500/second burst 2000 packets';
/** Most of what is asked of one container that nobody may ask. */
const mostIn = '100/second burst 500 packets';

function buckets(name: string, of: SetDeclaration['table'], key: SetDeclaration['key'], about: string): SetDeclaration {
  return {
    table: of,
    name,
    key,
    flags: ['dynamic', 'timeout'],
    size: 65_535,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about,
  };
}

export const recordingSets: readonly SetDeclaration[] = [
  ...perFamily((n, address) =>
    buckets(`told${n}`, table, ['ifname', address], '(interface, container) with a bucket for denials that are told'),
  ),
  ...perFamily((n, address) =>
    buckets(`told_in${n}`, table, ['ifname', address], 'the same for what nobody may ask of it'),
  ),
  buckets('guard_told', guardTable, ['ifname'], 'ports with a bucket for denials between siblings that are told'),
];

export const recordingCounters: readonly CounterDeclaration[] = [
  { table, name: 'untold', about: 'denied packets of containers that had been told of as often as one may' },
  { table: guardTable, name: 'guard_untold', about: 'the same of denials between siblings' },
];

/** Those counters, with their tables. */
export const untoldCounters = recordingCounters.map(({ table: of, name }) => [of, name] as const);

/** Rules for a packet that is denied: it is counted of its container, and told. */
export const tellsDenied: readonly string[] = perFamily(
  (n) => `iifname . ${n === 4 ? 'ip' : 'ip6'} saddr @denials${n} jump tell_denied${n}`,
);

/** Rules for a packet that asks something of a container that nobody may ask. */
export const tellsUnasked: readonly string[] = perFamily(
  (n) => `oifname . ${n === 4 ? 'ip' : 'ip6'} daddr @sources${n} jump tell_unasked${n}`,
);

/** Rules for a packet of a container that has used its quota. */
export const toldOverQuota: readonly string[] = perFamily(
  (n) => `iifname . ${n === 4 ? 'ip' : 'ip6'} saddr @denials${n} jump tell_quota${n}`,
);

export const recordingChains: readonly ChainDeclaration[] = [
  { table, name: 'tell', rules: [`ct status dnat ${toLog} prefix "${translatedPrefix}" return`, toLog] },
  ...perFamily((n): ChainDeclaration => ({
    table,
    name: `tell_denied${n}`,
    rules: [
      `update @told${n} { iifname . ${n === 4 ? 'ip' : 'ip6'} saddr limit rate ${mostOut} } goto tell`,
      'counter name untold',
    ],
  })),
  ...perFamily((n): ChainDeclaration => ({
    table,
    name: `tell_unasked${n}`,
    rules: [
      `update @told_in${n} { oifname . ${n === 4 ? 'ip' : 'ip6'} daddr limit rate ${mostIn} } goto tell`,
      'counter name untold',
    ],
  })),
  ...perFamily((n): ChainDeclaration => ({
    table,
    name: `tell_quota${n}`,
    rules: [
      `update @told${n} { iifname . ${n === 4 ? 'ip' : 'ip6'} saddr limit rate ${mostOut} } ${toLog} prefix "${quotaPrefix}" return`,
      'counter name untold',
    ],
  })),
  {
    table: guardTable,
    name: 'guard_tell',
    rules: [`update @guard_told { iifname limit rate ${mostIn} } ${toLog} return`, 'counter name guard_untold'],
  },
];

import { beforeAll, describe, expect, test } from 'vitest';
import { egressElements, guardElements } from '../../../src/dataplane/elements/egress.ts';
import type { LinkCommand } from '../../../src/links/command.ts';
import { shellTextOf } from '../../../src/links/text.ts';
import { planGate } from '../../../src/dataplane/gate.ts';
import { requalifyElements } from '../../../src/dataplane/elements/requalify.ts';
import { deleteArguments, filterArguments, parseFlows } from '../../../src/host/conntrack-program.ts';
import type { Element } from '../../../src/nft/element.ts';
import { changeText } from '../../../src/dataplane/transaction.ts';
import type { AttachmentRecord } from '../../../src/records/record.ts';
import { battery, recordOf, ruleset, subjects, type Stage } from './battery.ts';

/** "changing" goes from open to an allowlist while it runs; "steady" is nobody's business. */
const loose = { mode: 'open', isolation: 'container' } as const;
const tight = { allow: ['8.8.8.8:443/tcp', '[2606:4700::]/32'] } as const;
const before = subjects(
  { changing: loose, steady: {}, last: { mode: 'open' }, served: { ingress: 'open' } },
  { serving: ['steady', 'served'], away: ['last'] },
);
const after = subjects(
  { changing: tight, steady: {}, last: { mode: 'open' }, served: {} },
  { serving: ['steady', 'served'], away: ['last'] },
);
const requalify = after
  .filter(({ name }) => ['changing', 'served'].includes(name))
  .flatMap((one) => requalifyElements(recordOf(one)));

const last = before.find(({ name }) => name === 'last');
const lastRecord = last === undefined ? undefined : recordOf(last);
const leaving =
  lastRecord === undefined
    ? ''
    : changeText({
        drop: elementsOf(lastRecord),
        undeclare: [],
        declare: [],
        assert: [],
        put: elementsOf(withoutPolicy(lastRecord)),
      });

function elementsOf(record: AttachmentRecord): Element[] {
  return [...egressElements(record), ...guardElements(record)];
}

/** As egress-policy leaves the record of our own interface plugin: a policy belongs to it, and none is in force. */
function withoutPolicy({ egress, ...record }: AttachmentRecord): AttachmentRecord {
  const bridge = egress?.ingressInterface ?? '';
  const link = {
    bridge,
    ingressInterface: bridge,
    hostInterface: egress?.port ?? '',
    mac: egress?.mac ?? '',
    mtu: 1500,
    addresses: [],
    masquerade: false,
    macspoofchk: false,
    ports: [],
    ipam: { type: '' },
    conf: {},
    enforced: true,
  };
  return { ...record, link };
}

const gate = (verb: 'add' | 'remove'): string[][] =>
  planGate({ name: 'db0', isBridge: true }, { ipv6: true }).flatMap((part) => part[verb].map(wordsOf));
const wordsOf = (command: LinkCommand): string[] =>
  (shellTextOf(command).match(/"[^"]*"|\S+/gu) ?? []).map((word) => word.replaceAll('"', ''));
const changing = before[0];
const isolation = before
  .filter(({ bridge }) => bridge === 'db0')
  .map(({ port }) => wordsOf({ kind: 'setPort', name: port, isolated: true }));

const stages: readonly Stage[] = [
  { nft: ruleset(before) },
  {
    attacks: [
      'hold changing kept 8.8.8.8 443',
      'hold changing kept6 2606:4700::1111 443',
      'hold changing lost 203.0.113.10 443',
      'hold changing lost6 2001:db8::10 443',
      'hold internet came_in 10.88.0.13 443',
      'hold host from_host 10.88.0.13 443',
      'use_held kept',
      'use_held lost',
      'use_held came_in',
    ],
  },
  {
    nft: ruleset(after, requalify),
    attacks: [
      'use_held  kept',
      'use_held  kept6',
      'use_held  lost',
      'use_held  lost6',
      'use_held  came_in',
      'use_held  from_host',
    ],
  },
  {
    name: 'flows',
    run: [
      ['conntrack', '-L', ...filterArguments({ family: 4, source: changing?.ip4 ?? '' })],
      ['conntrack', '-L', ...filterArguments({ family: 6, source: changing?.ip6 ?? '' })],
    ],
  },
  {
    run: [
      [
        'conntrack',
        ...deleteArguments({
          protocol: 'tcp',
          source: changing?.ip4 ?? '',
          destination: '8.8.8.8',
          destinationPort: 443,
          answerer: '',
        }),
      ],
    ],
    attacks: ['use_held   kept'],
  },
  { attacks: ['plain last 10.1.2.3', 'plain last 10.89.0.1 53'] },
  {
    nft: leaving,
    attacks: [
      'plain  last 10.1.2.3',
      'plain  last 8.8.8.8',
      'plain  last fd00:1::3',
      'plain  last 10.89.0.1 53',
      'extra_address last 10.89.0.200 8.8.8.8',
    ],
  },
  {
    run: [...gate('add'), ...isolation],
    attacks: ['plain steady 8.8.8.8', 'plain steady 2606:4700::1111', 'plain steady 10.88.0.1 53'],
  },
  {
    run: [['nft', 'flush', 'ruleset']],
    attacks: [
      'plain  steady 8.8.8.8',
      'plain  steady 2606:4700::1111',
      'plain  changing 10.1.2.3',
      'plain  changing 8.8.8.8',
      'plain  steady 10.88.0.1 53',
      'direct_to_sibling changing steady',
      'routed_to_sibling changing steady',
    ],
  },
  { nft: ruleset(after), attacks: ['plain   steady 8.8.8.8'] },
  { run: [['nft', 'flush', 'ruleset'], ...gate('remove')], attacks: ['plain    steady 8.8.8.8'] },
];

let results: Record<string, string | string[]> = {};

beforeAll(async () => {
  results = await battery(before, stages);
});

describe('a policy that is tightened', () => {
  test.each(['use_held kept', 'use_held lost', 'use_held  kept', 'use_held  kept6', 'use_held   kept'])(
    'leaves alone what it still allows: %s',
    (attack) => {
      expect(results[attack]).toEqual(['internet']);
    },
  );
  test.each(['use_held  lost', 'use_held  lost6', 'use_held  came_in'])(
    'ends what it no longer allows: %s',
    (attack) => {
      expect(results[attack]).toEqual([]);
    },
  );
  test('leaves the connections of the host to the container alone', () => {
    expect(results['use_held  from_host']).toEqual(['served']);
  });
  test('finds in conntrack what each container began', () => {
    const flows = [0, 1].flatMap((number) => parseFlows(String(results[`flows ${number}`])));
    expect(
      flows
        .map(({ protocol, destination, destinationPort }) => `${protocol} ${destination} ${destinationPort}`)
        .toSorted(),
    ).toEqual(
      expect.arrayContaining([
        'tcp 203.0.113.10 443',
        'tcp 2001:db8::10 443',
        'tcp 2606:4700::1111 443',
        'tcp 8.8.8.8 443',
      ]),
    );
  });
});

describe('a container whose policy is removed, as the last of its bridge', () => {
  test('was free before', () => {
    expect([results['plain last 10.1.2.3'], results['plain last 10.89.0.1 53']]).toEqual([['internet'], ['host']]);
  });
  test.each([
    'plain  last 10.1.2.3',
    'plain  last 8.8.8.8',
    'plain  last fd00:1::3',
    'plain  last 10.89.0.1 53',
    'extra_address last 10.89.0.200 8.8.8.8',
  ])('stays shut in until its interface is gone: %s', (attack) => {
    expect(results[attack]).toEqual([]);
  });
});

describe('when somebody flushes the ruleset', () => {
  test('the gate was open before, and is again when the tables are back', () => {
    expect([
      results['plain steady 8.8.8.8'],
      results['plain steady 2606:4700::1111'],
      results['plain   steady 8.8.8.8'],
    ]).toEqual([['internet'], ['internet'], ['internet']]);
    expect(results['plain steady 10.88.0.1 53']).toEqual(['host']);
  });
  test.each([
    'plain  steady 8.8.8.8',
    'plain  steady 2606:4700::1111',
    'plain  changing 10.1.2.3',
    'plain  changing 8.8.8.8',
    'plain  steady 10.88.0.1 53',
    'direct_to_sibling changing steady',
    'routed_to_sibling changing steady',
  ])('nothing gets out: %s', (attack) => {
    expect(results[attack]).toEqual([]);
  });
  test('traffic flows without tables when the gate is taken out', () => {
    expect(results['plain    steady 8.8.8.8']).toEqual(['internet']);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { intervalOf, nftInterval } from '../../../src/egress/interval.ts';
import {
  foldAddressRules,
  foldPorts,
  type FoldedRules,
  type OpenBox,
  type OpenRange,
} from '../../../src/egress/normalise.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import type { AddressRule } from '../../../src/egress/policy.ts';
import { aPort, aProtocol, anAddress, edgesOf, means, someRules } from './rules.ts';

const fold = (...entries: string[]): FoldedRules => foldAddressRules(parsePolicy({ allow: entries }, '').allow);
const anyRule: AddressRule = { family: 4, prefix: '192.0.2.0/24', protocol: 'any', source: 'any' };
const boxText = (box: OpenBox): string => `${nftInterval(box)} ${box.protocol} ${box.ports.from}-${box.ports.to}`;

describe('foldAddressRules()', () => {
  test('swallows a prefix in a wider one', () => {
    expect(fold('203.0.113.0/24', '203.0.113.7', '203.0.113.128/25').ranges.map(nftInterval)).toEqual([
      '203.0.113.0/24',
    ]);
  });

  test('joins prefixes that touch', () => {
    expect(fold('203.0.113.0/25', '203.0.113.128/25', '203.0.114.0/32').ranges.map(nftInterval)).toEqual([
      '203.0.113.0-203.0.114.0',
    ]);
  });

  test('names every entry that a range is from, in the order of the policy', () => {
    expect(fold('203.0.113.7', '203.0.113.0/24').ranges[0]?.sources).toEqual([
      'allow "203.0.113.7"',
      'allow "203.0.113.0/24"',
    ]);
  });

  test('makes tcp, udp and sctp of a port without a protocol', () => {
    expect(fold('192.0.2.1:53').boxes.map(boxText)).toEqual([
      '192.0.2.1 sctp 53-53',
      '192.0.2.1 tcp 53-53',
      '192.0.2.1 udp 53-53',
    ]);
  });

  test('joins neither addresses nor ports across a gap', () => {
    expect(fold('192.0.2.1', '192.0.2.3').ranges).toHaveLength(2);
    expect(fold('192.0.2.1:80/tcp', '192.0.2.1:82/tcp').boxes).toHaveLength(2);
  });

  test('joins ports that touch', () => {
    expect(fold('192.0.2.1:80/tcp', '192.0.2.1:81-90/tcp', '192.0.2.1:443/tcp').boxes.map(boxText)).toEqual([
      '192.0.2.1 tcp 80-90',
      '192.0.2.1 tcp 443-443',
    ]);
  });

  test('cuts a prefix at an address with more ports', () => {
    expect(fold('192.0.2.0/30:443/tcp', '192.0.2.1:80/tcp').boxes.map(boxText)).toEqual([
      '192.0.2.0 tcp 443-443',
      '192.0.2.1 tcp 80-80',
      '192.0.2.1 tcp 443-443',
      '192.0.2.2/31 tcp 443-443',
    ]);
  });

  test('keeps the last address of a prefix that another rule starts at', () => {
    expect(fold('192.0.2.0/31:443/tcp', '192.0.2.1:80/tcp').boxes.map(boxText)).toEqual([
      '192.0.2.0 tcp 443-443',
      '192.0.2.1 tcp 80-80',
      '192.0.2.1 tcp 443-443',
    ]);
  });

  test('leaves out of the boxes what is open for everything', () => {
    expect(fold('192.0.2.0/30', '192.0.2.0/29:443/tcp', '192.0.2.1/icmp')).toMatchObject({
      boxes: [{ from: intervalOf('192.0.2.4').from, protocol: 'tcp' }],
      icmp: [],
    });
  });

  test('keeps a protocol without ports as all its ports', () => {
    expect(fold('192.0.2.1/tcp').boxes.map(boxText)).toEqual(['192.0.2.1 tcp 0-65535']);
  });

  test('keeps ICMP apart', () => {
    expect(fold('192.0.2.1/icmp', '2001:db8::1/icmp').icmp.map(nftInterval)).toEqual(['192.0.2.1', '2001:db8::1']);
  });

  test('opens exactly what one of the rules opens', () => {
    fc.assert(
      fc.property(someRules, anAddress, aProtocol, aPort, (rules, address, protocol, port) => {
        expect(opens(foldAddressRules(rules), address, protocol, port)).toBe(
          rules.some((rule) => means(rule, address, protocol, port)),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test('opens exactly what one of the rules opens, at the edges of the rules', () => {
    fc.assert(
      fc.property(someRules, fc.nat(), fc.nat(), (rules, one, other) => {
        const folded = foldAddressRules(rules);
        const { addresses } = edgesOf(rules[one % rules.length] ?? anyRule);
        const { ports } = edgesOf(rules[other % rules.length] ?? anyRule);
        const asked = addresses.flatMap((address) =>
          ports.flatMap((port) => ['tcp', 'udp', 'icmp', 'gre'].map((protocol) => ({ address, port, protocol }))),
        );
        const wrong = asked.filter(
          ({ address, port, protocol }) =>
            opens(folded, address, protocol, port) !== rules.some((rule) => means(rule, address, protocol, port)),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 600 },
    );
  });

  test('gives ranges and boxes that have nothing in common', () => {
    fc.assert(
      fc.property(someRules, (rules) => {
        const { ranges, boxes, icmp } = foldAddressRules(rules);
        expectDisjoint(ranges, () => true);
        expectDisjoint(icmp, () => true);
        expectDisjoint(
          boxes,
          (a, b) => a.protocol === b.protocol && a.ports.from <= b.ports.to && b.ports.from <= a.ports.to,
        );
      }),
      { numRuns: 500 },
    );
  });

  test('gives the same for the same rules in another order', () => {
    fc.assert(
      fc.property(someRules, (rules) => {
        const bare = ({ ranges, boxes, icmp }: FoldedRules): unknown =>
          [ranges, boxes, icmp].map((list) => list.map((entry) => ({ ...entry, sources: [] })));
        expect(bare(foldAddressRules(rules.toReversed()))).toEqual(bare(foldAddressRules(rules)));
      }),
    );
  });

  test('names for every box only rules that reach into it', () => {
    fc.assert(
      fc.property(someRules, (rules) => {
        for (const box of foldAddressRules(rules).boxes) {
          const sources = rules.filter((rule) => box.sources.includes(rule.source));
          expect(sources.length).toBeGreaterThan(0);
          for (const rule of sources) expect(['any', box.protocol]).toContain(rule.protocol);
        }
      }),
    );
  });

  test('folds four thousand rules in less than two seconds', () => {
    const rules = Array.from(
      { length: 4000 },
      (_, index) => `${20 + (index >> 8)}.${index & 255}.0.0/16:${1 + (index % 7)}/tcp`,
    );
    const started = performance.now();
    expect(fold(...rules).boxes.length).toBeGreaterThan(1000);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

test('foldPorts() gives disjoint runs for each protocol', () => {
  expect(foldPorts(parsePolicy({ hostPorts: ['53', '50-60/udp', '54/tcp', 'icmp'] }, '').hostPorts)).toEqual([
    { protocol: 'sctp', from: 53, to: 53 },
    { protocol: 'tcp', from: 53, to: 54 },
    { protocol: 'udp', from: 50, to: 60 },
  ]);
});

function opens({ ranges, boxes, icmp }: FoldedRules, address: string, protocol: string, port: number): boolean {
  const { family, from: value } = intervalOf(address);
  const holds = (range: OpenRange): boolean => range.family === family && range.from <= value && value <= range.to;
  if (ranges.some(holds)) return true;
  if (protocol === 'icmp') return icmp.some(holds);
  return boxes.some((box) => holds(box) && box.protocol === protocol && box.ports.from <= port && port <= box.ports.to);
}

function expectDisjoint<Range extends OpenRange>(list: readonly Range[], meet: (a: Range, b: Range) => boolean): void {
  const overlaps = list.flatMap((a, index) =>
    list
      .slice(index + 1)
      .filter((b) => a.family === b.family && a.from <= b.to && b.from <= a.to && meet(a, b))
      .map((b) => `${nftInterval(a)} meets ${nftInterval(b)}`),
  );
  expect(overlaps).toEqual([]);
}

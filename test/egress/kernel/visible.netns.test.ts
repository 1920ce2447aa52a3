import { beforeAll, describe, expect, test } from 'vitest';
import { interfacePart, type Element } from '../../../src/nft/element.ts';
import { battery, ruleset, subjects } from './battery.ts';

const containers = subjects({
  denied: { allow: ['203.0.113.10'] },
  audited: { allow: ['203.0.113.10'], audit: true },
  forced: { preset: 'none' },
  free: { preset: 'none' },
});
const dns: Element[] = [
  { table: 'inet drawbridge', set: 'dnsforce4', key: [interfacePart('db0'), containers[2]?.ip4 ?? ''] },
];

let results: Record<string, string | string[]> = {};

beforeAll(async () => {
  const list = (set: string): string[] => ['nft', 'list', 'set', 'inet', 'drawbridge', set];
  results = await battery(containers, [
    {
      nft: ruleset(containers, dns),
      probes: [
        ...['denied', 'audited'].flatMap((from) => [
          { id: `${from} 1`, from, protocol: 'tcp', address: '8.8.8.8', port: 443 } as const,
          { id: `${from} 2`, from, protocol: 'udp', address: '2606:4700::1111', port: 53 } as const,
          { id: `${from} 3`, from, protocol: 'icmp', address: '10.1.2.3' } as const,
          { id: `${from} 4`, from, protocol: 'tcp', address: '192.0.2.1', port: 22 } as const,
        ]),
        { id: 'forced', from: 'forced', protocol: 'udp', address: '8.8.8.8', port: 53 },
        { id: 'free', from: 'free', protocol: 'udp', address: '8.8.8.8', port: 53 },
      ],
    },
    {
      name: 'list',
      run: [list('denied4'), list('denied6'), list('denied4_portless'), list('denials4'), list('denials6')],
    },
  ]);
});

describe.each([
  ['denied', '10.88.0.10', 'fd00:88::10'],
  ['audited', '10.88.0.11', 'fd00:88::11'],
])('what the policy of "%s" denies', (_, ip4, ip6) => {
  test('is listed with source, destination, protocol and port', () => {
    expect(results['list 0']).toMatch(
      new RegExp(`${ip4} \\. 8\\.8\\.8\\.8 \\. tcp \\. 443 [^,]*counter packets [1-9]`),
    );
    expect(results['list 0']).toMatch(
      new RegExp(`${ip4} \\. 192\\.0\\.2\\.1 \\. tcp \\. 22 [^,]*counter packets [1-9]`),
    );
    expect(results['list 1']).toMatch(new RegExp(`${ip6} \\. 2606:4700::1111 \\. udp \\. 53 `));
    expect(results['list 2']).toMatch(new RegExp(`${ip4} \\. 10\\.1\\.2\\.3 \\. icmp `));
  });
  test('is counted for the container', () => {
    expect(results['list 3']).toMatch(new RegExp(`"db0" \\. ${ip4.replaceAll('.', '\\.')} counter packets [1-9]`));
    expect(results['list 4']).toMatch(new RegExp(`"db0" \\. ${ip6} counter packets [1-9]`));
  });
});

test('audit lets everything pass that it counts', () => {
  expect([1, 2, 3, 4].map((number) => results[`audited ${number}`])).toEqual(['answer', 'answer', 'answer', 'answer']);
  expect([1, 2, 3, 4].map((number) => results[`denied ${number}`])).not.toContain('answer');
});

test('a container with enforced DNS is answered by the host whomever it asks', () => {
  expect([results['forced'], results['free']]).toEqual(['answer', 'EHOSTUNREACH']);
});

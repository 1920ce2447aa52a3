import { describe, expect, test } from 'vitest';
import { listedBy, listJust } from '../../src/nft/listed-set.ts';

const printed = `table inet drawbridge {
\tset policy_1_allow4 {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 1.1.1.1, 10.0.0.0/8,
\t\t\t     192.0.2.1-192.0.2.5 }
\t}
}
table inet drawbridge {
\tset policy_1_allow6_ports {
\t\ttype ipv6_addr . inet_proto . inet_service
\t\tflags interval
\t\telements = { 2001:db8::/32 . tcp . 80-90, ::ffff:0.0.0.0/96 . udp . 53 }
\t}
}
table bridge drawbridge {
\tset empty {
\t\ttype ifname
\t}
}
`;

const four = 'inet drawbridge policy_1_allow4';
const six = 'inet drawbridge policy_1_allow6_ports';

describe('listJust()', () => {
  test.for([
    [four, ['192.0.2.1-192.0.2.5', '10.0.0.0/8', '1.1.1.1/32']],
    [four, ['192.0.2.1-192.0.2.5', '10.0.0.0-10.255.255.255', '1.1.1.1']],
    [six, ['2001:0db8::/32 . tcp . 80-90', '::ffff:0:0/96 . udp . 53-53']],
    ['bridge drawbridge empty', []],
  ] as const)('knows what is in "%s" however it is written: %j', ([set, elements]) => {
    expect(listJust([{ set, elements }], printed)).toBe(true);
  });

  test.for([
    ['lacks one', four, ['1.1.1.1', '10.0.0.0/8', '192.0.2.1-192.0.2.5', '9.9.9.9']],
    ['has another one', four, ['1.1.1.1', '10.0.0.0/8']],
    ['has a wider range', four, ['1.1.1.1', '10.0.0.0/9', '192.0.2.1-192.0.2.5']],
    ['has a narrower range', four, ['1.1.1.1', '10.0.0.0/7', '192.0.2.1-192.0.2.5']],
    ['has other ports', six, ['2001:db8::/32 . tcp . 80-91', '::ffff:0:0/96 . udp . 53']],
    ['is of another table', 'bridge drawbridge policy_1_allow4', ['1.1.1.1', '10.0.0.0/8', '192.0.2.1-192.0.2.5']],
    ['is not there', 'inet drawbridge gone', []],
  ] as const)('says so when the set %s', ([, set, elements]) => {
    expect(listJust([{ set, elements }], printed)).toBe(false);
  });
});

test('listedBy() reads what the commands of a group list', () => {
  const add = [
    'add set inet drawbridge a { type ipv4_addr; flags interval; }',
    'add element inet drawbridge a { 10.0.0.0/8, 1.1.1.1 }',
    'add chain inet drawbridge c',
  ];
  expect(listedBy({ id: '1', add, remove: [] })).toEqual([
    { set: 'inet drawbridge a', elements: ['10.0.0.0/8', '1.1.1.1'] },
  ]);
});

import { expect, test } from 'vitest';
import { compilePolicy } from '../../../src/egress/compile.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';

test('the bridge denies what the host denies: IPv4 behind NAT64 and 6to4, ICMP and ports too', () => {
  const deny = ['8.8.8.0/24', '10.0.0.0/8/icmp', '192.0.2.0/24:53/udp', '[2001:db8::]/32:80'];
  const { sets } = compilePolicy(parsePolicy({ isolation: 'bridge', deny }, ''));
  const listsOf = (table: string): object =>
    Object.fromEntries(
      sets
        .filter((set) => set.table === table && set.name.includes('_deny'))
        .map(({ name, elements }) => [name, elements]),
    );
  const ofHost = listsOf('inet drawbridge');
  expect(Object.keys(ofHost)).toHaveLength(6);
  expect(JSON.stringify(ofHost)).toContain('64:ff9b::808:800/120');
  expect(listsOf('bridge drawbridge')).toEqual(ofHost);
});

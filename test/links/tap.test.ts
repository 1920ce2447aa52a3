import { describe, expect, test } from 'vitest';
import { initArgument, kernelArgument, planTap } from '../../src/links/tap.ts';
import { shellTextOf } from '../../src/links/text.ts';

describe('planTap()', () => {
  test('makes a tap, and has it and the end of the veth hand on to each other what they get', () => {
    const tap = { name: 'tap0', owner: 1000, multiQueue: true };
    expect(planTap(tap, { ifname: 'eth0', mtu: 1400, ipv6: true }).map(shellTextOf)).toEqual([
      'ip tuntap add dev tap0 mode tap user 1000 multi_queue',
      'ip link set dev eth0 addrgenmode none up',
      'ip link set dev tap0 mtu 1400 addrgenmode none',
      'ip link set dev tap0 up',
      'tc qdisc add dev eth0 handle ffff: ingress',
      'tc filter add dev eth0 ingress protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev tap0',
      'tc qdisc add dev tap0 handle ffff: ingress',
      'tc filter add dev tap0 ingress protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev eth0',
    ]);
  });
});

describe('kernelArgument()', () => {
  const address = { address: '10.88.0.2/16', gateway: '10.88.0.1' };

  test.each([
    ['a network', [address], [], 'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off'],
    [
      'servers of DNS',
      [address],
      ['fd00::53', '1.1.1.1', '9.9.9.9', '8.8.8.8'],
      'ip=10.88.0.2::10.88.0.1:255.255.0.0::eth0:off:1.1.1.1:9.9.9.9',
    ],
    ['no gateway', [{ address: '10.88.0.2/24' }], [], 'ip=10.88.0.2:::255.255.255.0::eth0:off'],
  ])('tells %s', (_, addresses, nameservers, argument) => {
    expect(kernelArgument({ addresses, nameservers, networks: [] })).toBe(argument);
  });

  test('tells of a single address the mask of the network around it, since its gateway is there', () => {
    const addresses = [{ address: 'fd00::2/128' }, { address: '10.88.0.2/32', gateway: '10.88.0.1' }];
    const networks = ['10.88.0.1/32', '0.0.0.0/0', '10.88.0.0/24', 'fd00::/64', '10.0.0.0/8'];
    expect(kernelArgument({ addresses, nameservers: [], networks })).toBe(
      'ip=10.88.0.2::10.88.0.1:255.255.255.0::eth0:off',
    );
    expect(kernelArgument({ addresses, nameservers: [], networks: [] })).toContain(':255.255.255.255:');
  });

  test('is none without an IPv4 address', () => {
    expect(kernelArgument({ addresses: [{ address: 'fd00::2/64' }], nameservers: [], networks: [] })).toBeUndefined();
  });
});

test.for([
  ['an address with a gateway', [{ address: 'fd00::2/64', gateway: 'fd00::1' }], 'drawbridge.ipv6=fd00::2/64,fd00::1'],
  ['an address without one', [{ address: 'fd00::2/64' }], 'drawbridge.ipv6=fd00::2/64'],
  ['an address of IPv4 alone', [{ address: '10.1.0.2/24', gateway: '10.1.0.1' }], undefined],
] as const)('initArgument() of %s', ([, addresses, argument]) => {
  expect(initArgument(addresses)).toBe(argument);
});

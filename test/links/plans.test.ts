import { describe, expect, test } from 'vitest';
import { linkLocalAddressOf } from '../../src/links/hardware-address.ts';
import { planBridge } from '../../src/links/bridge.ts';
import { planVeth } from '../../src/links/veth.ts';
import { bridgeSpec, vethSpec } from './attachment.ts';
import { goldens, textOf } from './goldens.ts';

describe('plans', () => {
  test.each(Object.entries(goldens))('write the text of %s', async (name, plans) => {
    await expect(textOf(plans)).toMatchFileSnapshot(`../golden/links/${name}.batch`);
  });

  test('planBridge() gives a bridge the same MAC every time', () => {
    expect(planBridge(bridgeSpec).create).toEqual(planBridge({ ...bridgeSpec }).create);
  });

  test('planBridge() gives bridges of other names other MACs', () => {
    const macOf = (bridge: string) => planBridge({ ...bridgeSpec, bridge }).create[0]?.split(' ')[5];
    expect(macOf('br0')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(macOf('br0')).not.toBe(macOf('br1'));
  });

  test('planVeth() leaves out IPv6 keywords when the kernel has no IPv6', () => {
    const { host, raise, container } = planVeth({ ...vethSpec, addresses: ['10.88.0.2/16'], ipv6: false });
    expect([...host, ...raise, ...container].join('\n')).not.toContain('addrgenmode');
  });

  test.each([
    ['netns', { netns: '/run/netns/c 1' }],
    ['netns', { netns: '/run/netns/c1\nlink del eth9' }],
    ['ifname', { ifname: 'eth#0' }],
    ['bridge', { bridge: 'br"0' }],
    ['address', { addresses: ['10.0.0.2/16\nlink del dev eth9'] }],
  ])('planVeth() refuses a %s that "ip -batch" would read as syntax: %j', (_, change) => {
    expect(() => planVeth({ ...vethSpec, ...change })).toThrow(/^Cannot write ".*" in a command for "ip -batch"/);
  });

  test('linkLocalAddressOf() derives the address of RFC 4291, appendix A', () => {
    expect(linkLocalAddressOf('34:56:78:9a:bc:de')).toBe('fe80::3656:78ff:fe9a:bcde/64');
  });
});

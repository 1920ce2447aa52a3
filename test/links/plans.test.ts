import { describe, expect, test } from 'vitest';
import { linkLocalAddressOf } from '../../src/links/hardware-address.ts';
import { planBridge } from '../../src/links/bridge.ts';
import type { LinkCommand } from '../../src/links/command.ts';
import { batchOf, shellTextOf, textOf } from '../../src/links/text.ts';
import { planVeth } from '../../src/links/veth.ts';
import { bridgeSpec, vethSpec } from './attachment.ts';
import { goldens, textOfPlans } from './goldens.ts';

describe('plans', () => {
  test.each(Object.entries(goldens))('write the text of %s', async (name, plans) => {
    await expect(textOfPlans(plans)).toMatchFileSnapshot(`../golden/links/${name}.batch`);
  });

  test('planBridge() gives a bridge the same MAC every time', () => {
    expect(planBridge(bridgeSpec).create).toEqual(planBridge({ ...bridgeSpec }).create);
  });

  test('planBridge() gives bridges of other names other MACs', () => {
    const macOf = (bridge: string) =>
      planBridge({ ...bridgeSpec, bridge }).create.find((command) => command.kind === 'addBridge')?.mac;
    expect(macOf('br0')).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(macOf('br0')).not.toBe(macOf('br1'));
  });

  test('planVeth() leaves out IPv6 keywords when the kernel has no IPv6', () => {
    const { host, raise, container } = planVeth({ ...vethSpec, addresses: ['10.88.0.2/16'], ipv6: false });
    expect(batchOf([...host, ...raise, ...container])).not.toContain('addrgenmode');
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

describe('batchOf()', () => {
  test.for(['', 'a b', 'a\nlink del dev eth9', 'a#b', 'a"b', "a'b", 'a\\b', 'a;b', '1,2', '1,6 0 0 0\n'])(
    'writes a name as one word or not at all: %j',
    (name) => {
      const command = { kind: 'deleteLink', name } as const;
      if (name === '1,2') expect(batchOf([command])).toBe('link del dev 1,2\n');
      else expect(() => batchOf([command])).toThrow(/^Cannot write ".*" in a command for "ip -batch"/);
    },
  );
});

describe('textOf()', () => {
  const route = { dst: '10.1.0.0/24', dev: 'br0', protocol: 'kernel', scope: 253, source: '10.1.0.1' } as const;
  const place = { name: 'br0', direction: 'ingress', preference: 90 } as const;
  const rule = { family: 6, preference: 90, ingressInterface: 'br0', mark: 0, mask: 65_536 } as const;

  test.for([
    [
      { kind: 'setLink', name: 'e', mac: '02:00:00:00:00:01', state: 'down' },
      'ip link set dev e address 02:00:00:00:00:01 down',
    ],
    [
      { kind: 'setLink', name: 'e', allMulticast: false, queueLength: 9 },
      'ip link set dev e allmulticast off txqueuelen 9',
    ],
    [{ kind: 'setBridge', name: 'br0', groupForwardMask: 8 }, 'ip link set dev br0 type bridge group_fwd_mask 8'],
    [{ kind: 'setPort', name: 'p', isolated: false }, 'ip link set dev p type bridge_slave isolated off'],
    [
      { kind: 'replaceStaticMac', name: 'p', mac: '02:00:00:00:00:01' },
      'bridge fdb replace 02:00:00:00:00:01 dev p master static',
    ],
    [{ kind: 'deleteAddress', name: 'e', address: '10.0.0.1/8' }, 'ip address del 10.0.0.1/8 dev e'],
    [{ kind: 'deleteRoute', ...route }, 'ip route del 10.1.0.0/24 dev br0 proto kernel scope 253 src 10.1.0.1'],
    [{ kind: 'prependRoute', ...route }, 'ip route prepend 10.1.0.0/24 dev br0 proto kernel scope 253 src 10.1.0.1'],
    [{ kind: 'addRule', ...rule }, 'ip -6 rule add pref 90 iif br0 fwmark 0x0/0x10000 prohibit'],
    [{ kind: 'deleteRule', ...rule, family: 4 }, 'ip -4 rule del pref 90 iif br0 fwmark 0x0/0x10000 prohibit'],
    [{ kind: 'deletePortVlan', name: 'p', vlan: 1 }, 'bridge vlan del dev p vid 1'],
    [{ kind: 'addFilterQueue', name: 'e', queue: 'clsact' }, 'tc qdisc add dev e clsact'],
    [{ kind: 'deleteQueue', name: 'e', queue: 'root' }, 'tc qdisc del dev e root'],
    [{ kind: 'deleteFilter', ...place }, 'tc filter del dev br0 ingress protocol all pref 90 handle 1 bpf'],
    [
      { kind: 'replaceFilter', ...place, program: [[6, 0, 0, 2]] },
      'tc filter replace dev br0 ingress protocol all pref 90 handle 1 bpf direct-action bytecode "1,6 0 0 2"',
    ],
  ] satisfies [LinkCommand, string][])('of %j', ([command, text]) => {
    expect(shellTextOf(command)).toBe(text);
    expect(batchOf([command])).toBe(`${textOf(command)}\n`);
  });
});

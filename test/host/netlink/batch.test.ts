import { describe, expect, test } from 'vitest';
import { addressBytes, addressText, macBytes, macText } from '../../../src/host/netlink/address.ts';
import { planLine, type Lookup } from '../../../src/host/netlink/batch.ts';
import { decode, decodeAttributes, encode, readNumber, readText } from '../../../src/host/netlink/message.ts';
import { goldens } from '../../links/goldens.ts';

const lookup: Lookup = { index: () => 7, namespace: () => 9 };

describe('planLine()', () => {
  const lines = Object.values(goldens).flatMap(({ bridge, pair }) => [
    ...bridge.keep.filter((line) => !line.includes(' type bridge ')),
    ...pair.host,
    ...pair.container,
    ...pair.announce,
  ]);

  test.for([...new Set(lines)])('understands "%s"', (line) => {
    expect(planLine(line)?.(lookup)).toBeDefined();
  });

  test.for([
    'link set dev eth0 name eth1',
    'link set dev eth0 up down',
    'link set dev eth0 mtu many',
    'link set dev eth0 type bridge_slave hairpin maybe',
    'link set dev eth0 type bridge vlan_filtering 1',
    'link add name br0 address 02:00:00:00:00:01 type bridge',
    'link add name a type veth peer name b netns c1',
    'link del dev eth0 type veth',
    'address add 10.0.0.1 dev eth0',
    'address add 10.0.0.1/33 dev eth0',
    'address add 10.0.0.1/24 dev eth0 scope link',
    'address del 10.0.0.1/24 dev eth0',
    'route append default via 10.0.0.1 dev eth0',
    'route append 10.0.0.0/8 via fe80::1 dev eth0',
    'route append 10.0.0.0/8 dev eth0 table main',
    'route append 10.0.0.0/8 via 10.0.0.1',
    'neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent',
    'rule add pref 90 iif br0 prohibit',
    '',
  ])('leaves "%s" to ip', (line) => {
    expect(planLine(line)).toBeUndefined();
  });
});

test('a request is read back as it was written', () => {
  const request = planLine('route append 192.0.2.0/24 via 10.0.0.1 dev eth0 mtu 1400 table 777')?.(lookup);
  const [answer, ...more] = decode(encode(request ?? expect.fail(), 42));
  expect(more).toEqual([]);
  expect(answer).toMatchObject({ type: 24, sequence: 42 });
  const attributes = decodeAttributes((answer?.payload ?? new Uint8Array()).subarray(12));
  expect([...attributes.keys()]).toEqual([1, 5, 4, 15, 8]);
  expect(addressText(attributes.get(5) ?? new Uint8Array())).toBe('10.0.0.1');
  expect(readNumber(attributes.get(15) ?? new Uint8Array())).toBe(777);
  expect(readNumber(decodeAttributes(attributes.get(8) ?? new Uint8Array()).get(2) ?? new Uint8Array())).toBe(1400);
});

test('a cut off answer is read as far as it is whole', () => {
  const whole = encode(planLine('link del dev eth0')?.(lookup) ?? expect.fail(), 1);
  expect(decode(whole.subarray(0, whole.length - 1))).toEqual([]);
  expect(
    readText(decodeAttributes((decode(whole)[0]?.payload ?? new Uint8Array()).subarray(16)).get(3) ?? new Uint8Array()),
  ).toBe('eth0');
});

describe('addresses', () => {
  test.for([
    '0.0.0.0',
    '255.1.2.3',
    '::',
    '::1',
    'fe80::1',
    '1::',
    '2001:db8::1:0:0:1',
    '1:0:2:0:3:0:4:0',
    'fd00:88:1:2:3:4:5:6',
  ])('%s has its bytes and its text', (text) => {
    expect(addressText(addressBytes(text) ?? expect.fail())).toBe(text);
  });

  test.for(['', '1.2.3', '1.2.3.256', '1.2.3.4.5', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '12345::', 'g::'])(
    '"%s" is none',
    (text) => {
      expect(addressBytes(text)).toBeUndefined();
    },
  );

  test('a MAC address has its bytes and its text', () => {
    expect(macText(macBytes('02:00:5e:00:53:ff') ?? expect.fail())).toBe('02:00:5e:00:53:ff');
    expect(macBytes('02:00:5e:00:53')).toBeUndefined();
  });
});

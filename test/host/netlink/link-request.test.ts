import { describe, expect, test } from 'vitest';
import { requestOf, type Lookup } from '../../../src/host/netlink/link-request.ts';
import { macBytes, macText } from '../../../src/host/netlink/mac.ts';
import { decode, decodeAttributes, encode, readNumber, readText } from '../../../src/host/netlink/message.ts';
import { addressText } from '../../../src/ip/bytes.ts';
import type { LinkCommand, LinkCommandKind } from '../../../src/links/command.ts';
import { goldens } from '../../links/goldens.ts';

const lookup: Lookup = { index: () => 7, namespace: () => 9 };
const route = { dst: '192.0.2.0/24', dev: 'eth0' };
const place = { name: 'eth0', direction: 'ingress', preference: 90 } as const;
const rule = { family: 4, preference: 90, ingressInterface: 'br0', mark: 0, mask: 1 } as const;
const veth = { name: 'a', mtu: 1500, mac: '02:00:00:00:00:01' };

describe('requestOf()', () => {
  const commands = Object.values(goldens).flatMap(({ bridge, pair }) => [
    ...bridge.create,
    ...(bridge.vlanGateway?.create ?? []),
    ...bridge.keep.filter((command) => !('vlanFiltering' in command)),
    ...pair.host,
    ...pair.container,
    ...pair.announce,
  ]);

  test.for([
    ...new Map(commands.map((command) => [JSON.stringify(command), command])).values(),
    { kind: 'addIfb', name: 'ifb0', mac: '02:00:00:00:00:01', mtu: 1500 },
    { kind: 'deleteAddress', name: 'eth0', address: '10.0.0.1/24' },
    { kind: 'replaceRoute', ...route },
    { kind: 'deleteRoute', ...route },
    { kind: 'addFilterQueue', name: 'a', queue: 'clsact' },
  ] satisfies LinkCommand[])('makes %j a request', (command) => {
    expect(requestOf<LinkCommandKind>(command)?.(lookup)).toBeDefined();
  });

  test.for([
    { kind: 'addVeth', end: veth, peer: { ...veth, name: 'b', netns: 'c1' } },
    { kind: 'addBridge', name: 'br0', mac: 'no' },
    { kind: 'setLink', name: 'eth0', mac: '02:00' },
    { kind: 'replaceAddress', name: 'eth0', address: '10.0.0.1' },
    { kind: 'replaceAddress', name: 'eth0', address: '10.0.0.1/33' },
    { kind: 'appendRoute', ...route, dst: 'default' },
    { kind: 'appendRoute', ...route, via: 'fe80::1' },
    { kind: 'setBridge', name: 'br0', vlanFiltering: true },
    { kind: 'addPortVlans', name: 'a', first: 1, last: 2 },
    { kind: 'deletePortVlan', name: 'a', vlan: 1 },
    { kind: 'addRule', ...rule },
    { kind: 'deleteRule', ...rule },
    { kind: 'replaceTokenBucket', name: 'a', rate: 1, burst: 1, limit: 1 },
    { kind: 'addLocalRule', family: 4, preference: 1 },
    { kind: 'deleteLocalRule', family: 6, preference: 0 },
    { kind: 'replaceFilter', ...place, program: [] },
    { kind: 'deleteFilter', ...place },
  ] satisfies LinkCommand[])('leaves %j to a program', (command) => {
    expect(requestOf<LinkCommandKind>(command)).toBeUndefined();
  });
});

test('a request is read back as it was written', () => {
  const request = requestOf({ kind: 'appendRoute', ...route, via: '10.0.0.1', mtu: 1400, table: 777 })?.(lookup);
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
  const whole = encode(requestOf({ kind: 'deleteLink', name: 'eth0' })?.(lookup) ?? expect.fail(), 1);
  expect(decode(whole.subarray(0, whole.length - 1))).toEqual([]);
  expect(
    readText(decodeAttributes((decode(whole)[0]?.payload ?? new Uint8Array()).subarray(16)).get(3) ?? new Uint8Array()),
  ).toBe('eth0');
});

test('a MAC address has its bytes and its text', () => {
  expect(macText(macBytes('02:00:5e:00:53:ff') ?? expect.fail())).toBe('02:00:5e:00:53:ff');
  expect(macBytes('02:00:5e:00:53')).toBeUndefined();
});

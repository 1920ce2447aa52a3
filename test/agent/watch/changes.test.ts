import { expect, test } from 'vitest';
import { linkChangesOf } from '../../../src/agent/watch/ip-event.ts';
import { changesOf } from '../../../src/agent/watch/nft-event.ts';
import { elementKey, groupKey } from '../../../src/repair/resource-key.ts';
import type { ChangeEvent } from '../../../src/repair/change-event.ts';
import { attribute, concat, decode, text, u32, u8 } from '../../../src/host/netlink/message.ts';
import { LinkEvents } from '../../../src/host/netlink/link-event.ts';
import { decodeRulesetEvent } from '../../../src/host/netlink/nftables/event.ts';
import { groupMark } from '../../../src/dataplane/layout.ts';
import { encodeKey } from '../../../src/dataplane/element-bytes.ts';
import { linkMessage, routeMessage, rulesetMessage } from '../../host/netlink/messages.ts';

const removed = { isRemoval: true } as const;
const added = { isRemoval: false } as const;
const [ip, bridge] = [2, 7];
const egressKey =
  encodeKey('inet drawbridge', 'egress4', [{ interface: 'drawbridge0' }, '10.88.0.2']) ?? new Uint8Array();
const otherKey =
  encodeKey('inet drawbridge', 'egress4', [{ interface: 'drawbridge0' }, '10.88.0.3']) ?? new Uint8Array();

function changes(message: Uint8Array): ChangeEvent[] {
  return decode(message).flatMap((answer) => {
    const event = decodeRulesetEvent(answer);
    return event === undefined ? [] : changesOf(event);
  });
}

function shown(found: readonly ChangeEvent[]): string[][] {
  return found.map(({ resource, of }) => (of === undefined ? [resource] : [resource, of]));
}

test.each([
  ['a table of ours that went', { kind: 'table', ...removed }, [['tables'], ['expiring']]],
  ['one that was destroyed', { kind: 'table', ...removed, isDestroy: true }, [['tables'], ['expiring']]],
  ['a table of ours that came', { kind: 'table', ...added }, [['expiring']]],
  [
    'elements of ours that went',
    { kind: 'element', ...removed, name: 'egress4', keys: [egressKey, otherKey] },
    [
      ['tables', elementKey('inet', 'egress4', egressKey)],
      ['tables', elementKey('inet', 'egress4', otherKey)],
    ],
  ],
  [
    'a range of the layout that went',
    { kind: 'element', ...removed, name: 'private4', keys: [u8(10, 0, 0, 0)] },
    [['tables', 'layout']],
  ],
  [
    'a prefix of a policy that went',
    { kind: 'element', ...removed, name: 'policy_ab12_allow4', keys: [u8(192, 0, 2, 0)] },
    [['tables', 'group ab12']],
  ],
  [
    'the set of a group that went',
    { kind: 'set', ...removed, name: groupMark('cd34') },
    [['tables', groupKey(groupMark('cd34'))]],
  ],
  ['another set that went', { kind: 'set', ...removed, name: 'egress4' }, [['tables']]],
  ['a rule in a chain of ours', { kind: 'rule', ...added, name: 'egress_out' }, [['chains', 'inet egress_out']]],
  ['a rule that went', { kind: 'rule', ...removed, name: 'egress_out' }, [['chains', 'inet egress_out']]],
  ['a chain that went', { kind: 'chain', ...removed, family: bridge, name: 'guard' }, [['chains', 'bridge guard']]],
  ['a foreign rule', { kind: 'rule', ...added, family: ip, table: 'filter', name: 'FORWARD' }, [['firewalls']]],
  ['a foreign table that went', { kind: 'table', ...removed, table: 'firewalld' }, [['firewalls']]],
  ['a foreign chain', { kind: 'chain', ...added, family: ip, table: 'filter', name: 'FORWARD' }, [['firewalls']]],
] as const)('%s gives reason to look', (_, message, expected) => {
  expect(shown(changes(rulesetMessage(message)))).toEqual(expected);
});

test.each([
  ['an element that came', { kind: 'element', ...added, name: 'egress4', keys: [egressKey] }],
  ['a redirection that is renewed', { kind: 'element', ...removed, name: 'dnsforce4', keys: [egressKey] }],
  [
    'an address of a name that is renewed',
    { kind: 'element', ...removed, name: 'policy_ab12_names4_tcp_443', keys: [u8(192, 0, 2, 1)] },
  ],
  ['a set without a name of its own', { kind: 'set', ...removed, name: '__set3' }],
  ['a policy that comes', { kind: 'set', ...added, name: 'group_ab12' }],
  ['a foreign element', { kind: 'element', ...added, table: 'fail2ban', name: 'banned', keys: [u8(192, 0, 2, 1)] }],
] as const)('%s is everyday work', (_, message) => {
  expect(decode(rulesetMessage(message))).toHaveLength(1);
  expect(changes(rulesetMessage(message))).toEqual([]);
});

test('a new generation is no change of an object', () => {
  expect(changes(routeMessage((10 << 8) | 15, u8(0, 0, 0, 0)))).toEqual([]);
});

const address = (index: number): Uint8Array => concat([u8(2, 16, 0, 0), u32(index)]);
const filter = concat([u8(0, 0, 0, 0), u32(7), u32(0), u32(0), u32(0)]);
const netconf = (index: number): Uint8Array =>
  routeMessage(80, u8(2, 0, 0, 0), [attribute(1, new Uint8Array(new Int32Array([index]).buffer))]);
const known = linkMessage({ index: 7, name: 'veth7' });

const networks = { resource: 'networks' };

test.each([
  ['a link', [known], 'veth7'],
  ['a link that went', [linkMessage({ index: 7, name: 'veth7', isRemoval: true })], 'veth7'],
  ['a routing rule that went', [routeMessage(33, u8(2, 0, 0, 0))], ':gates'],
  ['a filter that went', [routeMessage(45, filter)], ':gates'],
  ['the place of filters that went', [routeMessage(37, filter, [attribute(1, text('clsact'))])], ':gates'],
  ['the sysctl of one interface', [known, netconf(7)], 'veth7'],
  ['a sysctl of all', [netconf(-1)], ':forwarding'],
  ['a sysctl of those to come', [netconf(-2)], ':forwarding'],
])('%s names what is to be looked at', (_, messages, of) => {
  const links = new LinkEvents();
  const last = messages
    .flatMap(decode)
    .map((answer) => links.decode(answer))
    .at(-1);
  expect(last === undefined ? [] : linkChangesOf(last)).toEqual([{ resource: 'links', of }]);
});

test.each([
  ['that went', [known, routeMessage(21, address(7))], 'veth7'],
  [
    'of a link that was renamed',
    [known, linkMessage({ index: 7, name: 'eth9' }), routeMessage(20, address(7))],
    'eth9',
  ],
  [
    'of a port that left its bridge',
    [known, linkMessage({ index: 7, name: 'veth7', isRemoval: true, family: 7 }), routeMessage(21, address(7))],
    'veth7',
  ],
])('an address %s names its link, and gives reason to look at the networks of the host', (_, messages, of) => {
  const links = new LinkEvents();
  const last = messages
    .flatMap(decode)
    .map((answer) => links.decode(answer))
    .at(-1);
  expect(last === undefined ? [] : linkChangesOf(last)).toEqual([{ resource: 'links', of }, networks]);
});

test('an address of an interface that nobody knows gives reason to look at all links', () => {
  const links = new LinkEvents();
  const [event] = decode(routeMessage(21, address(4_000_000))).map((answer) => links.decode(answer));
  expect(event === undefined ? [] : linkChangesOf(event)).toEqual([{ resource: 'links' }, networks]);
});

test.each([
  ['a filter that came', routeMessage(44, filter)],
  ['a queue that came', routeMessage(36, filter, [attribute(1, text('clsact'))])],
  ['another queue that went', routeMessage(37, filter, [attribute(1, text('noqueue'))])],
])('%s is everyday work', (_, message) => {
  const [event] = decode(message).map((answer) => new LinkEvents().decode(answer));
  expect(event === undefined ? undefined : linkChangesOf(event)).toEqual([]);
});

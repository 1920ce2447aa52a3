import { expect, test } from 'vitest';
import { filterChangeOf, linkChangeOf } from '../../../src/agent/watch/ip-event.ts';
import { changesOf } from '../../../src/agent/watch/nft-event.ts';

test.each([
  ['delete table inet drawbridge', [['tables'], ['expiring']]],
  ['add table inet drawbridge', [['expiring']]],
  [
    'delete element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 : goto policy_ab12 }',
    [['tables', 'element inet egress4 "drawbridge0" . 10.88.0.2']],
  ],
  [
    'delete element inet drawbridge denials4 { "drawbridge0" . 10.88.0.2 counter packets 0 bytes 0 }',
    [['tables', 'element inet denials4 "drawbridge0" . 10.88.0.2']],
  ],
  [
    'delete element inet drawbridge published4 { tcp . 8080 comment "lab eth0 c1" : 10.88.0.2 . 80 }',
    [['tables', 'element inet published4 tcp . 8080']],
  ],
  [
    'delete element bridge drawbridge guard_nd { "veth0" . 02:00:00:00:00:01 . 0x00fd }',
    [['tables', 'element bridge guard_nd "veth0" . 02:00:00:00:00:01 . 0xfd']],
  ],
  ['delete element inet drawbridge private4 { 10.0.0.0/8 }', [['tables', 'layout']]],
  ['delete element inet drawbridge policy_ab12_allow4 { 192.0.2.0/24 }', [['tables', 'group ab12']]],
  ['delete set inet drawbridge group_cd34', [['tables', 'group cd34']]],
  ['delete set inet drawbridge egress4', [['tables']]],
  ['insert rule inet drawbridge egress_out accept', [['chains', 'inet egress_out']]],
  ['delete rule inet drawbridge egress_out handle 3', [['chains', 'inet egress_out']]],
  ['delete chain bridge drawbridge guard', [['chains', 'bridge guard']]],
  ['insert rule ip filter FORWARD iifname "lo" counter packets 0 bytes 0 accept', [['firewalls']]],
  ['delete table inet firewalld', [['firewalls']]],
  ['add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }', [['firewalls']]],
  ['# ERROR: We lost some netlink events!', [['tables'], ['expiring'], ['chains'], ['firewalls']]],
])('changesOf() of "%s" are what may be lost', (line, changes) => {
  expect(changesOf(line).map(({ resource, of }) => (of === undefined ? [resource] : [resource, of]))).toEqual(changes);
});

test.each([
  'add element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 : goto policy_ab12 }',
  'delete element inet drawbridge dnsforce4 { "drawbridge0" . 10.88.0.2 timeout 30s }',
  'delete element inet drawbridge policy_ab12_names4_tcp_443 { 192.0.2.1 }',
  'delete set inet drawbridge __set3',
  'add set inet drawbridge group_ab12 { type ifname; }',
  'add element inet fail2ban banned { 192.0.2.1 }',
  '# new generation 7 by process 1164 (nft)',
  '',
])('changesOf() of "%s" are none: that is everyday work', (line) => {
  expect(changesOf(line)).toEqual([]);
});

test.each([
  ['4: veth1@if2: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue master drawbridge0 state UP', 'veth1'],
  ['Deleted 2: drawbridge0    inet 10.88.0.1/16 scope global drawbridge0', 'drawbridge0'],
  ['Deleted 90:\tfrom all iif drawbridge0 fwmark 0/0x10000 prohibit', ':gates'],
  ['inet all forwarding off ', ':forwarding'],
  ['inet6 drawbridge0 forwarding on ', 'drawbridge0'],
  ['    link/ether ba:5c:a7:a6:19:7a brd ff:ff:ff:ff:ff:ff', undefined],
])('linkChangeOf() of "%s" names what changed', (line, of) => {
  expect(linkChangeOf(line)?.of).toBe(of);
});

test.each([
  ['deleted filter dev drawbridge0 ingress protocol all pref 90 bpf chain 0 handle 0x1', ':gates'],
  ['deleted qdisc clsact ffff: dev drawbridge0 parent ffff:fff1 refcnt 0 ', ':gates'],
  ['added chain dev b0 parent ffff: chain 0 ', undefined],
])('filterChangeOf() of "%s" says whether a gate may be lost', (line, of) => {
  expect(filterChangeOf(line)?.of).toBe(of);
});

import { expect, test } from 'vitest';
import { concernsOf } from '../../../src/agent/watch/nft-event.ts';

test.each([
  ['delete table inet drawbridge', ['tables', 'timed']],
  ['add table inet drawbridge', ['timed']],
  ['delete element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 : goto policy_ab12 }', ['tables']],
  ['delete element bridge drawbridge guard_ports { "veth0" }', ['tables']],
  ['insert rule inet drawbridge egress_out accept', ['chains']],
  ['delete rule inet drawbridge egress_out handle 3', ['chains']],
  ['insert rule ip filter FORWARD iifname "lo" counter packets 0 bytes 0 accept', ['firewalls']],
  ['delete table inet firewalld', ['firewalls']],
  ['add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }', ['firewalls']],
  ['# ERROR: We lost some netlink events!', ['tables', 'timed', 'chains', 'firewalls']],
])('concernsOf() of "%s" are what may be lost', (line, concerns) => {
  expect(concernsOf(line)).toEqual(concerns);
});

test.each([
  'add element inet drawbridge egress4 { "drawbridge0" . 10.88.0.2 : goto policy_ab12 }',
  'delete element inet drawbridge dnsforce4 { "drawbridge0" . 10.88.0.2 timeout 30s }',
  'delete element inet drawbridge policy_ab12_names4_tcp_443 { 192.0.2.1 }',
  'add set inet drawbridge group_ab12 { type ifname; }',
  'add element inet fail2ban banned { 192.0.2.1 }',
  '# new generation 7 by process 1164 (nft)',
  '',
])('concernsOf() of "%s" are none: that is everyday work', (line) => {
  expect(concernsOf(line)).toEqual([]);
});

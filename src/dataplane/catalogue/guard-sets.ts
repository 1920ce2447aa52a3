/** Sets and maps of `table bridge drawbridge` (guard.ts). */
import type { DataType } from '../../nft/data.ts';
import type { SetDeclaration } from '../../nft/declaration.ts';
import { perFamily } from './per-family.ts';

const table = 'bridge drawbridge';

export const guardSets: readonly SetDeclaration[] = [
  {
    table,
    name: 'guard_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports that may send only as themselves, and only to the host and to one another',
  },
  {
    table,
    name: 'guard_gateways',
    key: ['ifname'],
    filledBy: 'record',
    about: "ports whose other end is the host's: gateways in VLANs",
  },
  {
    table,
    name: 'guard_vlan_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'those, and the ports of containers that have such a gateway',
  },
  {
    table,
    name: 'guard_mac_ports',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports whose source MAC alone is checked (macspoofchk)',
  },
  { table, name: 'guard_mac', key: ['ifname', 'ether_addr'], filledBy: 'record', about: '(port, MAC)' },
  {
    table,
    name: 'guard4',
    key: ['ifname', 'ether_addr', 'ipv4_addr'],
    filledBy: 'record',
    about: '(port, MAC, address)',
  },
  {
    table,
    name: 'guard6',
    key: ['ifname', 'ether_addr', 'ipv6_addr'],
    filledBy: 'record',
    about: '(port, MAC, address), with the link-local address of the MAC',
  },
  {
    table,
    name: 'guard_nd',
    key: ['ifname', 'ether_addr', 'half_addr', 'half_addr'],
    typeof: 'iifname . ether saddr . @th,64,64 . @th,128,64',
    filledBy: 'record',
    about:
      'the same with the address in two halves: the target of an advertisement, or of a solicitation that asks whether an address is free',
  },
  {
    table,
    name: 'guard_lladdr',
    key: ['ifname', 'half_addr'],
    typeof: 'iifname . @th,192,64',
    filledBy: 'record',
    about: '(port, option with its MAC): what a solicitation or an advertisement may say of where its sender is',
  },
  {
    table,
    name: 'guard_isolated',
    key: ['ifname'],
    filledBy: 'record',
    about: 'ports that neither send to another port nor receive from one',
  },
  {
    table,
    name: 'guard_siblings4',
    key: ['ipv4_addr'],
    value: 'verdict',
    filledBy: 'record',
    about: 'address of a container -> how it is counted that another asks the bridge for it',
  },
  {
    table,
    name: 'guard_siblings_nd',
    key: ['half_addr', 'half_addr'],
    typeof: '@th,64,64 . @th,128,64',
    value: 'verdict',
    filledBy: 'record',
    about: 'the same of an IPv6 address in two halves: the target of a solicitation',
  },
  {
    table,
    name: 'guard_siblings_mac',
    key: ['ether_addr'],
    value: 'verdict',
    filledBy: 'record',
    about: 'MAC of a container -> how it is counted that another sends to it',
  },
  {
    table,
    name: 'guard_denials',
    key: ['ifname'],
    isCounted: true,
    filledBy: 'record',
    about: 'ports with the count of what was for a container that theirs is kept apart from',
  },
  ...perFamily((n, address) =>
    deniedSet(
      `guard_denied${n}`,
      [address, address, 'inet_proto', 'inet_service'],
      '(container, other container, protocol, port) with counts of what was denied; bounded as the lists of table inet',
    ),
  ),
  ...perFamily((n, address) =>
    deniedSet(
      `guard_denied${n}_portless`,
      [address, address, 'inet_proto'],
      '(container, other container, protocol), the same',
    ),
  ),
  deniedSet('guard_asked4', ['ipv4_addr', 'ipv4_addr'], '(container, other container) that it asked for by ARP'),
  deniedSet(
    'guard_asked6',
    ['ipv6_addr', 'half_addr', 'half_addr'],
    '(container, other container in two halves) that it solicited',
    'ip6 saddr . @th,64,64 . @th,128,64',
  ),
  {
    table,
    name: 'guard_recorded',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size: 4096,
    timeoutMinutes: 10,
    filledBy: 'bucket',
    about: 'ports with a bucket for lines in the lists of denials',
  },
  {
    table,
    name: 'guard_fragments',
    key: ['ifname'],
    flags: ['dynamic', 'timeout'],
    size: 4096,
    timeoutMinutes: 1,
    filledBy: 'bucket',
    about: 'ports with a bucket for fragments',
  },
];

/** What was denied lately between containers. */
function deniedSet(name: string, key: readonly DataType[], about: string, expressions?: string): SetDeclaration {
  return {
    table,
    name,
    key,
    ...(expressions === undefined ? {} : { typeof: expressions }),
    flags: ['dynamic', 'timeout'],
    size: 8192,
    timeoutMinutes: 10,
    isCounted: true,
    filledBy: 'counter',
    about,
  };
}

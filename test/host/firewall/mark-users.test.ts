import { describe, expect, test } from 'vitest';
import { nftUsers, xtablesUsers } from '../../../src/host/firewall/mark-users.ts';

describe('a rule of iptables that others made', () => {
  test.each([
    ['-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000', 0x4000, 0],
    ['-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP', 0x8000, 0],
    ['-A ts-forward -i tailscale0 -j MARK --set-xmark 0x40000/0xff0000', 0xff0000, 0],
    ['-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xff0000 --ctmask 0xff00', 0xff0000, 0xff00],
    ['-A POSTROUTING -m connmark --mark 0x1 -j ACCEPT', 0, 0xffffffff],
    ['-A OUTPUT -j MARK --set-xmark 0x1/0xffffffff', 0xffffffff, 0],
    ['-A OUTPUT -m connmark --mark 0x2/0x2 -j MARK --set-xmark 0x4/0x4', 4, 2],
  ])('%j has its bits', (rule, packet, connection) => {
    expect(xtablesUsers(`*mangle\n:OUTPUT ACCEPT [0:0]\n${rule}\nCOMMIT\n`)).toEqual([{ rule, packet, connection }]);
  });

  test('without marks is none', () => {
    expect(xtablesUsers('-A FORWARD -i marked0 -m comment --comment "a mark" -j ACCEPT')).toEqual([]);
  });
});

describe('a rule of nft that others made', () => {
  test.each([
    ['meta mark & 0x000000ff == 0x00000001 accept', 0xff, 0],
    ['meta mark 0x00000001 accept', 0xffffffff, 0],
    ['meta mark set meta mark | 0x00010000', 0x10000, 0],
    ['meta mark set meta mark & 0xfffeffff', 0x10000, 0],
    ['meta mark set meta mark & 0xff00ffff | 0x00040000', 0xff0000, 0],
    ['meta mark set mark or 0x4000', 0x4000, 0],
    ['meta mark set 0x00000001', 0xffffffff, 0],
    ['ct mark set ct mark | 0x00000002', 0, 2],
    ['ct mark & 0x00000002 != 0x00000000 accept', 0, 2],
  ])('%j has its bits', (rule, packet, connection) => {
    const listed = `table ip other {\n\tchain c {\n\t\t${rule}\n\t}\n}\n`;
    expect(nftUsers(listed, () => false)).toEqual([{ rule: `ip other: ${rule}`, packet, connection }]);
  });

  test('that hands a mark from a connection to a packet has all bits of the packet', () => {
    expect(nftUsers('table ip other {\n meta mark set ct mark\n', () => false)).toMatchObject([{ packet: 0xffffffff }]);
  });

  test('in a table of ours is none', () => {
    const listed = 'table inet drawbridge {\n meta mark set 0x1\n}\ntable inet other {\n meta mark set 0x2\n}\n';
    expect(nftUsers(listed, (table) => table === 'inet drawbridge')).toMatchObject([
      { rule: 'inet other: meta mark set 0x2' },
    ]);
  });
});

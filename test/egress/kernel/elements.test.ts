import { expect, test } from 'vitest';
import { compilePolicy } from '../../../src/egress/compile.ts';
import { egressElements, guardElements, linkLocalOf, namesElement } from '../../../src/dataplane/elements/egress.ts';
import { isGateFilter, planGate } from '../../../src/dataplane/gate.ts';
import { shellTextOf, textOf } from '../../../src/links/text.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { deleteArguments, parseFlows } from '../../../src/host/conntrack-program.ts';
import { dataText, elementId } from '../../../src/nft/element.ts';
import { recordOf, subjects } from './battery.ts';

const [restricted, open, bare] = subjects({ restricted: {}, open: { mode: 'open' }, bare: undefined }).map(recordOf);

test('linkLocalOf() makes the address that Linux makes of a MAC', () => {
  expect(linkLocalOf('02:00:00:00:00:0a')).toBe('fe80::ff:fe00:a');
  expect(linkLocalOf('0a:58:0a:58:00:02')).toBe('fe80::858:aff:fe58:2');
});

test('egressElements() claims no element twice, and shares with others on the bridge only what stands for the bridge', () => {
  const elements = restricted === undefined ? [] : egressElements(restricted);
  expect(new Set(elements.map(elementId)).size).toBe(elements.length);
  expect(elements.filter(({ shared }) => shared !== undefined).map(({ set, shared }) => `${set} ${shared}`)).toEqual([
    'enforced enforced-db0',
    'enforced_out enforced-db0',
    'enforced_host enforced-db0',
    'enforced_bridges enforced-db0',
    'enforced_pairs enforced-db0',
  ]);
});

test('egressElements() lets siblings meet unless the policy isolates', () => {
  const siblings = [restricted, open].map(
    (record) =>
      (record === undefined ? [] : egressElements(record)).filter(({ set }) => set.startsWith('siblings')).length,
  );
  expect(siblings).toEqual([0, 2]);
});

test('an attachment without a policy has no elements', () => {
  expect(bare === undefined ? undefined : [egressElements(bare), guardElements(bare)]).toEqual([[], []]);
});

test('guardElements() checks the MAC alone for macspoofchk', () => {
  if (bare === undefined) throw new Error('no record');
  const link = {
    bridge: 'db0',
    ingressInterface: 'db0',
    hostInterface: 'veth1',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    addresses: [],
    masquerade: false,
    macspoofchk: true,
    ports: [],
    ipam: { type: 'host-local' },
    conf: {},
  };
  expect(guardElements({ ...bare, link }).map(({ set, key }) => `${set} ${dataText(key)}`)).toEqual([
    'guard_mac_ports "veth1"',
    'guard_mac "veth1" . 02:00:00:00:00:01',
  ]);
});

test('an attachment whose policy is still to come is enforced and known at no guard', () => {
  if (bare === undefined) throw new Error('no record');
  const link = {
    bridge: 'db0',
    ingressInterface: 'db0',
    hostInterface: 'veth1',
    mac: '02:00:00:00:00:01',
    mtu: 1500,
    addresses: [],
    masquerade: false,
    macspoofchk: true,
    ports: [],
    ipam: { type: 'host-local' },
    conf: {},
    enforced: true,
  };
  const sets = [egressElements, guardElements].flatMap((elements) => elements({ ...bare, link }).map(({ set }) => set));
  expect(sets).toEqual([
    'enforced',
    'enforced_out',
    'enforced_host',
    'enforced_bridges',
    'enforced_pairs',
    'enforced_ports',
    'guard_ports',
    'guard_isolated',
  ]);
});

test('namesElement() names a set that the policy declares', () => {
  const policy = parsePolicy(
    { allow: ['github.com:443/tcp', '*.example.org:8000-8100', 'any.example.org', 'ping.example.org/icmp'] },
    'egress',
  );
  const { id, sets } = compilePolicy(policy);
  const names = sets.map(({ name }) => name);
  for (const rule of policy.names) {
    for (const address of ['192.0.2.1', '2001:db8::1'])
      expect(names).toContain(namesElement(id, address, rule, 60, rule.name).set);
  }
});

test('the gate is taken out by what put it in', () => {
  const parts = planGate({ name: 'db0', isBridge: true }, { ipv6: true });
  const program = '4,32 0 0 4294963220,69 0 1 262144,6 0 0 4294967295,6 0 0 2';
  expect(parts.map(({ kind, add, remove }) => [kind, add.map(shellTextOf), remove.map(shellTextOf)])).toEqual([
    [
      'IPv4 routing rule',
      ['ip -4 rule add pref 90 iif db0 fwmark 0x0/0x10000 prohibit'],
      ['ip -4 rule del pref 90 iif db0 fwmark 0x0/0x10000 prohibit'],
    ],
    [
      'IPv6 routing rule',
      ['ip -6 rule add pref 90 iif db0 fwmark 0x0/0x10000 prohibit'],
      ['ip -6 rule del pref 90 iif db0 fwmark 0x0/0x10000 prohibit'],
    ],
    [
      'bridge filter',
      [
        'tc qdisc add dev db0 clsact',
        `tc filter replace dev db0 ingress protocol all pref 90 handle 1 bpf direct-action bytecode "${program}"`,
      ],
      ['tc filter del dev db0 ingress protocol all pref 90 handle 1 bpf'],
    ],
  ]);
});

test('the gate of a lone veth is a filter there and a rule for all veths, and of a host without IPv6 no rule for it', () => {
  const kinds = (isUnmarked: boolean): string[] =>
    planGate({ name: 'veth1', isBridge: false, isUnmarked }, { ipv6: false }).map(({ kind }) => kind);
  expect(kinds(false)).toEqual(['veth filter', 'IPv4 veth rule']);
  expect(kinds(true)).toEqual(['IPv4 routing rule']);
});

test('there is a rule of table "local" at every step that puts ours before it', () => {
  const [, rule] = planGate({ name: 'veth1', isBridge: false }, { ipv6: false });
  const locals = [0];
  for (const command of rule?.add ?? []) {
    if (command.kind === 'addLocalRule') locals.push(command.preference);
    if (command.kind === 'deleteLocalRule') locals.splice(locals.indexOf(command.preference), 1);
    expect(locals).not.toEqual([]);
  }
  expect(locals).toEqual([0]);
});

test('the gate of a bridge with a foreign port asks only what bears the mark of a port for the marks of our tables', () => {
  const parts = planGate({ name: 'br0', isBridge: true, ports: ['veth1'], foreign: ['up0'] }, { ipv6: true });
  expect(parts.map(({ kind, interface: name }) => `${kind} ${name}`)).toEqual([
    'port filter veth1',
    'foreign filter up0',
    'IPv4 routing rule br0',
    'IPv6 routing rule br0',
    'bridge filter br0',
  ]);
  const [, foreign, rule, , bridge] = parts.map(({ add }) => add.map(textOf));
  expect(rule).toEqual(['rule add pref 90 iif br0 fwmark 0x100000/0x110000 prohibit']);
  const byPort = '5,32 0 0 4294963220,69 0 2 1048576';
  expect(foreign?.[1]).toBe(
    `filter replace dev up0 egress protocol all pref 90 handle 1 bpf direct-action bytecode "${byPort},69 1 0 65536,6 0 0 2,6 0 0 4294967295"`,
  );
  expect(bridge?.[1]).toBe(
    `filter replace dev br0 ingress protocol all pref 90 handle 1 bpf direct-action bytecode "${byPort},69 1 0 262144,6 0 0 2,6 0 0 4294967295"`,
  );
});

test('isGateFilter() knows a gate by its program, not by its place alone', () => {
  const parts = planGate({ name: 'db0', isBridge: true, ports: ['veth1'], foreign: ['up0'] }, { ipv6: false });
  const insns = [{ code: 6, jt: 0, jf: 0, k: 2 }];
  for (const part of parts) {
    expect(isGateFilter({ kind: 'bpf', pref: 90, options: { bytecode: { insns } } }, part)).toBe(false);
    expect(isGateFilter({ kind: 'u32', pref: 90 }, part)).toBe(false);
  }
});

test('parseFlows() reads what conntrack prints, by who began it', () => {
  const text = [
    'tcp      6 431999 ESTABLISHED src=10.88.0.2 dst=8.8.8.8 sport=4001 dport=443 src=8.8.8.8 dst=192.0.2.1 sport=443 dport=4001 [ASSURED] mark=65536 use=1',
    'icmp     1 29 src=10.88.0.2 dst=8.8.8.8 type=8 code=0 id=3 src=8.8.8.8 dst=10.88.0.2 type=0 code=0 id=3 mark=0 use=1',
    'unknown  253 599 src=10.88.0.2 dst=203.0.113.9 [UNREPLIED] src=203.0.113.9 dst=10.88.0.2 mark=0 use=1',
    'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.',
  ].join('\n');
  const flows = parseFlows(text);
  expect(flows).toEqual([
    {
      protocol: 'tcp',
      source: '10.88.0.2',
      destination: '8.8.8.8',
      sourcePort: 4001,
      destinationPort: 443,
      answerer: '8.8.8.8',
    },
    { protocol: 'icmp', source: '10.88.0.2', destination: '8.8.8.8', answerer: '8.8.8.8' },
    { protocol: '253', source: '10.88.0.2', destination: '203.0.113.9', answerer: '203.0.113.9' },
  ]);
  expect(flows.map((flow) => deleteArguments(flow).join(' '))[0]).toBe(
    '-D -f ipv4 -p tcp --orig-src 10.88.0.2 --orig-dst 8.8.8.8 --orig-port-src 4001 --orig-port-dst 443',
  );
});

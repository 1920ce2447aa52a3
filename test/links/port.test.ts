import { describe, expect, test } from 'vitest';
import { portTrouble, type PortSpec } from '../../src/links/port.ts';
import type { LinkState } from '../../src/links/state.ts';
import { textOf } from '../../src/links/text.ts';
import { portOf } from '../../src/records/sections.ts';
import { sample } from '../records/sample.ts';

const mac = '02:00:00:00:00:01';
const spec: PortSpec = { name: 'veth1', bridge: 'br0', hairpin: true, isolated: true, learns: false, mac };
const asTold = { name: 'veth1', master: 'br0', portState: 'forwarding', isolated: true, hairpin: true, learns: false };

function trouble(found: object, wanted = spec): [string, ...string[]] | undefined {
  const said = portTrouble(wanted, { ...asTold, ...found } as unknown as LinkState);
  return said === undefined ? undefined : [said.what, ...said.commands.map(textOf)];
}

const put = ['link set dev veth1 type bridge_slave hairpin on isolated on learning off flood off'];
const told = `fdb replace ${mac} dev veth1 master static`;

describe('portTrouble()', () => {
  test.for<[string, object, string]>([
    ['that left its bridge', { master: undefined, portState: undefined }, '"veth1" had left the bridge "br0"'],
    ['of another bridge', { master: 'br1' }, '"veth1" had left the bridge "br0"'],
    ['that is not isolated', { isolated: false }, '"veth1" was no longer isolated from its siblings'],
    ['that learns', { learns: true }, '"veth1" learned the MAC addresses of its senders again'],
    ['without hairpin', { hairpin: false }, 'Hairpin mode of "veth1" was off'],
  ])('puts back all that a port %s has to be', ([, found, what]) => {
    const [said, ...commands] = trouble(found) ?? [];
    expect(said).toBe(what);
    expect(commands.slice(-2)).toEqual([...put, told]);
    expect(commands.slice(0, -2)).toEqual(what.includes('had left') ? ['link set dev veth1 master br0'] : []);
  });

  test('finds nothing at a port that is as it has to be, or has more than it was asked for', () => {
    expect(trouble({})).toBeUndefined();
    expect(trouble({}, { name: 'veth1', bridge: 'br0' })).toBeUndefined();
  });

  test('puts a port that left its bridge into its VLANs again', () => {
    const vlans = { vlan: 100, trunk: [], preserveDefaultVlan: false };
    expect(trouble({ master: undefined }, { name: 'veth1', bridge: 'br0', vlans })?.slice(1)).toEqual([
      'link set dev veth1 master br0',
      'vlan add dev veth1 vid 100 pvid untagged',
      'vlan del dev veth1 vid 1',
    ]);
  });
});

test('portOf() takes of what several sections say of a port the strictest', () => {
  const plain = sample();
  expect(portOf(plain)).toMatchObject({ bridge: 'drawbridge0', isolated: false, learns: true });
  const bare = { ...plain.link!, macspoofchk: true };
  expect(portOf({ ...plain, link: bare })).toMatchObject({ learns: false, mac: bare.mac });
  const isolated = { ingressInterface: 'drawbridge0', policy: 'isolated' } as const;
  expect(portOf({ ...plain, ingressPolicy: isolated })).toMatchObject({ isolated: true, learns: true });
  const { link: _, ...rest } = plain;
  expect(portOf({ ...rest, ingressPolicy: isolated })).toBeUndefined();
});

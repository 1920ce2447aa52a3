import { describe, expect, test } from 'vitest';
import { Fields } from '../../src/cni/fields.ts';
import { parseLinkConf } from '../../src/links/conf.ts';

const parse = (conf: object) => parseLinkConf(new Fields(conf), { defaultBridge: 'cni0' });

describe('parseLinkConf()', () => {
  test('gives every key its default when the conf has none', () => {
    expect(parse({})).toEqual({
      bridge: 'cni0',
      routed: false,
      isGateway: false,
      isDefaultGateway: false,
      forceAddress: false,
      mtu: 0,
      metric: 0,
      groupForwardMask: 0,
      hairpinMode: false,
      promiscMode: false,
      vlan: 0,
      trunk: [],
      preserveDefaultVlan: false,
      macspoofchk: false,
      disableContainerInterface: false,
      portIsolation: false,
      enabledad: false,
    });
  });

  test('makes the bridge a gateway when it is the default gateway', () => {
    expect(parse({ isDefaultGateway: true, isGateway: false }).isGateway).toBe(true);
  });

  test('takes the default bridge when the name is empty', () => {
    expect(parse({ bridge: '' }).bridge).toBe('cni0');
  });

  test('reads DNS settings only when one is set', () => {
    expect(parse({ dns: {} }).dns).toBeUndefined();
    expect(parse({ dns: { search: ['example.org'] } }).dns).toEqual({ search: ['example.org'] });
  });

  test('sorts the VLANs of a trunk and drops repeats', () => {
    expect(
      parse({ vlanTrunk: [{ minID: 200, maxID: 203 }, { id: 101 }, { id: 201, minID: 5, maxID: 5 }] }).trunk,
    ).toEqual([5, 101, 200, 201, 202, 203]);
  });

  test.each([
    { vlan: 0 },
    { vlan: 4094 },
    { mtu: 0 },
    { mtu: 68 },
    { mtu: 65535 },
    { bridge: 'a23456789012345' },
    { disableContainerInterface: true, ipam: {} },
  ])('accepts %j', (conf) => {
    expect(() => parse(conf)).not.toThrow();
  });

  test.each<[object, string]>([
    [{ hairpinMode: true, promiscMode: true }, 'Cannot use "hairpinMode" and "promiscMode" together: both are true'],
    [{ vlan: -1 }, 'Invalid "vlan": it is -1, a whole number from 0 to 4094 is expected'],
    [{ vlan: 4095 }, 'Invalid "vlan": it is 4095, a whole number from 0 to 4094 is expected'],
    [{ vlan: 'x' }, 'Invalid "vlan": it is "x", a whole number from 0 to 4094 is expected'],
    [{ mtu: 67 }, 'Invalid "mtu": it is 67, 0 (that of the uplink) or a whole number from 68 to 65535 is expected'],
    [{ mtu: -5 }, 'Invalid "mtu": it is -5'],
    [{ mtu: 65536 }, 'Invalid "mtu": it is 65536'],
    [{ bridge: 'a234567890123456' }, 'Invalid "bridge": it is "a234567890123456"'],
    [{ bridge: 'br 0' }, 'Invalid "bridge": it is "br 0"'],
    [{ bridge: '../x' }, 'Invalid "bridge": it is "../x"'],
    [{ bridge: 5 }, 'Invalid "bridge": it is 5, a string is expected'],
    [{ isGateway: 'yes' }, 'Invalid "isGateway": it is "yes", true or false is expected'],
    [{ vlanTrunk: [{ minID: 0, maxID: 5 }] }, 'Invalid "vlanTrunk[0].minID": it is 0'],
    [{ vlanTrunk: [{ minID: 4095, maxID: 5 }] }, 'Invalid "vlanTrunk[0].minID": it is 4095'],
    [{ vlanTrunk: [{ minID: 1, maxID: 0 }] }, 'Invalid "vlanTrunk[0].maxID": it is 0'],
    [{ vlanTrunk: [{ minID: 1, maxID: 4095 }] }, 'Invalid "vlanTrunk[0].maxID": it is 4095'],
    [
      { vlanTrunk: [{ minID: 6, maxID: 5 }] },
      'Invalid "vlanTrunk[0].maxID": it is 5, at least "minID", which is 6, is expected',
    ],
    [{ vlanTrunk: [{ minID: 6 }] }, 'Invalid "vlanTrunk[0].maxID": it is missing'],
    [{ vlanTrunk: [{ maxID: 6 }] }, 'Invalid "vlanTrunk[0].minID": it is missing'],
    [{ vlanTrunk: [{ id: 1 }, { id: 0 }] }, 'Invalid "vlanTrunk[1].id": it is 0'],
    [{ vlanTrunk: [{ id: 4095 }] }, 'Invalid "vlanTrunk[0].id": it is 4095'],
    [{ vlanTrunk: {} }, 'Invalid "vlanTrunk": it is an object, a list is expected'],
    [
      { disableContainerInterface: true, ipam: { type: 'host-local' } },
      'Cannot use "disableContainerInterface" with addresses: "ipam.type" is "host-local"',
    ],
    [
      { bridge: 'a23456789012345', vlan: 100, isGateway: true },
      'Cannot make a gateway for VLAN 100 of "a23456789012345"',
    ],
  ])('refuses %j', (conf, message) => {
    expect(() => parse(conf)).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringContaining(message) as string }),
    );
  });
});

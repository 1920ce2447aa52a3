import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Fields } from '../../src/cni/fields.ts';
import { formatAddress, parseAddress } from '../../src/ip/address.ts';
import { candidatesAfter, isGivable } from '../../src/ipam/pool.ts';
import { parseDataDir, parseIpam } from '../../src/ipam/ranges.ts';
import type { IpamOptions } from '../../src/ipam/ranges.ts';
import { assignRequested, parseRequested } from '../../src/ipam/requested.ts';

const parse = (ipam: object, options?: IpamOptions) => parseIpam(new Fields(ipam, 'ipam'), options);
const subnet = '10.1.0.0/24';
const set = (ipam: object, index = 0) => {
  const found = parse(ipam).sets[index];
  if (found === undefined) throw new Error(`no set ${index}`);
  return found;
};
const given = (ipam: object, last?: string) =>
  [...candidatesAfter(set(ipam), last === undefined ? undefined : parseAddress(last))].map(formatAddress);

describe('parseIpam() refuses', () => {
  test.each([
    ['no range', {}, 'Invalid "ipam": no IP ranges specified'],
    ['no range set', { ranges: [] }, 'Invalid "ipam": no IP ranges specified'],
    ['an empty set', { ranges: [[]] }, 'Invalid "ipam.ranges": empty range set, each set needs one range at least'],
    [
      'a range without subnet',
      { ranges: [[{ rangeStart: '10.1.0.5' }]] },
      'Invalid "ipam.ranges[0][0].subnet": it is missing, a network such as "10.88.0.0/16" is expected',
    ],
    [
      'text as subnet',
      { subnet: 'ten' },
      'Invalid "ipam.subnet": it is "ten", a network such as "10.88.0.0/16" is expected',
    ],
    ['a number as subnet', { subnet: 10 }, 'Invalid "ipam.subnet": it is 10, a string is expected'],
    [
      'an address as subnet',
      { subnet: '10.1.0.0' },
      'Invalid "ipam.subnet": it is "10.1.0.0", a network such as "10.88.0.0/16" is expected',
    ],
    [
      'host bits',
      { subnet: '10.1.0.5/24' },
      'Invalid "ipam.subnet": it is "10.1.0.5/24", the network has host bits set, "10.1.0.0/24" is expected',
    ],
    ['a /32', { subnet: '10.1.0.0/32' }, 'the network is too small to allocate from, /31 or larger is expected'],
    ['a /128', { subnet: 'fd00::/128' }, 'the network is too small to allocate from, /127 or larger is expected'],
    [
      'a start outside',
      { subnet, rangeStart: '10.2.0.1' },
      'Invalid "ipam.rangeStart": it is "10.2.0.1", an address in "10.1.0.0/24" is expected',
    ],
    [
      'an end outside',
      { subnet, rangeEnd: '10.2.0.1' },
      'Invalid "ipam.rangeEnd": it is "10.2.0.1", an address in "10.1.0.0/24" is expected',
    ],
    [
      'a start of another family',
      { subnet, rangeStart: 'fd00::1' },
      'Invalid "ipam.rangeStart": it is "fd00::1", an address in "10.1.0.0/24" is expected',
    ],
    [
      'an end before the start',
      { subnet, rangeStart: '10.1.0.9', rangeEnd: '10.1.0.8' },
      'not from 10.1.0.9 to 10.1.0.8, is expected',
    ],
    [
      'a gateway outside',
      { subnet, gateway: '10.2.0.1' },
      'Invalid "ipam.gateway": it is "10.2.0.1", an address in "10.1.0.0/24", or a route of "scope" 253 to it in "routes", is expected',
    ],
    [
      'a gateway with a length',
      { subnet, gateway: '10.1.0.1/24' },
      'Invalid "ipam.gateway": it is "10.1.0.1/24", an IP address is expected',
    ],
    [
      'two families in a set',
      { ranges: [[{ subnet }, { subnet: 'fd00::/64' }]] },
      'Invalid "ipam.ranges[0][1]": mixed address families, fd00::/64 is in one set with 10.1.0.0/24',
    ],
    [
      'an overlap in a set',
      { ranges: [[{ subnet: '10.0.0.0/8' }, { subnet }]] },
      'Invalid "ipam.ranges[0][1]": 10.1.0.1-10.1.0.254 overlaps 10.0.0.1-10.255.255.254 of "ipam.ranges[0][0]"',
    ],
    [
      'an overlap of two sets',
      { ranges: [[{ subnet }], [{ subnet, rangeStart: '10.1.0.254' }]] },
      'Invalid "ipam.ranges[1][0]": 10.1.0.254-10.1.0.254 overlaps 10.1.0.1-10.1.0.254 of "ipam.ranges[0][0]"',
    ],
    ['an overlap of subnet and ranges', { subnet, ranges: [[{ subnet }]] }, 'overlaps 10.1.0.1-10.1.0.254 of "ipam"'],
    [
      'a flat list of ranges',
      { ranges: [{ subnet }] },
      'Invalid "ipam.ranges[0]": it is an object, a list of objects is expected',
    ],
    [
      'an excluded name',
      { subnet, exclude: ['router'] },
      'Invalid "ipam.exclude[0]": it is "router", an address, a network or "first-last" is expected',
    ],
    [
      'an excluded network with host bits',
      { subnet, exclude: ['10.1.0.9/28'] },
      'Invalid "ipam.exclude[0]": it is "10.1.0.9/28", the network has host bits set, "10.1.0.0/28" is expected',
    ],
    [
      'an excluded span upside down',
      { subnet, exclude: ['10.1.0.9-10.1.0.8'] },
      'Invalid "ipam.exclude[0]": it is "10.1.0.9-10.1.0.8", the first address must not be above the last',
    ],
    [
      'an excluded span of two families',
      { subnet, exclude: ['10.1.0.9-fd00::1'] },
      'both addresses must be of one family',
    ],
    [
      'an excluded span of three',
      { subnet, exclude: ['10.1.0.1-10.1.0.2-10.1.0.3'] },
      'two addresses with "-" between them are expected',
    ],
    [
      'an exclusion outside its range',
      { ranges: [[{ subnet, exclude: ['10.2.0.1'] }]] },
      'Invalid "ipam.ranges[0][0].exclude[0]": "10.2.0.1" is not in "10.1.0.0/24"',
    ],
    [
      'a set of which nothing is left',
      { subnet: '10.1.0.0/30', exclude: ['10.1.0.2'] },
      'Invalid "ipam": "10.1.0.0/30" has no address left to give, all are gateways or excluded',
    ],
    [
      'a route without destination',
      { subnet, routes: [{ gw: '10.1.0.1' }] },
      'Invalid "ipam.routes[0].dst": it is missing, a network such as "0.0.0.0/0" is expected',
    ],
    [
      'a route with a gateway of another family',
      { subnet, routes: [{ dst: '::/0', gw: '10.1.0.1' }] },
      'Invalid "ipam.routes[0].gw": it is "10.1.0.1", an IPv6 address, as its "dst" is, is expected',
    ],
    [
      'a negative metric',
      { subnet, routes: [{ dst: '0.0.0.0/0', priority: -1 }] },
      'Invalid "ipam.routes[0].priority": it is -1',
    ],
    [
      'a relative dataDir',
      { subnet, dataDir: 'leases' },
      'Invalid "ipam.dataDir": it is "leases", an absolute path is expected',
    ],
  ])('%s', (_, ipam, message) => {
    expect(() => parse(ipam)).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringContaining(message) as string }) as Error,
    );
  });

  test('a second set of a family when the result has room for one', () => {
    expect(() => parse({ ranges: [[{ subnet }], [{ subnet: '10.2.0.0/24' }]] }, { onePerFamily: true })).toThrow(
      '2 sets give IPv4 addresses',
    );
  });
});

describe('parseIpam()', () => {
  test('fills in the defaults of the reference', () => {
    expect(parse({ subnet })).toMatchObject({
      dataDir: '/var/lib/cni/networks',
      routes: [],
      sets: [{ size: 253n, text: '10.1.0.0/24' }],
    });
    expect(set({ subnet: 'fd00::/64' }).size).toBe(2n ** 64n - 2n);
  });

  test('puts the ranges of the runtime first, then that of the top level, then the others', () => {
    const runtimeRanges = [[new Fields({ Subnet: '10.3.0.0/24' }, 'runtimeConfig.ipRanges[0][0]')]];
    const conf = parse({ subnet, ranges: [[{ subnet: '10.2.0.0/24' }]] }, { runtimeRanges });
    expect(conf.sets.map(({ text }) => text)).toEqual(['10.3.0.0/24', '10.1.0.0/24', '10.2.0.0/24']);
  });

  test('keeps every field of a route', () => {
    const routes = [
      { dst: '10.9.0.0/16', gw: '10.1.0.1', mtu: 1400, advmss: 1360, priority: 5, table: 100, scope: 253 },
      { dst: '::/0' },
    ];
    expect(parse({ subnet, routes }).routes).toEqual(routes);
  });

  test('passes over keys that nerdctl writes into a range', () => {
    expect(set({ ranges: [[{ subnet, ipRange: '10.1.0.0/25', gateway: '' }]] }).size).toBe(253n);
  });

  test('takes parts of one subnet in several ranges, and gives the gateway of none of them', () => {
    const parts = [
      { subnet, rangeStart: '10.1.0.1', rangeEnd: '10.1.0.3', gateway: '10.1.0.7' },
      { subnet, rangeStart: '10.1.0.6', rangeEnd: '10.1.0.8' },
    ];
    expect(given({ ranges: [parts] })).toEqual(['10.1.0.2', '10.1.0.3', '10.1.0.6', '10.1.0.8']);
  });

  test('describes a set by what it gives when that is not its subnet', () => {
    expect(set({ ranges: [[{ subnet, rangeEnd: '10.1.0.9' }, { subnet: '10.2.0.0/24' }]] }).text).toBe(
      '10.1.0.1-10.1.0.9, 10.2.0.0/24',
    );
  });

  test('parseDataDir() needs no range', () => {
    expect(parseDataDir(new Fields({ dataDir: '/srv/leases' }, 'ipam'))).toBe('/srv/leases');
  });
});

describe('exclude', () => {
  const range = { subnet: '10.1.0.0/28' };

  test.each([
    ['an address', ['10.1.0.4'], ['10.1.0.2', '10.1.0.3', '10.1.0.5', '10.1.0.6']],
    ['a network', ['10.1.0.2/31'], ['10.1.0.4', '10.1.0.5']],
    ['a span, with spaces', ['10.1.0.2 - 10.1.0.9'], ['10.1.0.10']],
    ['what is not in the range', ['10.9.0.0/16', 'fd00::1'], ['10.1.0.2']],
    ['holes that overlap', ['10.1.0.2-10.1.0.5', '10.1.0.4-10.1.0.7', '10.1.0.5'], ['10.1.0.8']],
  ])('takes out %s', (_, exclude, first) => {
    expect(given({ ...range, exclude }).slice(0, first.length)).toEqual(first);
    expect(given({ ranges: [[range]], exclude }).slice(0, first.length)).toEqual(first);
  });

  test('inside one range', () => {
    expect(given({ ranges: [[{ ...range, exclude: ['10.1.0.2-10.1.0.13'] }]] })).toEqual(['10.1.0.14']);
  });

  test('leaps over half of a /64', () => {
    expect(
      given({ ranges: [[{ subnet: 'fd00::/64', rangeEnd: 'fd00::8000:0:0:1' }]], exclude: ['fd00::/65'] }),
    ).toEqual(['fd00::8000:0:0:0', 'fd00::8000:0:0:1']);
  });
});

describe('candidatesAfter()', () => {
  const two = {
    ranges: [
      [
        { subnet: '10.1.0.0/30', rangeEnd: '10.1.0.3' },
        { subnet: '10.2.0.0/29', gateway: '10.2.0.3' },
      ],
    ],
  };
  const all = ['10.1.0.2', '10.1.0.3', '10.2.0.1', '10.2.0.2', '10.2.0.4', '10.2.0.5', '10.2.0.6'];

  test.each([
    [undefined, 0],
    ['10.9.0.1', 0],
    ['fd00::1', 0],
    ['10.1.0.1', 0],
    ['10.1.0.2', 1],
    ['10.1.0.3', 2],
    ['10.2.0.2', 4],
    ['10.2.0.3', 4],
    ['10.2.0.6', 0],
  ])('after %s begins at place %i and goes round', (last, place) => {
    expect(given(two, last)).toEqual([...all.slice(place), ...all.slice(0, place)]);
  });

  test('names every address that can be given once, whatever the holes and the last one', () => {
    const host = fc.integer({ min: 0, max: 255 }).map((value) => `10.1.0.${value}`);
    fc.assert(
      fc.property(fc.array(host, { maxLength: 9 }), host, (exclude, last) => {
        const pool = set({ subnet, exclude });
        const texts = given({ subnet, exclude }, last);
        expect(BigInt(new Set(texts).size)).toBe(pool.size);
        expect(BigInt(texts.length)).toBe(pool.size);
        expect(texts.every((text) => isGivable(pool, parseAddress(text)) && !exclude.includes(text))).toBe(true);
      }),
    );
  });
});

describe('requested addresses', () => {
  const { sets } = parse({
    ranges: [[{ subnet }], [{ subnet: '10.2.0.0/24' }], [{ subnet: 'fd00::/64' }]],
    exclude: ['10.2.0.9'],
  });
  const assign = (...ips: string[]) =>
    assignRequested(sets, parseRequested({ runtime: ips })).map((address) =>
      address === undefined ? '' : formatAddress(address),
    );

  test('come from the runtimeConfig, args.cni and CNI_ARGS, in this order, with or without length', () => {
    const requested = parseRequested({ args: '10.1.0.5', conf: ['10.2.0.5/24'], runtime: ['fd00:0::5/64'] });
    expect(requested.map(formatAddress)).toEqual(['fd00::5', '10.2.0.5', '10.1.0.5']);
  });

  test.each([
    [{ args: 'x' }, 4, 'Invalid "CNI_ARGS IP": it is "x", an IP address with or without prefix length is expected'],
    [
      { conf: ['10.1.0.5', '10.1.0.5/33'] },
      7,
      'Invalid "args.cni.ips[1]": it is "10.1.0.5/33", an IP address with or without prefix length is expected',
    ],
    [
      { runtime: [''] },
      7,
      'Invalid "runtimeConfig.ips[0]": it is "", an IP address with or without prefix length is expected',
    ],
  ])('are refused when they are none: %j', (sources, code, message) => {
    expect(() => parseRequested(sources)).toThrow(expect.objectContaining({ code, message }) as Error);
  });

  test('go to the set that they lie in, whatever their order', () => {
    expect(assign('fd00::5', '10.2.0.5')).toEqual(['', '10.2.0.5', 'fd00::5']);
  });

  test('count once when they are asked for twice', () => {
    expect(assign('10.1.0.5', '10.1.0.5/24')).toEqual(['10.1.0.5', '', '']);
  });

  test.each([
    [
      'that no set has',
      ['10.9.0.1'],
      'Cannot reserve the requested addresses: failed to allocate all requested IPs: 10.9.0.1',
    ],
    [
      'of which one set has two',
      ['10.1.0.5', '10.1.0.6', '10.1.0.7'],
      'failed to allocate all requested IPs: 10.1.0.6, 10.1.0.7',
    ],
    [
      'that is the gateway',
      ['10.1.0.1'],
      'Cannot reserve the requested address "10.1.0.1": it is the subnet\'s gateway',
    ],
    [
      'that is excluded',
      ['10.2.0.9'],
      'Cannot reserve the requested address "10.2.0.9": it is excluded or a gateway of another range set',
    ],
  ])('are refused: one %s', (_, ips, message) => {
    expect(() => assign(...ips)).toThrow(message);
  });
});

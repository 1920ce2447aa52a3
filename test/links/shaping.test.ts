import { describe, expect, test } from 'vitest';
import { ifbOf, planShaping, planUnshaping, queueDifference, redirectsTo } from '../../src/links/shaping.ts';
import { batchOf, textOf } from '../../src/links/text.ts';

const limit = { rate: 125_000, burst: 50_000 };
const textsOf = ({ links, queues }: ReturnType<typeof planShaping>) => ({
  links: links.map(textOf),
  queues: queues.map(textOf),
});
const shaped = { hostInterface: 'veth1', ifb: 'bwp0123456789ab' };

describe('planShaping()', () => {
  test('queues what a container receives on the host end of its pair', () => {
    expect(textsOf(planShaping({ hostInterface: 'veth1' }, { ingress: limit }, { mtu: 1500 }))).toEqual({
      links: [],
      queues: ['qdisc replace dev veth1 root handle 1: tbf rate 125000bps burst 50000 limit 53125'],
    });
  });

  test('queues what a container sends on an interface of its own', () => {
    expect(textsOf(planShaping(shaped, { egress: limit }, { mtu: 1400 }))).toEqual({
      links: [
        'link add name bwp0123456789ab address 02:b5:89:48:46:dc mtu 1400 type ifb',
        'link set dev bwp0123456789ab up',
      ],
      queues: [
        'qdisc add dev veth1 handle ffff: ingress',
        'qdisc replace dev bwp0123456789ab root handle 1: tbf rate 125000bps burst 50000 limit 53125',
        'filter add dev veth1 ingress protocol all prio 100 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev bwp0123456789ab',
      ],
    });
  });

  test('keeps the limit of the queue to what the kernel can count', () => {
    const most = { rate: 12_500_000_000, burst: 2 ** 32 - 1 };
    expect(textsOf(planShaping({ hostInterface: 'v' }, { ingress: most }, { mtu: 1500 })).queues[0]).toMatch(
      / limit 4294967295$/,
    );
  });

  // What Kubernetes sends for every pod with a rate: iproute2 7.3 refuses it with slow ones.
  test.each([
    [125_000, 268_435_456, 34_359_738],
    [1_250_000, 268_435_456, 268_435_456],
    [1, 4_294_967_295, 274],
  ])('keeps a burst at %i bytes a second, %i bytes, to what the kernel can count', (rate, burst, held) => {
    const [queue] = planShaping({ hostInterface: 'v' }, { ingress: { rate, burst } }, { mtu: 1500 }).queues;
    expect(queue).toMatchObject({ burst: held });
    expect(held / rate / 64e-9).toBeLessThanOrEqual(2 ** 32);
  });

  test('refuses a name that would be more than one word', () => {
    const { queues } = planShaping({ hostInterface: 'a b' }, { ingress: limit }, { mtu: 1500 });
    expect(() => batchOf(queues)).toThrow(/Cannot write "a b"/);
    expect(() => batchOf(planUnshaping('a\nb'))).toThrow(/Cannot write/);
  });
});

describe('ifbOf()', () => {
  // `printf dbnetdummy-0 | sha512sum`, cut to the length of a name, as in the reference.
  test('has the name of the reference for "eth0", and another for each other interface', () => {
    const of = (ifname: string) => ifbOf({ network: 'dbnet', containerId: 'dummy-0', ifname }).name;
    expect(of('eth0')).toBe('bwp88a11c8751aa');
    expect(of('net1')).toMatch(/^bwp[0-9a-f]{12}$/);
    expect(new Set([of('eth0'), of('net1'), of('net2')]).size).toBe(3);
  });
});

describe('queueDifference()', () => {
  const shown = (options: object) => [{ kind: 'tbf', root: true, options }];

  test('is nothing for the limit that was set, also when the kernel has rounded the burst', () => {
    expect(queueDifference('v', limit, shown({ rate: 125_000, burst: 50_000, limit: 53_125 }))).toBeUndefined();
    expect(
      queueDifference('v', { rate: 12_500_000_000, burst: 50_000 }, [
        ...shown({ rate: 12_500_000_000, burst: 49_600, limit: 312_550_000 }),
      ]),
    ).toBeUndefined();
  });

  test('passes over a burst of more seconds than the kernel can tell', () => {
    const long = { rate: 125_000, burst: 536_870_911 };
    expect(queueDifference('v', long, shown({ rate: 125_000, burst: 21_474_835, limit: 536_874_036 }))).toBeUndefined();
  });

  test.for([
    [{}, '"v" has no token bucket'],
    [{ rate: 1, burst: 50_000, limit: 53_125 }, 'the rate of "v" is 1 bytes a second and not 125000'],
    [{ rate: 125_000, burst: 40_000, limit: 53_125 }, 'the burst of "v" is 40000 bytes and not 50000'],
    [{ rate: 125_000, burst: 50_000, limit: 9 }, 'the queue of "v" holds 9 bytes and not 53125'],
  ] as const)('names what differs in %j', ([options, said]) => {
    expect(queueDifference('v', limit, shown(options))).toBe(said);
  });

  test('finds no limit in the queue that an interface has by default', () => {
    expect(queueDifference('v', limit, [{ kind: 'noqueue', root: true, options: {} }])).toMatch(/no token bucket/);
  });
});

test('redirectsTo() looks at the device that a filter names', () => {
  const filters = [{}, { options: { actions: [{ kind: 'mirred', to_dev: 'bwp1' }] } }];
  expect(redirectsTo('bwp1', filters)).toBe(true);
  expect(redirectsTo('bwp2', filters)).toBe(false);
});

/**
 * The first packets after ADD: no duplicate address detection holds them up, and no question for a neighbour is lost,
 * which the kernel would ask again after a second (neighbour retrans_time_ms).
 */
import { describe, expect, test, type Place } from '../../helpers/host.ts';
import { addressesIn, hostLocal, interfaceConf, succeeded } from './network.ts';

const rounds = Array.from({ length: 4 }, (_, round) => round);

/** Asks once, and waits for less than it takes until a lost question for a neighbour is asked again. */
const once = (address: string): string[] => ['ping', '-n', '-c', '1', '-W', '0.9', address];

describe.each([
  ['a fresh bridge', true],
  ['a standing bridge', false],
] as const)('on %s', (_, isFresh) => {
  test.for([
    ['dual stack', ['10.1.0.0/24', 'fd01::/64']],
    ['IPv6 alone', ['fd01::/64']],
    ['IPv4 alone', ['10.1.0.0/24']],
  ] as const)(
    'the first packets after ADD arrive with %s: of host, container, sibling and outside',
    async ([, subnets], { host }) => {
      const outside = await host.outside();
      await host.sh('ip route add 10.1.0.0/24 via 192.0.2.1; ip -6 route add fd01::/64 via 2001:db8:ffff::1', {
        where: outside,
      });
      const conf = interfaceConf({ ipam: hostLocal(...subnets) });
      if (!isFresh) succeeded(await host.cni('ADD', conf, { container: await host.container('standing') }));
      const lost: string[] = [];
      for (const round of rounds) {
        const [one, two] = [await host.container(`a${round}`), await host.container(`b${round}`)];
        const ask = async (what: string, where: Place, address: string): Promise<void> => {
          if ((await host.exec(once(address), { where })).code !== 0) lost.push(`${round}: ${what} ${address}`);
        };
        const first = addressesIn(succeeded(await host.cni('ADD', conf, { container: one })));
        await Promise.all(first.map(async (address) => ask('host to container', host, address)));
        const second = addressesIn(succeeded(await host.cni('ADD', conf, { container: two })));
        await Promise.all([
          ...first.map(async (address) => ask('sibling to sibling', two, address)),
          ...second.map(async (address) => ask('sibling to sibling', one, address)),
          ...second.map(async (address) => ask('outside to container', outside, address)),
          ...second.flatMap((address) => [
            ask('container to gateway', two, address.includes(':') ? 'fd01::1' : '10.1.0.1'),
            ask('container to outside', two, address.includes(':') ? outside.v6 : outside.v4),
          ]),
        ]);
        for (const container of [one, two]) succeeded(await host.cni('DEL', conf, { container }));
        if (isFresh) await host.run(['ip', 'link', 'del', 'br0']);
      }
      expect(lost).toEqual([]);
    },
  );
});

import { describe, expect, type Host } from '../../helpers/host.ts';
import { firewalld, startFirewalld, startUfw, ufw } from '../../firewall/managers.ts';
import { succeeded } from '../drawbridge/network.ts';
import { addContainer, chain, referenceChain, referencePlugins, runChain, ways, world } from './network.ts';
import { test } from './world.ts';

/** For both families; "ipt" is the program of one, `$prohibited` its word for a refusal. */
const firewalls = {
  "Docker's FORWARD DROP": `ipt -P FORWARD DROP; for c in DOCKER-USER DOCKER-FORWARD; do ipt -N $c; done
    ipt -A FORWARD -j DOCKER-USER; ipt -A FORWARD -j DOCKER-FORWARD; ipt -A DOCKER-FORWARD -i docker0 -j ACCEPT`,
  'a REJECT first in FORWARD and INPUT': `ipt -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; ipt -A INPUT -i lo -j ACCEPT
    ipt -A INPUT -j REJECT --reject-with $prohibited; ipt -A FORWARD -j REJECT --reject-with $prohibited`,
  'policies DROP': 'ipt -P FORWARD DROP; ipt -P INPUT DROP',
};

async function install(host: Host, script: string, kind: 'nft' | 'legacy'): Promise<void> {
  for (const six of [false, true]) {
    await host.sh(
      `prohibited=${six ? 'icmp6-adm-prohibited' : 'icmp-host-prohibited'}; ipt() { ip${six ? '6' : ''}tables-${kind} "$@"; }; ${script}`,
    );
  }
}

const policy = { allow: [`${world.public4}:80`, `[${world.public6}]:80`] };
const keys = ['public4', 'public6', 'other4', 'other6', 'private4', 'private6', 'metadata'] as const;
const judged = {
  public4: 'outside',
  public6: 'outside',
  other4: 'refused',
  other6: 'refused',
  private4: 'refused',
  private6: 'refused',
  metadata: 'refused',
};

describe.for(Object.entries(firewalls))('behind %s', ([, script]) => {
  test.for([
    ['a chain', 'nft'],
    ['one process', 'nft'],
    ['a chain', 'legacy'],
  ] as const)(
    'what the policy of %s allows passes and the rest does not, with iptables-%s',
    async ([way, kind], { host, world }) => {
      await host.serve(host, { port: 53, proto: 'udp', reply: 'dns' });
      await host.serve(host, { port: 22, reply: 'ssh' });
      await install(host, script, kind);
      const rules = await host.sh(`iptables-${kind} -S; ip6tables-${kind} -S`);
      const list = ways[way](policy);
      const container = await addContainer(host, list);
      expect(await world.reaches(container, keys)).toEqual(judged);
      const own = await Promise.all(
        ['10.1.0.1', 'fd01::1'].map(async (gateway) => [
          await host.fetch(container, gateway, 53, { proto: 'udp', timeout: 1500 }),
          await host.fetch(container, gateway, 22),
        ]),
      );
      expect(own).toEqual([
        ['dns', 'refused'],
        ['dns', 'refused'],
      ]);
      expect((await host.checkChain(list, { container })).error).toBeUndefined();
      succeeded(await host.delChain(list, { container }));
      expect(await host.sh(`iptables-${kind} -S; ip6tables-${kind} -S`)).toBe(rules);
    },
  );
});

test.skipIf(referencePlugins() === undefined)(
  'behind a REJECT a chain of the reference plugin passes too, and the accepts go with its container',
  async ({ host, world }) => {
    await install(host, firewalls['a REJECT first in FORWARD and INPUT'], 'nft');
    const list = referenceChain('bridge', policy);
    const container = await host.container();
    const result = succeeded(await runChain(host, 'ADD', list, { container }));
    await host.fetch(container, world.public6, 80, { timeout: 4000 });
    expect(await world.reaches(container, keys)).toEqual(judged);
    succeeded(await runChain(host, 'DEL', list, { container, result }));
    expect(await host.run(['iptables-nft', '-S'])).not.toContain('drawbridge');
  },
);

test('a policy drop of somebody else is told of with what to do, and opens nothing', async ({ host, world }) => {
  await host.sh(
    'nft add table inet site; nft "add chain inet site fw { type filter hook forward priority 10; policy drop; }"',
  );
  const container = await addContainer(host, chain(policy));
  expect(container.stderr).toContain('meets the policy drop of chain "fw" in table "inet site"');
  expect(await world.reaches(container, ['public4', 'private4'])).toEqual({ public4: 'timeout', private4: 'refused' });
  await host.sh(
    'nft insert rule inet site fw iifname "br0" accept; nft insert rule inet site fw oifname "br0" ct state established,related accept',
  );
  expect(await world.reaches(container, keys)).toEqual(judged);
});

test('an early accept of somebody else opens nothing', async ({ host, world }) => {
  await host.sh(
    'nft add table inet site; nft "add chain inet site fw { type filter hook forward priority -200; policy accept; }"; nft add rule inet site fw accept; iptables-nft -I FORWARD -j ACCEPT; iptables-nft -I INPUT -j ACCEPT',
  );
  await host.serve(host, { port: 22, reply: 'ssh' });
  const container = await addContainer(host, chain(policy));
  expect(await world.reaches(container, keys)).toEqual(judged);
  expect(await host.fetch(container, '10.1.0.1', 22)).toBe('refused');
});

describe.each([
  ['ufw', ufw, startUfw],
  ['firewalld', firewalld, startFirewalld],
] as const)('a policy behind real %s', (_, unpacked, start) => {
  test.skipIf(unpacked === undefined)('lets pass what it allows and refuses the rest', async ({ host, world }) => {
    await start(host);
    const container = await addContainer(host, chain(policy));
    expect(await world.reaches(container, keys)).toEqual(judged);
  });
});

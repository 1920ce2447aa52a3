import { interfaceConf } from '../plugins/drawbridge/network.ts';
import { addContainer, makeWorld, world } from '../plugins/egress-policy/network.ts';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { close, foreignRules, inspect, makeNetwork, open } from './network.ts';

/** Scripts for both families: "ipt" is the program of one family, "echo" the names that differ. */
const firewalls = {
  'policy DROP':
    'ipt -P FORWARD DROP; ipt -P INPUT DROP; ipt -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; ipt -A INPUT -i lo -j ACCEPT; ipt -A INPUT -d $loopback -j ACCEPT',
  // What the cloud image of Oracle brings in /etc/iptables/rules.v4.
  'REJECT first in FORWARD': `ipt -A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT; ipt -A INPUT -p $icmp -j ACCEPT; ipt -A INPUT -i lo -j ACCEPT
    ipt -A INPUT -p udp --sport 123 -j ACCEPT; ipt -A INPUT -p tcp -m state --state NEW -m tcp --dport 2222 -j ACCEPT
    ipt -A INPUT -j REJECT --reject-with $prohibited; ipt -A FORWARD -j REJECT --reject-with $prohibited`,
  // What dockerd 28 leaves for a network of its own, with the INPUT of a closed host.
  'DOCKER-USER': `ipt -P FORWARD DROP; for c in DOCKER DOCKER-BRIDGE DOCKER-CT DOCKER-FORWARD DOCKER-ISOLATION-STAGE-1 DOCKER-ISOLATION-STAGE-2 DOCKER-USER; do ipt -N $c; done
    ipt -A FORWARD -j DOCKER-USER; ipt -A FORWARD -j DOCKER-FORWARD
    ipt -A DOCKER ! -i docker0 -o docker0 -j DROP
    ipt -A DOCKER-BRIDGE -o docker0 -j DOCKER; ipt -A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    ipt -A DOCKER-FORWARD -j DOCKER-CT; ipt -A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1; ipt -A DOCKER-FORWARD -j DOCKER-BRIDGE; ipt -A DOCKER-FORWARD -i docker0 -j ACCEPT
    ipt -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2; ipt -A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
    ipt -P INPUT DROP; ipt -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; ipt -A INPUT -p $icmp -j ACCEPT`,
};

async function install(
  host: Host,
  script: string,
  kind: 'nft' | 'legacy',
  families: readonly (4 | 6)[] = [4, 6],
): Promise<void> {
  for (const family of families) {
    const six = family === 6;
    const names = `loopback=${six ? '::1' : '127.0.0.1'} icmp=${six ? 'ipv6-icmp' : 'icmp'} prohibited=${six ? 'icmp6-adm-prohibited' : 'icmp-host-prohibited'}`;
    await host.sh(`${names}; ipt() { ip${six ? '6' : ''}tables-${kind} "$@"; }; ${script}`);
  }
}

const passing = { out: ['outside', 'outside'], dns: ['dns', 'dns'], published: ['container', 'container'] };

describe.for(['nft', 'legacy'] as const)('openForeignFirewalls() with iptables-%s', (kind) => {
  test.for(Object.entries(firewalls))(
    'lets a bridge through %s, and close takes back exactly that',
    async ([, script], { host }) => {
      const { works } = await makeNetwork(host);
      await install(host, script, kind);
      const rules = await foreignRules(host);
      const before = await works(250);
      for (const answers of [before.out, before.dns, before.published])
        for (const answer of answers) expect(answer).toMatch(/timeout|unreachable/);

      expect(await open(host)).toEqual([]);
      const after = await works();
      expect(after).toMatchObject(passing);
      // Only what was asked for: a port of the host that is not declared stays closed.
      for (const answer of after.closed) expect(answer).toMatch(/timeout|unreachable/);

      await close(host);
      expect(await foreignRules(host)).toBe(rules);
      expect(await host.leftovers({ allow: [/^\+ (nft table ip6? filter|iptables-legacy)/, /locks/] })).toEqual([]);
    },
  );

  test('inserts each rule once when 16 containers start at the same time', async ({ host }) => {
    await install(host, firewalls['policy DROP'], kind);
    await Promise.all(Array.from({ length: 4 }, () => open(host, {}, 4)));
    const rules = (await host.run([`iptables-${kind}`, '-S']))
      .split('\n')
      .filter((line) => line.includes('drawbridge: br0'));
    expect(rules).toHaveLength(new Set(rules).size);
    expect(rules).toEqual([
      '-A INPUT -i br0 -m conntrack --ctstate RELATED,ESTABLISHED -m comment --comment "drawbridge: br0" -j ACCEPT',
      '-A INPUT -i br0 -p icmp -m icmp --icmp-type 8 -m comment --comment "drawbridge: br0" -j ACCEPT',
      '-A INPUT -i br0 -p udp -m udp --dport 53 -m comment --comment "drawbridge: br0" -j ACCEPT',
      '-A INPUT -i br0 -p tcp -m tcp --dport 53 -m comment --comment "drawbridge: br0" -j ACCEPT',
      '-A FORWARD -i br0 -m comment --comment "drawbridge: br0" -j ACCEPT',
      '-A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -m comment --comment "drawbridge: br0" -j ACCEPT',
    ]);
  });

  test('adds the ports of a later container to those of the first', async ({ host }) => {
    const { works } = await makeNetwork(host);
    await install(host, firewalls['policy DROP'], kind);
    await open(host);
    expect(await open(host, { hostPorts: [{ protocol: 'tcp', ports: { from: 20, to: 25 } }] })).toEqual([]);
    expect(await works()).toMatchObject({ ...passing, closed: ['ssh', 'ssh'] });
  });

  test('puts its rules back in front when it is asked to look again', async ({ host }) => {
    const { works } = await makeNetwork(host);
    await open(host);
    await install(host, firewalls['REJECT first in FORWARD'], kind);
    await open(host, { again: true });
    await install(host, 'ipt -I FORWARD 1 -j REJECT; ipt -I INPUT 1 -i br0 -j DROP', kind);
    expect((await works(250)).out).not.toContain('outside');
    expect((await inspect(host)).map(({ state }) => state)).toContain('closed');
    await open(host, { again: true });
    expect(await works()).toMatchObject(passing);
    expect((await inspect(host)).every(({ state }) => state === 'open')).toBe(true);
  });
});

describe('openForeignFirewalls()', () => {
  test('stays in force when dockerd puts its jumps before everything again', async ({ host }) => {
    const { works } = await makeNetwork(host);
    await install(host, firewalls['DOCKER-USER'], 'nft');
    await open(host);
    expect(await host.run(['iptables-nft', '-S', 'FORWARD'])).not.toContain('drawbridge');
    await install(
      host,
      'for c in DOCKER-FORWARD DOCKER-USER; do ipt -D FORWARD -j $c; ipt -I FORWARD -j $c; done',
      'nft',
    );
    expect(await works()).toMatchObject(passing);
    expect((await inspect(host)).every(({ state }) => state === 'open')).toBe(true);
  });

  test('inserts nothing where nothing would be dropped, and leaves no table behind', async ({ host }) => {
    expect(await open(host)).toEqual([]);
    expect(await host.run(['nft', 'list', 'ruleset'])).toBe('');
    expect(await host.run(['cat', '/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'])).toBe('');
    await host.sh(
      'iptables-nft -A FORWARD -d 198.51.100.1 -j DROP; iptables-legacy -A FORWARD -s 198.51.100.1 -j ACCEPT',
    );
    const rules = await foreignRules(host);
    expect(await open(host, { again: true })).toEqual([]);
    expect(await foreignRules(host)).toBe(rules);
  });

  test('keeps the rules of one bridge when another is closed', async ({ host }) => {
    await install(host, 'ipt -P FORWARD DROP', 'nft', [4]);
    await open(host);
    const line = '-A FORWARD -i br01 -m comment --comment "drawbridge: br01" -j ACCEPT';
    await host.sh(`iptables-nft ${line.replace('-A', '-I')}`);
    await close(host);
    expect(await host.run(['iptables-nft', '-S', 'FORWARD'])).toBe(`-P FORWARD DROP\n${line}\n`);
  });

  test('reads its note and runs nothing for the containers after the first', async ({ host }) => {
    await install(host, 'ipt -P FORWARD DROP', 'nft', [4]);
    await open(host);
    await host.sh('iptables-nft -F');
    expect(await open(host)).toEqual([]);
    expect(await host.run(['iptables-nft', '-S', 'FORWARD'])).toBe('-P FORWARD DROP\n');
  });

  test('writes no rule for a name that iptables would read as a pattern', async ({ host }) => {
    await install(host, 'ipt -P FORWARD DROP', 'nft', [4]);
    const [warning] = await open(host, {}, 1, 'db+');
    expect(warning?.message).toContain('Cannot write firewall rules for interface "db+"');
    expect(await host.run(['iptables-nft', '-S', 'FORWARD'])).toBe('-P FORWARD DROP\n');
  });

  test('works on a host that has no iptables', async ({ host }) => {
    await host.sh('for p in /usr/sbin/*tables*; do mount --bind /dev/null $p; done');
    expect(await open(host)).toEqual([]);
    await host.sh(
      'nft add table ip filter; nft "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }"',
    );
    expect(await open(host, { again: true })).toEqual([
      {
        message: expect.stringContaining('policy drop of chain "FORWARD" in table "ip filter"'),
        remedy: expect.stringContaining('nft insert rule ip filter FORWARD iifname "br0" accept'),
      },
    ]);
    await close(host);
  });

  test('says which table of somebody else drops, and how to open it, until that is done', async ({ host }) => {
    const { works } = await makeNetwork(host);
    await host.sh(
      'nft add table inet site; nft "add chain inet site fw { type filter hook forward priority 10; policy drop; }"; nft add table ip6 filter',
    );
    const [warning, ...others] = await open(host);
    expect(others).toEqual([]);
    expect(warning?.message).toBe(
      'Traffic of bridge "br0" meets the policy drop of chain "fw" in table "inet site", which is not ours to change',
    );
    expect(await inspect(host)).toMatchObject([{ firewall: 'nft', state: 'foreign' }]);
    expect((await works(250)).out).toEqual(['timeout', 'timeout']);
    await host.sh(warning!.remedy.replaceAll('; ', '\n'));
    expect(await works()).toMatchObject(passing);
    expect(await open(host, { again: true })).toEqual([]);
  });
});

describe('closeForeignFirewalls()', () => {
  test('keeps everything when a container came to the bridge in the meantime', async ({ host }) => {
    await install(host, firewalls['policy DROP'], 'nft');
    await open(host);
    const rules = await foreignRules(host);
    await close(host, { used: true });
    expect(await foreignRules(host)).toBe(rules);
    expect(await host.run(['ls', '/run/drawbridge/firewall'])).toBe('br0.json\n');
  });

  test('removes the rules without the note, and is done when called twice', async ({ host }) => {
    await install(host, firewalls['policy DROP'], 'legacy');
    const rules = await foreignRules(host);
    await open(host);
    await host.sh('rm -r /run/drawbridge');
    await close(host);
    expect(await foreignRules(host)).toBe(rules);
    await close(host);
  });
});

describe('golden transactions', () => {
  const folder = join(import.meta.dirname, 'golden');
  test.for(readdirSync(folder))('%s is what the kernel holds afterwards, word for word', async (file, { host }) => {
    const text = readFileSync(join(folder, file), 'utf8');
    const program = file.split('.')[1]!;
    for (const kind of ['nft', 'legacy']) {
      await host.run([`${program}-${kind}`, '-N', 'DOCKER-USER']);
      // Two rules that ours come behind.
      for (const port of ['1', '2'])
        await host.run([`${program}-${kind}`, '-A', 'INPUT', '-p', 'tcp', '--dport', port, '-j', 'RETURN']);
      await host.run([`${program}-${kind}-restore`, '--noflush', '-w', '5'], { input: text });
      const rules = (await host.run([`${program}-${kind}`, '-S']))
        .split('\n')
        .filter((line) => line.startsWith('-A') && line.includes('drawbridge: '));
      const inserted = text
        .split('\n')
        .flatMap((line) => (line.startsWith('-I') ? [line.replace(/^-I (\S+) \d+/, '-A $1')] : []));
      expect(rules.toSorted()).toEqual(inserted.toSorted());
    }
  });
});

test.for(['nft', 'legacy'] as const)(
  'what an operator rejects by address stays rejected, and the rest passes: iptables-%s',
  async (kind, { host }) => {
    await makeWorld(host);
    await install(host, `ipt -P FORWARD DROP; ipt -A FORWARD -d ${world.other4} -j REJECT`, kind, [4]);
    const { cniVersion, name, ...plugin } = interfaceConf();
    const container = await addContainer(host, {
      cniVersion: cniVersion as string,
      name: name as string,
      plugins: [plugin],
    });
    expect(await host.fetch(container, world.public4, 80)).toBe('outside');
    expect(await host.fetch(container, world.other4, 80)).not.toBe('outside');
  },
);

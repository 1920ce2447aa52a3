import { dirname } from 'node:path';
import { executable } from '../helpers/executable.ts';
import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

interface Diagnosis {
  readonly check: string;
  readonly severity: string;
  readonly found: string;
  readonly why: string;
  readonly remedy: string;
  readonly isCommand: boolean;
  readonly fixable: boolean;
  readonly fixed: boolean;
}

async function doctor(host: Host, ...words: string[]): Promise<Diagnosis[]> {
  const { json } = await drawbridge(host, ['doctor', '--json', ...words]);
  expect(schemaErrors('doctor', json)).toEqual([]);
  // Whether the machine has br_netfilter is not this host's to say.
  return (json as Diagnosis[]).filter(({ check }) => check !== 'bridge-netfilter');
}

/** Runs what doctor printed as an administrator does who pastes it. */
async function paste(host: Host, remedy: string): Promise<void> {
  await host.sh(`PATH=${dirname(executable)}:$PATH\n${remedy}`, { timeout: 30_000 });
}

const port = `$(ls /sys/class/net | grep -m1 '^veth[0-9a-f]\\{11\\}$')`;

/**
 * What breaks a host, the check that has to find it, and what mends it: "fix" is --fix and the printed command, each on
 * its own; "command" the printed command alone; "hand" neither, as in what an administrator has to choose.
 */
const ailments: readonly {
  readonly what: string;
  readonly make: string;
  readonly check: string;
  readonly severity: string;
  readonly mends: 'fix' | 'command' | 'hand';
  /** What the printed text has to name, where nothing can be run. */
  readonly says?: string;
}[] = [
  {
    what: 'forwarding that is off',
    make: 'sysctl -qw net.ipv4.ip_forward=0',
    check: 'forwarding',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'IPv6 forwarding that is off',
    make: 'sysctl -qw net.ipv6.conf.all.forwarding=0',
    check: 'forwarding',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'forwarding that is off at the uplink alone',
    make: 'sysctl -qw net.ipv4.conf.eth0.forwarding=0',
    check: 'forwarding',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'forwarding that is off at an uplink that came when the default for new devices was off',
    make: `
      sysctl -qw net.ipv4.conf.default.forwarding=0; ip link del up.100 2>/dev/null || true
      ip link add up.100 type veth peer name far; ip link set far up; ip address add 198.51.100.2/24 dev up.100; ip link set up.100 up
      ip route add default via 198.51.100.1 metric 500`,
    check: 'forwarding',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'forwarding that is off at a bridge alone',
    make: 'sysctl -qw net.ipv4.conf.drawbridge0.forwarding=0',
    check: 'forwarding',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a bridge that is down',
    make: 'ip link set drawbridge0 down',
    check: 'bridges',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a bridge that is gone',
    make: 'ip link del drawbridge0',
    check: 'bridges',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a gateway address that is gone',
    make: 'ip address del 10.88.0.1/16 dev drawbridge0',
    check: 'bridges',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'an interface that is down',
    make: `ip link set ${port} down`,
    check: 'links',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'an interface that is on no bridge',
    make: `ip link set ${port} nomaster`,
    check: 'links',
    severity: 'problem',
    mends: 'fix',
  },
  { what: 'rules that are gone', make: 'nft flush ruleset', check: 'rules', severity: 'problem', mends: 'fix' },
  {
    what: 'an element that is gone',
    make: 'nft flush map inet drawbridge egress4',
    check: 'rules',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a rule inside our chains that is gone',
    make: 'nft flush chain inet drawbridge masquerading',
    check: 'rules',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a rule that somebody put before those of a policy',
    make: `nft insert rule inet drawbridge $(nft list chains | grep -o 'policy_[0-9a-f]*' | head -1) accept`,
    check: 'rules',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a REJECT before us',
    make: 'iptables-nft -I FORWARD -j REJECT',
    check: 'firewalls',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'a REJECT of INPUT in the older iptables',
    make: 'iptables-legacy -I INPUT -j REJECT',
    check: 'firewalls',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: "somebody's own table with policy drop",
    make: `nft 'table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }'`,
    check: 'firewalls',
    severity: 'problem',
    mends: 'command',
  },
  {
    what: 'a routing gate that is gone',
    make: 'ip rule del pref 90',
    check: 'gates',
    severity: 'warning',
    mends: 'fix',
  },
  {
    what: 'a port that is no longer isolated from its siblings',
    make: `bridge link set dev ${port} isolated off`,
    check: 'links',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'hairpin mode that is off',
    make: `bridge link set dev ${port} hairpin off`,
    check: 'links',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'marks that are not valid for the reverse path',
    make: 'sysctl -qw net.ipv4.conf.all.src_valid_mark=0',
    check: 'gates',
    severity: 'warning',
    mends: 'fix',
  },
  {
    what: "a cloud image's rules that were loaded again over ours",
    make: `iptables-nft-restore <<'END'
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
COMMIT
END`,
    check: 'firewalls',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'Docker that came after the containers',
    make: `iptables-nft -P FORWARD DROP; iptables-nft -F; for c in DOCKER-USER DOCKER-FORWARD; do iptables-nft -N $c 2>/dev/null || true; iptables-nft -A FORWARD -j $c; done
      iptables-nft -A DOCKER-FORWARD -i docker0 -j ACCEPT`,
    check: 'firewalls',
    severity: 'problem',
    mends: 'fix',
  },
  {
    what: 'IPv6 that is switched off',
    make: 'sysctl -qw net.ipv6.conf.all.disable_ipv6=1',
    check: 'ipv6',
    severity: 'problem',
    mends: 'command',
  },
  {
    what: 'a table of connections that is full',
    make: `ip netns exec web0 python3 -c 'import socket; [socket.create_connection(("8.8.8.8", 80)) for _ in range(20)]'
      cat /proc/sys/net/netfilter/nf_conntrack_count > /run/max; mount --bind /run/max /proc/sys/net/netfilter/nf_conntrack_max`,
    check: 'conntrack',
    severity: 'problem',
    mends: 'command',
  },
  {
    what: 'an nft that is too old',
    make: `printf '#!/bin/sh\ncase $1 in --version) echo "nftables v0.9.8 (E.D.S.)";; *) exec /usr/sbin/nft "$@";; esac\n' > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft`,
    check: 'programs',
    severity: 'problem',
    mends: 'hand',
    says: 'apt-get install nftables',
  },
  {
    what: 'a kernel without nftables',
    make: `printf '#!/bin/sh\necho "Error: Could not process rule: Operation not supported" >&2; exit 1\n' > /usr/local/sbin/nft; chmod +x /usr/local/sbin/nft`,
    check: 'kernel',
    severity: 'problem',
    mends: 'hand',
    says: 'nf_tables',
  },
  {
    what: 'conntrack that is not installed',
    make: 'mkdir -p /run/none; cp -a /usr/sbin /run/sbin; rm /run/sbin/conntrack; mount --bind /run/sbin /usr/sbin',
    check: 'programs',
    severity: 'warning',
    mends: 'hand',
    says: 'apt-get install conntrack',
  },
  {
    what: 'a clock that was set back',
    make: `sed -i 's/"createdAt": "2/"createdAt": "3/' /run/drawbridge/attachments/*.json`,
    check: 'clock',
    severity: 'warning',
    mends: 'hand',
    says: 'timedatectl set-ntp true',
  },
  {
    what: 'a file system that is full',
    make: 'cp -a /run/drawbridge /run/copy; mount -t tmpfs -o size=64k none /run/drawbridge; cp -a /run/copy/. /run/drawbridge/; head -c 64k /dev/zero > /run/drawbridge/fill || true',
    check: 'disk',
    severity: 'problem',
    mends: 'hand',
    says: 'df -h /run/drawbridge',
  },
  {
    what: 'no default route',
    make: 'ip route del default',
    check: 'routes',
    severity: 'warning',
    mends: 'hand',
    says: 'ip route add default via GATEWAY',
  },
  {
    what: "a bridge's filter that is gone",
    make: 'tc qdisc del dev drawbridge0 clsact',
    check: 'gates',
    severity: 'warning',
    mends: 'fix',
  },
  {
    what: 'a network that overlaps',
    make: 'ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.88.128.0/17 dev vpn0',
    check: 'overlaps',
    severity: 'warning',
    mends: 'hand',
    says: 'change "subnet"',
  },
  {
    what: 'a record that cannot be read',
    make: 'echo "{" > /run/drawbridge/attachments/0123456789abcdef.json',
    check: 'records',
    severity: 'problem',
    mends: 'hand',
    says: 'drawbridge clean',
  },
  {
    what: 'a policy file that is wrong',
    make: `mkdir -p /etc/drawbridge/policies; echo '{"mode": "wide"}' > /etc/drawbridge/policies/work.json`,
    check: 'policies',
    severity: 'problem',
    mends: 'hand',
    says: 'drawbridge policy check /etc/drawbridge/policies/work.json',
  },
  {
    what: 'leftovers',
    make: 'ip rule add pref 90 iif gone0 fwmark 0x0/0x10000 prohibit',
    check: 'leftovers',
    severity: 'notice',
    mends: 'fix',
  },
  {
    what: 'ufw that is enabled',
    make: 'mkdir -p /etc/ufw; echo ENABLED=yes > /etc/ufw/ufw.conf',
    check: 'firewalls',
    severity: 'notice',
    mends: 'hand',
    says: 'drawbridge doctor --fix',
  },
];

describe('drawbridge doctor', () => {
  test('says how many containers have no policy, and nothing when all have one', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'policed');
    const findings = async (): Promise<string[]> =>
      (await drawbridge(host, ['doctor', '--json'])).json
        .filter(({ check }: { check: string }) => check === 'policies')
        .map(({ found }: { found: string }) => found);
    expect(await findings()).toEqual([]);
    await attach(host, shipped('20-interface-only'), 'free');
    expect(await findings()).toEqual([expect.stringMatching(/^1 of 2 containers has no policy/)]);
  });

  test('finds nothing wrong with a host that is well', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    expect(await doctor(host)).toEqual([]);
    expect(await drawbridge(host, ['doctor'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^All \d+ checks passed\.$/m),
    });
  });

  test.for(ailments)('finds $what', async ({ make, check, severity, mends, says = '' }, { host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.fetch(web, '8.8.8.8', 80);
    await host.sh(make);
    const found = await doctor(host);
    expect(found).toContainEqual(
      expect.objectContaining({
        check,
        severity,
        fixable: mends === 'fix',
        fixed: false,
        why: expect.stringMatching(/^.{15,}[^.]$/),
      }),
    );
    const remedies = found.filter((one) => one.check === check).map(({ remedy }) => remedy);
    expect(remedies.join('\n')).toContain(says);
    if (mends === 'hand') return;

    for (const remedy of remedies) await paste(host, remedy);
    expect(await doctor(host), 'after the printed command').toEqual([]);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
    expect((await host.checkChain(shipped('10-drawbridge'), { container: web })).error).toBeUndefined();
    if (mends === 'command') return;

    await host.sh(make);
    const { stderr } = await drawbridge(host, ['doctor', '--fix']);
    expect(stderr).toContain(`Mending ${check}: `);
    expect(await doctor(host), 'after --fix').toEqual([]);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
  });

  test('finds a pool that is nearly full', async ({ host }) => {
    await host.outside();
    const { plugins, ...rest } = shipped('20-interface-only');
    const small = {
      ...rest,
      plugins: plugins.map((plugin) => ({ ...plugin, ipam: { type: 'host-local', subnet: '10.9.0.0/30' } })),
    };
    await attach(host, small, 'only');
    expect(await doctor(host)).toContainEqual(
      expect.objectContaining({
        check: 'leases',
        severity: 'problem',
        found: expect.stringContaining('1 of 1 addresses of 10.9.0.0/30'),
      }),
    );
  });

  test('tells that names are not renewed and do not resolve', async ({ host }) => {
    await attach(
      host,
      withPolicy({ mode: 'allowlist', allow: ['*.example.org', 'a.example.org'], dns: { upstream: ['127.0.0.1'] } }),
      'job',
    );
    expect(await doctor(host)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ check: 'agent', severity: 'problem' }),
        expect.objectContaining({ check: 'dns', severity: 'problem' }),
      ]),
    );
  });

  test('finds each network of a bridge that overlaps', async ({ host }) => {
    await host.outside();
    const { plugins, ...rest } = shipped('10-drawbridge');
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.88.1.0/24' }], [{ subnet: '10.88.2.0/24' }]] };
    await attach(
      host,
      { ...rest, plugins: plugins.map((one) => (one['ipam'] === undefined ? one : { ...one, ipam })) },
      'web0',
    );
    await host.sh(
      'ip link add vpn0 type bridge; ip link set vpn0 up; for n in 1 2 3; do ip route add 10.88.$n.128/25 dev vpn0; done',
    );
    const found = (await doctor(host)).filter(({ check }) => check === 'overlaps').map((one) => one.found);
    expect(found.toSorted()).toEqual(
      [1, 2].map(
        (n) => `the containers' network 10.88.${n}.0/24 on "drawbridge0" overlaps 10.88.${n}.128/25 on "vpn0"`,
      ),
    );
  });

  test('puts the likeliest causes of a symptom first', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh(
      `sysctl -qw net.ipv4.ip_forward=0; iptables-nft -I FORWARD -j REJECT; ip link set ${port} down; ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.88.128.0/17 dev vpn0`,
    );
    const first = async (...symptom: string[]) => (await doctor(host, ...symptom)).map(({ check }) => check)[0];
    expect(await first('no', 'route', 'to', 'host')).toBe('firewalls');
    expect(await first('it fails now and then')).toBe('overlaps');
    expect((await drawbridge(host, ['doctor', 'no route to host'])).stdout).toMatch(
      /^"no route to host": the likeliest causes come first/,
    );
  });

  test('marks commands as commands, and words as words', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh(
      'sysctl -qw net.ipv4.ip_forward=0; ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.88.128.0/17 dev vpn0',
    );
    const { code, stdout } = await drawbridge(host, ['doctor']);
    expect(code).toBe(1);
    expect(stdout).toContain('\n  Run: sysctl -w net.ipv4.ip_forward=1\n');
    expect(stdout).toContain('\n  Do: change "subnet" of the network');
    expect(stdout).toMatch(/^\d+ of \d+ checks passed\.$/m);
    expect(await doctor(host)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ check: 'forwarding', isCommand: true }),
        expect.objectContaining({ check: 'overlaps', isCommand: false }),
      ]),
    );
  });

  test('finds the programs that are missing where nothing is installed', async ({ host }) => {
    await host.sh('mkdir -p /run/none; mount --bind /run/none /usr/sbin');
    const found = await doctor(host);
    expect(found).toContainEqual(
      expect.objectContaining({ check: 'programs', severity: 'problem', found: '"nft" is not installed' }),
    );
  });
});

describe('drawbridge doctor --versions', () => {
  test('tells what the host has, as its schema says', async ({ host }) => {
    const { code, json } = await drawbridge(host, ['doctor', '--versions', '--json']);
    expect(code).toBe(0);
    expect(schemaErrors('doctor-versions', json)).toEqual([]);
    const parts = json as { name: string; version: string; needs: string | null }[];
    const own = (name: string) => parts.find((part) => part.name === name);
    expect(own('kernel')?.version).toBe((await host.run(['uname', '-r'])).trim());
    expect(await host.run(['nft', '--version'])).toContain(`v${own('nft')?.version}`);
    expect(await host.run(['ip', '-V'])).toContain(own('ip')?.version);
    expect(await host.sh('ldd --version')).toContain(own('C library')?.version.replace('glibc ', ''));
  });

  test('fails where nft is older than what our rules need', async ({ host }) => {
    await host.sh(`mkdir -p /run/other; printf '#!/bin/sh\necho "nftables v0.9.8 (E.D.S.)"\n' > /run/other/nft
      chmod +x /run/other/nft`);
    const env = { PATH: '/run/other:/usr/sbin:/usr/bin:/sbin:/bin' };
    const { code, stdout } = await host.exec([executable, 'doctor', '--versions'], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^nft +0\.9\.8 +1\.0\.6 +\/run\/other\/nft$/m);
  });
});

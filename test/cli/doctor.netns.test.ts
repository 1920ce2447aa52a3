import { attach, drawbridge, schemaErrors, shipped, withPolicy } from './cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';

interface Diagnosis {
  readonly check: string;
  readonly severity: string;
  readonly found: string;
  readonly remedy: string;
  readonly fixable: boolean;
  readonly fixed: boolean;
}

async function doctor(host: Host, ...words: string[]): Promise<Diagnosis[]> {
  const { json } = await drawbridge(host, ['doctor', '--json', ...words]);
  expect(schemaErrors('doctor', json)).toEqual([]);
  // Whether the machine has br_netfilter is not this host's to say.
  return (json as Diagnosis[]).filter(({ check }) => check !== 'bridge-netfilter');
}

const port = `$(ls /sys/class/net | grep -m1 '^veth[0-9a-f]\\{11\\}$')`;

/** What breaks a host, the check that has to find it, and whether --fix mends it. */
const ailments: readonly {
  readonly what: string;
  readonly make: string;
  readonly check: string;
  readonly severity: string;
  readonly mends: boolean;
}[] = [
  {
    what: 'forwarding that is off',
    make: 'sysctl -qw net.ipv4.ip_forward=0',
    check: 'forwarding',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'IPv6 forwarding that is off',
    make: 'sysctl -qw net.ipv6.conf.all.forwarding=0',
    check: 'forwarding',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'a bridge that is down',
    make: 'ip link set drawbridge0 down',
    check: 'bridges',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'a bridge that is gone',
    make: 'ip link del drawbridge0',
    check: 'bridges',
    severity: 'problem',
    mends: false,
  },
  {
    what: 'a gateway address that is gone',
    make: 'ip address del 10.88.0.1/16 dev drawbridge0',
    check: 'bridges',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'an interface that is down',
    make: `ip link set ${port} down`,
    check: 'links',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'an interface that is on no bridge',
    make: `ip link set ${port} nomaster`,
    check: 'links',
    severity: 'problem',
    mends: true,
  },
  { what: 'rules that are gone', make: 'nft flush ruleset', check: 'rules', severity: 'problem', mends: true },
  {
    what: 'a REJECT before us',
    make: 'iptables-nft -I FORWARD -j REJECT',
    check: 'firewalls',
    severity: 'problem',
    mends: true,
  },
  {
    what: 'a REJECT of INPUT in the older iptables',
    make: 'iptables-legacy -A INPUT -j REJECT',
    check: 'firewalls',
    severity: 'problem',
    mends: true,
  },
  {
    what: "somebody's own table with policy drop",
    make: `nft 'table inet mine { chain f { type filter hook forward priority 0; policy drop; }; }'`,
    check: 'firewalls',
    severity: 'problem',
    mends: false,
  },
  {
    what: 'a routing gate that is gone',
    make: 'ip rule del pref 90',
    check: 'gates',
    severity: 'warning',
    mends: true,
  },
  { what: 'no default route', make: 'ip route del default', check: 'routes', severity: 'warning', mends: false },
  {
    what: 'a network that overlaps',
    make: 'ip link add vpn0 type bridge; ip link set vpn0 up; ip route add 10.88.128.0/17 dev vpn0',
    check: 'overlaps',
    severity: 'warning',
    mends: false,
  },
  {
    what: 'a record that cannot be read',
    make: 'echo "{" > /run/drawbridge/attachments/0123456789abcdef.json',
    check: 'records',
    severity: 'problem',
    mends: false,
  },
  {
    what: 'a policy file that is wrong',
    make: `mkdir -p /etc/drawbridge/policies; echo '{"mode": "wide"}' > /etc/drawbridge/policies/work.json`,
    check: 'policies',
    severity: 'problem',
    mends: false,
  },
  {
    what: 'leftovers',
    make: 'ip rule add pref 90 iif gone0 fwmark 0x0/0x10000 prohibit',
    check: 'leftovers',
    severity: 'notice',
    mends: true,
  },
  {
    what: 'ufw that is enabled',
    make: 'mkdir -p /etc/ufw; echo ENABLED=yes > /etc/ufw/ufw.conf',
    check: 'firewalls',
    severity: 'notice',
    mends: false,
  },
];

describe('drawbridge doctor', () => {
  test('finds nothing wrong with a host that is well', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    expect(await doctor(host)).toEqual([]);
    expect((await drawbridge(host, ['doctor'])).code).toBe(0);
  });

  test.for(ailments)('finds $what', async ({ make, check, severity, mends }, { host }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh(make);
    expect(await doctor(host)).toContainEqual(
      expect.objectContaining({ check, severity, fixable: mends, fixed: false }),
    );
    if (!mends) return;
    const { stderr } = await drawbridge(host, ['doctor', '--fix']);
    expect(stderr).toContain(`Mending ${check}: `);
    expect((await doctor(host)).filter((one) => one.check === check)).toEqual([]);
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

  test('finds the programs that are missing where nothing is installed', async ({ host }) => {
    await host.sh('mkdir -p /run/none; mount --bind /run/none /usr/sbin');
    const found = await doctor(host);
    expect(found).toContainEqual(
      expect.objectContaining({ check: 'programs', severity: 'problem', found: '"nft" is not installed' }),
    );
  });
});

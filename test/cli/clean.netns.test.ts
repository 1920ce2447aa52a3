import { join } from 'node:path';
import { executable } from '../helpers/executable.ts';
import { attach, drawbridge, schemaErrors, shipped, steady, withPolicy } from './cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { hardwareAddressOf } from '../../src/links/hardware-address.ts';

interface Found {
  readonly kind: string;
  readonly name: string;
  readonly network: string | null;
  readonly containerId: string | null;
  readonly why: string;
  readonly removed: boolean;
}

async function clean(host: Host, ...words: string[]): Promise<Found[]> {
  const { code, json, stderr } = await drawbridge(host, ['clean', '--json', ...words]);
  expect({ code, stderr, errors: schemaErrors('clean', json) }).toEqual({ code: 0, stderr: '', errors: [] });
  return json as Found[];
}

/** Our tables without counts; the order of a set's elements is the kernel's. */
async function ourRules(host: Host): Promise<string[]> {
  const text = await host.sh('nft -s list table inet drawbridge; nft -s list table bridge drawbridge');
  return text
    .replaceAll(/,\n\s+/g, ',\n')
    .replaceAll(/elements = \{ (.*?) \}/gs, (_, list: string) => list.split(/,\s*/).toSorted().join('\n'))
    .split('\n');
}

const orphanPort = 'veth0123456789a';
const strangerPort = 'veth0123456789b';

/** Each breaks something as a crash, a reboot, a hand or another program does. `finds` is how it shows. */
const messes: readonly {
  readonly what: string;
  readonly make: string;
  readonly finds: Partial<Record<'kind' | 'name', unknown>>;
}[] = [
  {
    what: 'an interface of ours without record and bridge',
    make: `ip link add ${orphanPort} address ${hardwareAddressOf(orphanPort)} type veth peer name peer0`,
    finds: { kind: 'interface', name: orphanPort },
  },
  {
    what: 'a map element that sends to the chain of a policy',
    make: `nft add element inet drawbridge egress4 '{ "drawbridge0" . 10.88.9.9 : goto '$(nft list chains | grep -o 'policy_[0-9a-f]*' | head -1)' }'`,
    finds: { kind: 'element', name: expect.stringContaining('egress4 { drawbridge0 . 10.88.9.9') },
  },
  {
    what: 'a set element with an IPv6 address',
    make: `nft add element inet drawbridge containers6 '{ "drawbridge0" . fd00:88::9999 }'`,
    finds: { kind: 'element', name: 'containers6 { drawbridge0 . fd00:88::9999 }' },
  },
  {
    what: 'a published port of nobody',
    make: `nft add element inet drawbridge published4 '{ tcp . 9999 : 10.88.9.9 . 80 }'`,
    finds: { kind: 'element', name: 'published4 { tcp . 9999 : 10.88.9.9 . 80 }' },
  },
  {
    what: 'a published port of nobody at one address',
    make: `nft add element inet drawbridge published6_at '{ fd00::1 . udp . 9999 : fd00:88::99 . 53 }'`,
    finds: { kind: 'element', name: expect.stringContaining('published6_at') },
  },
  {
    what: 'a masqueraded address of nobody',
    make: `nft add element inet drawbridge masquerade4 '{ 10.88.9.9 }'`,
    finds: { kind: 'element', name: 'masquerade4 { 10.88.9.9 }' },
  },
  {
    what: 'a bridge of nobody',
    make: `nft add element inet drawbridge bridges '{ "gone0" }'`,
    finds: { kind: 'element', name: 'bridges { gone0 }' },
  },
  {
    what: 'a source of nobody',
    make: `nft add element inet drawbridge sources6 '{ "drawbridge0" . fd00:88::9999 }'`,
    finds: { kind: 'element', name: 'sources6 { drawbridge0 . fd00:88::9999 }' },
  },
  {
    what: 'the party of nobody',
    make: `nft add element inet drawbridge parties4 '{ 10.88.9.9 . 10.88.9.9 }'`,
    finds: { kind: 'element', name: 'parties4 { 10.88.9.9 . 10.88.9.9 }' },
  },
  {
    what: 'an interface that nobody is enforced behind',
    make: `nft add element inet drawbridge enforced_out '{ "gone0" : jump egress_out }'`,
    finds: { kind: 'element', name: 'enforced_out { gone0 : jump egress_out }' },
  },
  {
    what: 'a guarded MAC of nobody',
    make: `nft add element bridge drawbridge guard_mac '{ "vethgone" . 02:00:00:00:00:99 }'`,
    finds: { kind: 'element', name: 'guard_mac { vethgone . 02:00:00:00:00:99 }' },
  },
  {
    what: 'a guarded address of nobody',
    make: `nft add element bridge drawbridge guard4 '{ "vethgone" . 02:00:00:00:00:99 . 10.88.9.9 }'`,
    finds: { kind: 'element', name: expect.stringContaining('guard4') },
  },
  {
    what: 'a policy that nobody is under',
    make: `nft -f - <<'END'
add set inet drawbridge policy_00112233445566ff_deny4 { type ipv4_addr; flags interval; }
add chain inet drawbridge policy_00112233445566ff
add chain inet drawbridge policy_00112233445566ff_host
add rule inet drawbridge policy_00112233445566ff ip daddr @policy_00112233445566ff_deny4 drop
END`,
    finds: { kind: 'policy', name: 'policy_00112233445566ff' },
  },
  {
    what: 'the tables of a trace that was killed',
    make: 'nft add table inet drawbridge_trace',
    finds: { kind: 'table', name: 'inet drawbridge_trace' },
  },
  {
    what: 'a gate of IPv4',
    make: 'ip -4 rule add pref 90 iif gone0 fwmark 0x0/0x10000 prohibit',
    finds: { kind: 'gate', name: 'gone0 (IPv4 routing rule)' },
  },
  {
    what: 'a gate of IPv6',
    make: 'ip -6 rule add pref 90 iif gone0 fwmark 0x0/0x10000 prohibit',
    finds: { kind: 'gate', name: 'gone0 (IPv6 routing rule)' },
  },
  {
    what: 'a lease of nobody',
    make: `printf 'lost\\r\\neth0' > /var/lib/cni/networks/drawbridge/10.88.9.9`,
    finds: { kind: 'lease', name: '10.88.9.9' },
  },
  {
    what: 'an IPv6 lease of nobody',
    make: `printf 'lost\\r\\neth0' > /var/lib/cni/networks/drawbridge/fd00:88::9999`,
    finds: { kind: 'lease', name: 'fd00:88::9999' },
  },
  {
    what: 'an empty lease',
    make: 'touch -d "1 hour ago" /var/lib/cni/networks/drawbridge/10.88.9.10',
    finds: { kind: 'lease', name: '10.88.9.10' },
  },
  {
    what: 'an accept in iptables',
    make: `iptables-nft -I FORWARD -i gone1 -m comment --comment "drawbridge: gone1" -j ACCEPT`,
    finds: { kind: 'firewall', name: 'gone1' },
  },
  {
    what: 'a note about firewalls',
    make: `cat > /run/drawbridge/firewall/gone2.json <<'END'
{"version":1,"bridge":"gone2","hostPorts":[],"ingress":"published","opened":false,"zoned":false,"warnings":[]}
END`,
    finds: { kind: 'note', name: 'gone2' },
  },
  {
    what: 'a note about a bridge',
    make: 'echo "{}" > /run/drawbridge/bridges/gone3.json',
    finds: { kind: 'note', name: '/run/drawbridge/bridges/gone3.json' },
  },
  {
    what: 'a record that was being written',
    make: 'echo "{" > /run/drawbridge/attachments/.0123456789abcdef.99999.1',
    finds: { kind: 'file' },
  },
  {
    what: 'a note that was being written',
    make: 'echo "{" > /run/drawbridge/bridges/drawbridge0.json.99999',
    finds: { kind: 'file' },
  },
  {
    what: 'remembered addresses that were being written',
    make: 'mkdir -p /var/lib/drawbridge/names; echo "{" > /var/lib/drawbridge/names/.a.example.org.json.99999.1',
    finds: { kind: 'file' },
  },
  {
    what: 'what the agent had learnt, that was being written',
    make: 'echo "{" > /var/lib/drawbridge/.learnt.json.99999.3',
    finds: { kind: 'file', name: '/var/lib/drawbridge/.learnt.json.99999.3' },
  },
  {
    what: 'the same by 0.1.0, which called it otherwise',
    make: 'echo "{" > /var/lib/drawbridge/.learnt.99999.3',
    finds: { kind: 'file', name: '/var/lib/drawbridge/.learnt.99999.3' },
  },
  {
    what: 'a record that 0.1.0 was writing, called by part of a UUID',
    make: 'echo "{" > /run/drawbridge/attachments/0123456789abcdef.json.1b4e28ba-2fa',
    finds: { kind: 'file', name: '/run/drawbridge/attachments/0123456789abcdef.json.1b4e28ba-2fa' },
  },
  {
    what: 'an executable that was being installed',
    make: 'mkdir -p /opt/cni/bin; echo half > /opt/cni/bin/.drawbridge.99999.1',
    finds: { kind: 'file', name: '/opt/cni/bin/.drawbridge.99999.1' },
  },
  {
    what: 'an index entry of a port',
    make: `echo '["0123456789abcdef"]' > /run/drawbridge/ports/tcp-9.json`,
    finds: { kind: 'index', name: '/run/drawbridge/ports/tcp-9.json' },
  },
  {
    what: 'an index entry of an address that is cut short',
    make: `printf '["012' > /run/drawbridge/addresses/10.88.9.9.json`,
    finds: { kind: 'index', name: '/run/drawbridge/addresses/10.88.9.9.json' },
  },
  {
    what: 'an index entry of a bridge',
    make: 'mkdir -p /run/drawbridge/shared/bridge-gone4; touch /run/drawbridge/shared/bridge-gone4/0123456789abcdef',
    finds: { kind: 'index' },
  },
  {
    what: 'a record that cannot be read',
    make: 'echo "{" > /run/drawbridge/attachments/fedcba9876543210.json',
    finds: { kind: 'record', name: '/run/drawbridge/attachments/fedcba9876543210.json' },
  },
];

/** Younger leases may be of an ADD that goes on. */
const leaseGrace = 2100;

describe('drawbridge clean', () => {
  test(`finds and removes ${messes.length} kinds of mess beside a living container, and nothing of that`, async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    await host.serve(outside, { port: 80 });
    const web = await attach(host, shipped('10-drawbridge'), 'web0', {
      runtimeConfig: { portMappings: [{ hostPort: 8080, containerPort: 80 }] },
    });
    await host.sh('iptables-nft -I FORWARD -j ACCEPT; iptables-nft -D FORWARD -j ACCEPT');
    const tables = await ourRules(host);
    await host.takeBaseline();
    for (const { make } of messes) await host.sh(make);
    await new Promise((resolve) => setTimeout(resolve, leaseGrace));

    const listed = await clean(host, '--orphans', '--dry-run');
    for (const { what, finds } of messes)
      expect(listed, what).toContainEqual(expect.objectContaining({ ...finds, removed: false }));
    expect(listed).toHaveLength(messes.length);
    await expect(steady((await drawbridge(host, ['clean', '--dry-run'])).stdout)).toMatchFileSnapshot(
      'golden/clean-dry-run.txt',
    );
    expect(await clean(host, '--dry-run'), 'a dry run changes nothing').toEqual(listed);

    const removed = await clean(host, '--orphans');
    expect(removed.filter((one) => !one.removed)).toEqual([]);
    expect(await clean(host)).toEqual([]);
    expect((await drawbridge(host, ['clean'])).stdout).toBe('Nothing is left over.\n');
    expect(await host.leftovers()).toEqual([]);
    expect(await ourRules(host)).toEqual(tables);
    expect(await host.fetch(web, '8.8.8.8', 80)).toBe('192.0.2.1');
    expect((await host.checkChain(shipped('10-drawbridge'), { container: web })).error).toBeUndefined();
  });

  test('removes everything of containers that ended without a DEL, to the last rule', async ({ host }) => {
    await host.outside();
    const ports = { portMappings: [{ hostPort: 8080, containerPort: 80 }] };
    const chained = await attach(host, shipped('10-drawbridge'), 'chained', { runtimeConfig: ports });
    const whole = await attach(host, withPolicy({ mode: 'allowlist', allow: ['8.8.8.8'] }), 'whole');
    for (const container of [chained, whole]) await container.remove();
    await expect.poll(async () => (await host.run(['ls', '/sys/class/net'])).includes('veth')).toBe(false);
    const found = await clean(host, '--dry-run');
    expect(found).toContainEqual(
      expect.objectContaining({
        kind: 'attachment',
        network: 'drawbridge',
        containerId: 'chained',
        why: expect.stringMatching(/^its interface "veth.*" and its namespace ".*" are gone$/),
      }),
    );
    await clean(host);
    expect(
      await host.leftovers({ allow: [/link (drawbridge|db)\d/, /run\/drawbridge\/(bridges|locks)/, /boot\//] }),
    ).toEqual([]);
  });

  test('removes what an ADD left that was killed, and not what one is about to make', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    await host.sh(`
      cd /run/drawbridge/attachments
      sed -i 's/"state": "ready"/"state": "adding"/; s/"adder": "[^"]*"/"adder": "99999:1"/' *.json`);
    const dead = async () => (await clean(host, '--dry-run')).filter(({ kind }) => kind === 'attachment');
    expect(await dead(), 'an interface that is up is in use').toEqual([]);
    await host.sh('ip link set "$(ls /sys/class/net/drawbridge0/brif)" down');
    expect(await dead()).toEqual([expect.objectContaining({ name: 'web0/eth0', why: 'its ADD was cut short' })]);
    const { pid } = await host.spawn(['sleep', '60']);
    await host.sh(
      `cd /run/drawbridge/attachments; sed -i "s/99999:1/${pid}:$(cut -d' ' -f22 /proc/${pid}/stat)/" *.json`,
    );
    expect((await clean(host)).filter(({ kind }) => kind === 'attachment')).toEqual([]);
    await host.sh('ls /run/drawbridge/attachments/*.json /sys/class/net/drawbridge0/brif/veth*');
  });

  test('leaves what may be alive, and what is not ours', async ({ host }) => {
    await host.outside();
    const alive = await attach(host, shipped('10-drawbridge'), 'alive');
    const port = (await drawbridge(host, ['list', '--json'])).json[0].hostInterface as string;
    await host.container('migrated');
    await host.sh(`
      rm /run/drawbridge/attachments/*.json
      ip link add ${strangerPort} type veth peer name peer1
      ip netns exec migrated ip address add 10.88.7.7/16 dev lo
      printf 'migrated\\r\\neth0' > /var/lib/cni/networks/drawbridge/10.88.7.7
      mkdir -p /var/lib/cni/networks/podman; printf 'theirs\\r\\neth0' > /var/lib/cni/networks/podman/10.1.0.2
      ip rule add pref 91 iif other0 prohibit
      iptables-nft -I FORWARD -i other0 -m comment --comment "dockers" -j ACCEPT`);
    await new Promise((resolve) => setTimeout(resolve, leaseGrace));
    const found = await clean(host);
    expect(found).toContainEqual(expect.objectContaining({ kind: 'interface', name: port, removed: false }));
    await host.sh(
      `ip link show ${port}; ip link show ${strangerPort}; ls /var/lib/cni/networks/drawbridge/10.88.0.2 /var/lib/cni/networks/drawbridge/10.88.7.7 /var/lib/cni/networks/podman/10.1.0.2; ip rule | grep -q other0; iptables-nft -S | grep -q dockers`,
    );
    expect((await alive.exec(['ip', '-o', 'link', 'show', 'eth0'])).code).toBe(0);
  });

  test('leaves a record that is no JSON of a container on the bridge of another plugin, until its port is gone', async ({
    host,
  }) => {
    await host.outside();
    const container = await host.container('theirs');
    // The bridge and the veth of somebody else's plugin, as "bridge" of the reference names them.
    await host.sh(`ip link add cni0 type bridge; ip address add 10.9.0.1/24 dev cni0; ip link set cni0 up
      ip link add veththeirs master cni0 type veth peer name eth0 netns theirs; ip link set veththeirs up
      ip -n theirs address add 10.9.0.2/24 dev eth0; ip -n theirs link set eth0 up
      ip -n theirs route add default via 10.9.0.1`);
    const mac = (await container.exec(['cat', '/sys/class/net/eth0/address'])).stdout.trim();
    const prevResult = {
      cniVersion: '1.0.0',
      interfaces: [{ name: 'cni0' }, { name: 'veththeirs' }, { name: 'eth0', mac, sandbox: container.netns }],
      ips: [{ address: '10.9.0.2/24', gateway: '10.9.0.1', interface: 2 }],
    };
    const conf = { cniVersion: '1.0.0', name: 'theirs', type: 'egress-policy', prevResult };
    expect((await host.cni('ADD', conf, { container })).error).toBeUndefined();
    await host.sh('for f in /run/drawbridge/attachments/*.json; do echo torn > $f; done');
    const records = async () => (await clean(host)).filter(({ kind }) => kind === 'record');
    expect(await records()).toEqual([expect.objectContaining({ removed: false })]);
    expect(await host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'enforced'])).toContain('cni0');
    await host.sh('ip link del veththeirs');
    expect(await records()).toEqual([expect.objectContaining({ removed: true })]);
  });

  test('leaves the record that cannot be read of a container that may live', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'alive');
    await host.sh('for f in /run/drawbridge/attachments/*.json; do head -c 100 $f > /run/cut; cp /run/cut $f; done');
    expect((await clean(host)).filter(({ kind }) => kind === 'record')).toEqual([
      expect.objectContaining({ removed: false, why: expect.stringContaining('may be alive') }),
    ]);
    expect(await host.run(['nft', 'list', 'tables'])).toContain('inet drawbridge');
  });

  test('takes the tables away where no container is left', async ({ host }) => {
    await host.outside();
    const web = await attach(host, shipped('10-drawbridge'), 'web0');
    const tables = await host.run(['nft', 'list', 'ruleset']);
    await host.delChain(shipped('10-drawbridge'), { container: web });
    await host.run(['nft', '-f', '-'], { input: tables });
    expect((await clean(host)).filter(({ kind }) => kind === 'table').map(({ name }) => name)).toEqual([
      'inet drawbridge',
      'bridge drawbridge',
      'ip drawbridge',
      'ip6 drawbridge',
    ]);
    expect(await host.run(['nft', 'list', 'tables'])).not.toContain('drawbridge');
  });

  test('shows how far it is on a terminal where there is much to do, and nowhere else', async ({ host }) => {
    await host.outside();
    await attach(host, shipped('10-drawbridge'), 'web0');
    const make = `mkdir -p /run/drawbridge/ports; for i in $(seq 1 400); do echo '["0123456789abcdef"]' > /run/drawbridge/ports/tcp-$((20000 + i)).json; done`;
    const terminal = join(import.meta.dirname, '../helpers/terminal.py');
    const watched = async (...command: string[]) =>
      host.run(['python3', '-I', terminal, '60', '[]', ...command], { timeout: 60_000 });

    await host.sh(make);
    const seen = await watched(executable, 'clean');
    expect(seen).toMatch(/\rRemoving \[#*-+\] \d+\/400/);
    for (const line of seen.split(/[\r\n]+/)) expect(line.length).toBeLessThanOrEqual(60);
    // The bar is wiped before the answer, whose totals stand at the end.
    expect(seen).toMatch(/\r +\rindex: it points to a record that is gone\r\n/);
    expect(seen.trimEnd()).toMatch(/\nRemoved 400 of 400 leftovers\.$/);

    await host.sh(make);
    const piped = await watched('sh', '-c', `${executable} clean --json 2>/dev/null | tail -c 2`);
    expect(piped).not.toContain('Removing');
    await host.sh(make);
    expect((await drawbridge(host, ['clean'])).stderr).toBe('');
  });

  test('finds nothing on a host where nothing is installed', async ({ host }) => {
    expect(await clean(host)).toEqual([]);
    expect(await clean(host, '--orphans', '--dry-run')).toEqual([]);
  });
});

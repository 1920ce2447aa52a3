import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cnitool } from '../helpers/cnitool.ts';
import type { Container } from '../helpers/private-host.ts';
import type { Json } from '../helpers/runtime.ts';
import { folder, installDropIns } from '../plugins/drop-in/links.ts';
import { leftBehind, shipped, writeNetwork } from './containerd.ts';
import { makeMachine, until, type Machine } from './machine.ts';

/** Where Debian's containernetworking-plugins puts the reference. */
const reference = '/usr/lib/cni';

function cnitoolName(): string {
  const [, name = 'cnitool', version = ''] = /(cnitool)-(.+)$/.exec(cnitool().path) ?? [];
  return `${name} ${version}`;
}

/** Debian's build does not tell its plugins which version they are. */
function debianVersion(): string {
  return execFileSync('dpkg-query', ['--show', '--showformat=${Version}', 'containernetworking-plugins'], {
    encoding: 'utf8',
  });
}

const ipam = { type: 'host-local', ranges: [[{ subnet: '10.71.0.0/24' }], [{ subnet: 'fd00:71::/64' }]] };
const drawbridge = {
  type: 'drawbridge',
  isDefaultGateway: true,
  ipMasq: true,
  ipam,
  capabilities: { portMappings: true, ips: true, mac: true },
};

describe.skipIf(!existsSync(join(reference, 'bandwidth')))(
  `${cnitoolName()}, Debian's containernetworking-plugins ${debianVersion()}`,
  () => {
    let machine: Machine;
    let count = 0;

    /** Runs a chain through cnitool: add, check, what the case looks at, check again, del; and nothing is left. */
    async function passes(
      plugins: Json[],
      look: (
        container: Container,
        result: { ips: { address: string }[]; interfaces: { name: string }[] },
      ) => Promise<void>,
      {
        cniVersion = '1.0.0',
        capabilities = {},
        checks = true,
        twice = true,
      }: { cniVersion?: string; capabilities?: Json; checks?: boolean; twice?: boolean } = {},
    ): Promise<void> {
      const name = `chain${++count}`;
      await writeNetwork(machine, `${name}.conflist`, { cniVersion, name, plugins });
      const container = await machine.host.container();
      const tool = async (verb: string) =>
        machine.run([cnitool().path, verb, name, container.netns], {
          env: {
            PATH: '/usr/sbin:/usr/bin',
            CNI_PATH: `${folder}:${reference}`,
            NETCONFPATH: '/etc/cni/net.d',
            CAP_ARGS: JSON.stringify(capabilities),
          },
        });
      const result = JSON.parse(await tool('add')) as { ips: { address: string }[]; interfaces: { name: string }[] };
      try {
        if (checks) await tool('check');
        await look(container, result);
        if (checks) await tool('check');
      } finally {
        await tool('del');
      }
      if (twice) await tool('del');
      // The reference's rules need iptables, which leaves its empty tables.
      expect(await leftBehind(machine, [/nft table ip6? nat$/, /link br[568]$/])).toEqual([]);
      await container.remove();
    }

    const online = async (container: Container) =>
      expect(await machine.host.fetch(container, '8.8.8.8', 80)).toBe('hello 192.0.2.1');
    const sealed = { type: 'egress-policy', mode: 'allowlist', preset: 'none' };

    beforeAll(async () => {
      machine = await makeMachine([]);
      // The names of the reference are the reference here.
      await machine.sh(`cd ${folder}; rm bridge host-local portmap firewall tuning bandwidth loopback`);
      await machine.host.takeBaseline();
    });
    afterAll(async () => machine?.[Symbol.asyncDispose]());

    test('`drawbridge`, with published ports: `add`, `check`, `del` twice', async () => {
      await passes(
        [drawbridge],
        async (container) => {
          await online(container);
          await machine.host.serve(container, { port: 80, reply: 'in' });
          expect(await machine.host.fetch(machine.outside, '192.0.2.1', 8080)).toBe('in');
        },
        {
          cniVersion: '1.1.0',
          capabilities: { portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] },
        },
      );
    });

    test('the shipped network: `status`, `add`, `gc` of a container that is gone', async () => {
      await writeNetwork(machine, 'gc.conflist', {
        ...shipped('10-drawbridge.conflist', ([plugin]) => (plugin!['bridge'] = 'br6')),
        name: 'gc',
      });
      const env = { PATH: '/usr/sbin:/usr/bin', CNI_PATH: folder, NETCONFPATH: '/etc/cni/net.d' };
      const container = await machine.host.container();
      for (const verb of ['status', 'add']) await machine.run([cnitool().path, verb, 'gc', container.netns], { env });
      await container.remove();
      await machine.run([cnitool().path, 'gc', 'gc', container.netns], { env });
      expect(await leftBehind(machine, [/link br6$/])).toEqual([]);
    });

    test('the drop-ins `bridge`, `portmap`, `firewall`, `tuning`, `bandwidth`: `status`, `add`, `check`, `gc`, `del` twice', async () => {
      const [name, dropInFolder] = ['drop-ins', '/opt/drop-in'];
      await installDropIns(machine.host, dropInFolder);
      await writeNetwork(machine, `${name}.conflist`, {
        cniVersion: '1.1.0',
        name,
        plugins: [
          { ...drawbridge, type: 'bridge', bridge: 'br5', ipam: { ...ipam, ranges: [[{ subnet: '10.74.0.0/24' }]] } },
          { type: 'portmap', capabilities: { portMappings: true } },
          { type: 'firewall', ingressPolicy: 'same-bridge' },
          { type: 'tuning', mtu: 1400 },
          {
            type: 'bandwidth',
            ingressRate: 8_000_000,
            ingressBurst: 800_000,
            egressRate: 8_000_000,
            egressBurst: 800_000,
          },
        ],
      });
      const container = await machine.host.container();
      const tool = async (verb: string) =>
        machine.run([cnitool().path, verb, name, container.netns], {
          env: {
            PATH: '/usr/sbin:/usr/bin',
            CNI_PATH: dropInFolder,
            NETCONFPATH: '/etc/cni/net.d',
            CAP_ARGS: JSON.stringify({ portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] }),
          },
        });
      for (const verb of ['status', 'add', 'check']) await tool(verb);
      await machine.host.serve(container, { port: 80, reply: 'in' });
      await online(container);
      expect(await machine.host.fetch(machine.outside, '192.0.2.1', 8080)).toBe('in');
      // It names no attachment, so what lives stays; the runtime's own DEL of what it has in its cache comes first.
      await tool('gc');
      for (const verb of ['del', 'del']) await tool(verb);
      expect(await leftBehind(machine, [/link br[568]$/])).toEqual([]);
      await container.remove();
    });

    test('`drawbridge`, then `bandwidth`', async () => {
      await passes(
        [
          drawbridge,
          {
            type: 'bandwidth',
            ingressRate: 8_000_000,
            ingressBurst: 8_000_000,
            egressRate: 8_000_000,
            egressBurst: 8_000_000,
          },
        ],
        online,
      );
    });

    test('`drawbridge`, then `tuning` with a sysctl and an MTU', async () => {
      await passes(
        [drawbridge, { type: 'tuning', sysctl: { 'net.ipv4.conf.eth0.arp_filter': '1' }, mtu: 1400 }],
        async (container) => {
          await online(container);
          expect((await container.exec(['cat', '/proc/sys/net/ipv4/conf/eth0/arp_filter'])).stdout).toBe('1\n');
          expect((await container.exec(['ip', 'link', 'show', 'eth0'])).stdout).toContain('mtu 1400');
        },
      );
    });

    test('`drawbridge`, then `tuning` with a MAC, then `egress-policy`', async () => {
      await passes(
        [drawbridge, { type: 'tuning', mac: '02:11:22:33:44:77' }, { type: 'egress-policy', mode: 'restricted' }],
        async (container) => {
          expect((await container.exec(['ip', 'link', 'show', 'eth0'])).stdout).toContain('02:11:22:33:44:77');
          await online(container);
        },
      );
    });

    test('`drawbridge`, then `sbr`', async () => {
      const look = async (container: Container, { ips }: { ips: { address: string }[] }) => {
        // Only what is sent from that address finds the table with its routes: that is what sbr is for.
        const from = ips[0]!.address.split('/')[0]!;
        expect((await container.exec(['ip', 'rule'])).stdout).toContain(`from ${from}`);
        expect(await machine.host.fetch(container, '8.8.8.8', 80, { from })).toBe('hello 192.0.2.1');
      };
      // Its DEL is no success when the interface is gone, and its CHECK none when the routes are where it put them.
      await passes([drawbridge, { type: 'sbr' }], look, { checks: false, twice: false });
    });

    test('`drawbridge`, then `egress-policy`, then `bandwidth`', async () => {
      await passes(
        [
          drawbridge,
          sealed,
          {
            type: 'bandwidth',
            ingressRate: 8_000_000,
            ingressBurst: 8_000_000,
            egressRate: 8_000_000,
            egressBurst: 8_000_000,
          },
        ],
        async (container) => {
          expect(await machine.host.fetch(container, '8.8.8.8', 80)).toMatch(/refused|unreachable/);
        },
      );
    });

    test('reference `bridge`, then `egress-policy`', async () => {
      await passes(
        [{ type: 'bridge', bridge: 'cni0', isDefaultGateway: true, ipMasq: true, ipam }, sealed],
        async (container) => {
          expect(await machine.host.fetch(container, '8.8.8.8', 80)).toMatch(/refused|unreachable/);
        },
      );
    });

    test('reference `ptp`, then `egress-policy`', async () => {
      const ptp = { type: 'ptp', ipMasq: true, ipam: { ...ipam, routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }] } };
      await passes([ptp, sealed], async (container) => {
        expect(await machine.host.fetch(container, '8.8.8.8', 80)).toMatch(/refused|unreachable/);
      });
      await passes([ptp, { type: 'egress-policy' }], online);
    });

    test('reference `loopback` first, as Nomad has it, then `drawbridge`', async () => {
      await passes([{ type: 'loopback' }, drawbridge], async (container, { interfaces }) => {
        expect(interfaces.map(({ name }) => name)).toEqual([
          'lo',
          'drawbridge0',
          expect.stringMatching(/^veth/),
          'eth0',
        ]);
        await online(container);
      });
    });

    test('`drawbridge` with `ipam` of type `static`', async () => {
      const fixed = {
        ...drawbridge,
        bridge: 'br8',
        isGateway: true,
        ipam: {
          type: 'static',
          addresses: [{ address: '10.72.0.7/24', gateway: '10.72.0.1' }],
          routes: [{ dst: '0.0.0.0/0', gw: '10.72.0.1' }],
        },
      };
      await passes([fixed], async (container, { ips }) => {
        expect(ips.map(({ address }) => address)).toEqual(['10.72.0.7/24']);
        await online(container);
      });
    });

    test('`drawbridge` with `ipam` of type `dhcp`', async () => {
      await machine.sh(`
      ip link add br9 type bridge; ip link set br9 up; ip addr add 10.73.0.1/24 dev br9
      mkdir -p /run/cni`);
      await machine.spawn([
        'dnsmasq',
        '--keep-in-foreground',
        '--conf-file=/dev/null',
        '--port=0',
        '--interface=br9',
        '--bind-interfaces',
        '--dhcp-range=10.73.0.10,10.73.0.20,1h',
        '--dhcp-option=3,10.73.0.1',
        '--dhcp-leasefile=/run/dnsmasq.leases',
        '--user=root',
      ]);
      await machine.spawn([`${reference}/dhcp`, 'daemon']);
      await until(
        'the DHCP daemon listens',
        async () => (await machine.exec(['test', '-S', '/run/cni/dhcp.sock'])).code === 0,
      );
      await machine.sh('echo 1 > /proc/sys/net/ipv4/ip_forward');
      await machine.host.takeBaseline();
      await passes(
        [{ type: 'drawbridge', bridge: 'br9', ipMasq: true, ipam: { type: 'dhcp' } }],
        async (container, { ips }) => {
          expect(ips[0]?.address).toMatch(/^10\.73\.0\.[12]\d\/24$/);
          await online(container);
        },
      );
    });
  },
);

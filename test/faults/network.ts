/** What the tests of faults have in common: a chain of both plugins, and looks at what is there of it. */
import { readFileSync } from 'node:fs';
import type { ChainOptions, CniResult, Conflist, Container, Host, Json, Outside } from '../helpers/host.ts';

/** Whether every point is tried (`npm run test:faults`), or a sample that fits into `npm test`. */
export const isLong = process.env['DRAWBRIDGE_FAULTS'] === 'long';

/** The chain of conf/10-drawbridge.conflist: both families, published ports, a policy. */
const shipped = JSON.parse(
  readFileSync(new URL('../../conf/10-drawbridge.conflist', import.meta.url), 'utf8'),
) as Conflist & { cniVersions: string[] };

/** As a runtime that knows every version sends it: GC is among the verbs. */
export const conflist: Conflist = { ...shipped, cniVersion: shipped.cniVersions.at(-1) ?? shipped.cniVersion };

export const interfaceConf: Json = { cniVersion: conflist.cniVersion, name: conflist.name, ...conflist.plugins[0] };

const ports = {
  portMappings: [
    { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
    { hostPort: 5353, containerPort: 53, protocol: 'udp' },
  ],
};

/** What stays when the last container is gone: the bridge, a note about it, the stamp of the boot. */
const kept = [
  /^\+ link drawbridge0$/,
  /^\+ file \/run\/drawbridge\/bridges\/drawbridge0\.json$/,
  /^\+ file \/var\/lib\/drawbridge\/boot\/[0-9a-f]{16}\.json$/,
];

/**
 * Objects of the host that belong to attachments: none after the last DEL. Of a table that is left its name suffices.
 */
export async function attachmentsLeft(host: Host): Promise<string[]> {
  const lines = await host.leftovers({ allow: kept });
  return lines.filter(
    (line) => !/^\+ nft table \S+ \S+: /u.test(line) || !lines.includes(line.split(': ', 1)[0] ?? ''),
  );
}

/** Locks that are held, or that somebody left. */
export async function locksLeft(host: Host): Promise<string[]> {
  const { stdout } = await host.exec(['ls', '/run/drawbridge/locks']);
  return stdout.split('\n').filter((name) => name !== '');
}

export function options(container: Container): ChainOptions & { container: Container } {
  return { container, runtimeConfig: ports };
}

/** The plugin's own words, for a message; "code 0" when it succeeded. */
export function outcome({ code, error, stderr }: CniResult): string {
  return code === 0 ? 'code 0' : `status ${code}: ${JSON.stringify(error)} ${stderr}`;
}

/** Address of the internet that the policy forbids; whoever is asked there notes who came by. */
export const forbidden = '10.99.0.1';

/**
 * A host with the chain's configuration where runtimes keep it, and a private network behind its uplink that answers
 * everybody.
 */
export async function prepare(host: Host): Promise<Outside> {
  const outside = await host.outside();
  await outside.address(forbidden);
  await host.run(['ip', 'route', 'add', '10.88.0.0/16', 'via', outside.hostV4], { where: outside });
  await host.sh('cat > /etc/cni/net.d/10-drawbridge.conflist', { input: JSON.stringify(conflist) });
  await host.takeBaseline();
  return outside;
}

/**
 * A reboot as far as a private host can have one: every link, rule and namespace is gone, /run is empty and
 * new, the boot has another id; /var is as it was. The times of files stay: a reboot takes longer.
 */
export async function reboot(host: Host, containers: readonly Container[]): Promise<void> {
  await Promise.all(containers.map(async (container) => container.remove()));
  await host.sh(`
    for link in $(ls /sys/class/net | grep -E '^(veth|drawbridge0|br[0-9])'); do ip link del $link 2>/dev/null || true; done
    nft flush ruleset
    for family in -4 -6; do
      while ip $family rule del table 8888 2>/dev/null; do :; done
      ip $family rule | sed -n 's/^\\([0-9]*\\):.*prohibit.*/\\1/p' | while read pref; do ip $family rule del pref $pref; done
    done
    echo 0 > /proc/sys/net/ipv4/ip_forward
    echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
    rm -rf /run/drawbridge
    cat /proc/sys/kernel/random/uuid > /opt/boot_id
    mount --bind /opt/boot_id /proc/sys/kernel/random/boot_id
  `);
}

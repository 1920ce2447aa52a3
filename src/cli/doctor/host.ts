import { statfsSync, statSync } from 'node:fs';
import { CniError } from '../../cni/errors.ts';
import {
  enableForwarding,
  enableForwardingAt,
  forwardingCommand,
  hasIpv6,
  interfacesWithoutForwarding,
} from '../../host/sysctl.ts';
import { uplinks } from '../../host/uplink.ts';
import { nftVersion, oldestNft } from '../../host/nft.ts';
import { showJson } from '../../host/ip.ts';
import { runDir, stateDir } from '../../host/paths.ts';
import { findProgram, findPrograms } from '../../host/run.ts';
import { tryLayout } from '../../dataplane/kernel-parts.ts';
import { familyOf } from '../../ip/family.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { addressesOf, ingressInterfaceOf } from '../../records/sections.ts';
import { rangeSetsOf } from '../../records/sections/link.ts';
import { count } from '../../repair/survey/words.ts';
import type { Check, Trouble } from './check.ts';
import { readTrimmed } from './read.ts';

/** Checks of the host itself. */
export const hostChecks: readonly Check[] = [
  { name: 'programs', about: 'programs that are needed', run: checkPrograms },
  { name: 'kernel', about: 'nftables in the kernel', run: checkKernel },
  { name: 'forwarding', about: 'forwarding', run: checkForwarding },
  { name: 'routes', about: 'default routes', run: checkRoutes },
  { name: 'bridge-netfilter', about: 'br_netfilter', run: checkBridgeNetfilter },
  { name: 'ipv6', about: 'IPv6', run: checkIpv6 },
  { name: 'conntrack', about: 'the table of connections', run: checkConntrack },
  { name: 'clock', about: 'the clock', run: checkClock },
  { name: 'disk', about: 'room on file systems', run: checkDisk },
];

const programs: readonly {
  readonly name: string;
  readonly of: string;
  readonly severity: Trouble['severity'];
  readonly why: string;
}[] = [
  { name: 'ip', of: 'iproute2', severity: 'problem', why: 'interfaces are made with it: no container can be added' },
  { name: 'nft', of: 'nftables', severity: 'problem', why: 'every rule is written with it: no container can be added' },
  {
    name: 'nsenter',
    of: 'util-linux',
    severity: 'problem',
    why: 'it enters the namespaces of containers: none can be added',
  },
  {
    name: 'conntrack',
    of: 'conntrack',
    severity: 'warning',
    why: 'without it old UDP flows go on to containers that are gone, and after a policy is tightened each packet of an old connection is judged',
  },
];

async function checkPrograms(): Promise<Trouble[]> {
  const missing = programs
    .filter(({ name }) => findProgram(name) === undefined)
    .map(({ name, of, severity, why }): Trouble => ({
      severity,
      found: `"${name}" is not installed`,
      why,
      remedy: `apt-get install ${of}   # or the package of your distribution with "${name}"`,
    }));
  if (findProgram('nft') === undefined) return missing;
  const version = (await nftVersion()) ?? oldestNft;
  const several = await differentVersions();
  if (compareVersions(version, oldestNft) >= 0) return [...missing, ...several];
  return [
    ...missing,
    ...several,
    {
      severity: 'problem',
      found: `nft is of version ${version}`,
      why: `rules are written for ${oldestNft} or later: this one may not read them`,
      remedy: 'apt-get install nftables   # of a release with a newer one',
    },
  ];
}

/**
 * nft 1.0.9 ends with a segmentation fault where it lists what 1.1.3 wrote: both are on a host with an own build beside
 * the package.
 */
async function differentVersions(): Promise<Trouble[]> {
  const found = await Promise.all(
    findPrograms('nft').map(async (file) => ({ file, version: await nftVersion(file).catch(() => undefined) })),
  );
  if (new Set(found.map(({ version }) => version)).size < 2) return [];
  return [
    {
      severity: 'warning',
      found: `nft is installed in several versions: ${found.map(({ file, version }) => `"${file}" is ${version ?? 'broken'}`).join(', ')}`,
      why: 'an older version may fail to list what a newer one has written, or crash on it',
      remedy: `ls -l ${found.map(({ file }) => file).join(' ')}   # keep that of your distribution's package`,
    },
  ];
}

/** As Array.sort() wants it: "1.0.10" comes after "1.0.9". */
export function compareVersions(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

async function checkKernel(): Promise<Trouble[]> {
  if (findProgram('nft') === undefined) return [];
  try {
    await tryLayout();
    return [];
  } catch (error) {
    const { message, details } = error instanceof CniError ? error : { message: String(error), details: undefined };
    return [
      {
        severity: 'problem',
        found: message,
        why: 'rules cannot be written: no container can be added',
        ...(details === undefined ? { remedy: 'modprobe nf_tables' } : { remedy: details, isAdvice: true }),
      },
    ];
  }
}

async function checkForwarding({ attachments }: Survey): Promise<Trouble[]> {
  const addresses = attachments.flatMap(({ record }) => addressesOf(record));
  const whole = ([4, 6] as const).flatMap((family): Trouble[] => {
    const name = family === 4 ? 'net.ipv4.ip_forward' : 'net.ipv6.conf.all.forwarding';
    const isNeeded = addresses.some((address) => familyOf(address) === family);
    if (!isNeeded || readTrimmed(`/proc/sys/${name.replaceAll('.', '/')}`) !== '0') return [];
    return [
      {
        severity: 'problem',
        found: `${name} is 0`,
        why: `containers reach nothing beyond the host over IPv${family}; to them it looks like "no route to host" or silence`,
        remedy: `sysctl -w ${name}=1`,
        fix: async () => enableForwarding([family]),
      },
    ];
  });
  return [...whole, ...(await checkForwardingAtInterfaces(attachments))];
}

/** Of the two sides of a way out, those that are off while the host forwards. */
async function checkForwardingAtInterfaces(attachments: Survey['attachments']): Promise<Trouble[]> {
  const using = attachments.filter(({ record }) => addressesOf(record).some((address) => familyOf(address) === 4));
  if (using.length === 0) return [];
  const bridges = using.flatMap(({ record }) => ingressInterfaceOf(record) ?? []);
  return interfacesWithoutForwarding([...bridges, ...(await uplinks())]).map((name): Trouble => ({
    severity: 'problem',
    found: `the host forwards IPv4, but not what comes in by "${name}": net/ipv4/conf/${name}/forwarding is 0`,
    why: bridges.includes(name)
      ? 'what its containers send beyond the host is dropped silently'
      : 'what containers send goes out, and the answers that come in there are dropped silently',
    remedy: forwardingCommand(name),
    fix: async () => enableForwardingAt(name),
  }));
}

async function checkRoutes({ attachments }: Survey): Promise<Trouble[]> {
  if (attachments.length === 0) return [];
  const routes = ((await showJson(['-4', 'route', 'show', 'default'])) ?? []) as unknown[];
  if (routes.length > 0) return [];
  return [
    {
      severity: 'warning',
      found: 'the host has no default route of IPv4',
      why: 'the host and its containers reach only the networks that the host is on',
      remedy: 'ip route add default via GATEWAY',
    },
  ];
}

/** Not changed by us: others rely on it either way (moby#48492). */
function checkBridgeNetfilter(): Trouble[] {
  const on = ['iptables', 'ip6tables'].filter(
    (name) => readTrimmed(`/proc/sys/net/bridge/bridge-nf-call-${name}`) === '1',
  );
  if (on.length === 0) return [];
  return [
    {
      severity: 'notice',
      found: `br_netfilter hands bridged packets to ${on.join(' and ')}`,
      why: 'what containers on one bridge send to each other passes the FORWARD rules of other firewalls too, and isolated ones do not reach what a sibling publishes at an address of the host; our own rules hold with and without it',
      remedy: `sysctl -w ${on.map((name) => `net.bridge.bridge-nf-call-${name}=0`).join(' ')}   # unless something else relies on it, as Docker and Kubernetes do`,
    },
  ];
}

function checkIpv6({ attachments }: Survey): Trouble[] {
  if (!hasIpv6()) {
    const wanting = attachments.filter(
      ({ record: { link } }) => link !== undefined && rangeSetsOf(link).some(({ family }) => family === 6),
    );
    return wanting.length === 0
      ? []
      : [
          {
            severity: 'problem',
            found: 'the kernel has no IPv6, and networks ask for it',
            why: 'containers of those networks cannot be added again',
            remedy: 'take the IPv6 ranges out of "ipam", or start the kernel without "ipv6.disable=1"',
            isAdvice: true,
          },
        ];
  }
  if (readTrimmed('/proc/sys/net/ipv6/conf/all/disable_ipv6') !== '1') return [];
  const using = attachments.filter(({ record }) => addressesOf(record).some((address) => familyOf(address) === 6));
  return [
    {
      severity: using.length === 0 ? 'warning' : 'problem',
      found: 'net.ipv6.conf.all.disable_ipv6 is 1',
      why:
        using.length === 0
          ? 'bridges get no IPv6 address'
          : `bridges have lost their IPv6 addresses, and ${count(using.length, 'container')} ${using.length === 1 ? 'reaches' : 'reach'} nothing over IPv6`,
      remedy: [
        'sysctl -w net.ipv6.conf.all.disable_ipv6=0',
        ...(using.length === 0 ? [] : ['drawbridge doctor --fix   # puts the addresses back']),
      ].join('\n'),
    },
  ];
}

function checkConntrack(): Trouble[] {
  const count = Number(readTrimmed('/proc/sys/net/netfilter/nf_conntrack_count'));
  const max = Number(readTrimmed('/proc/sys/net/netfilter/nf_conntrack_max'));
  if (!(max > 0) || count < max * 0.8) return [];
  return [
    {
      severity: count >= max * 0.95 ? 'problem' : 'warning',
      found: `the kernel follows ${count} connections of at most ${max}`,
      why: 'when the table is full, new connections are dropped silently: failures come and go',
      remedy: `sysctl -w net.netfilter.nf_conntrack_max=${max * 2}`,
    },
  ];
}

/** Milliseconds by which clocks of one host may differ. */
const tolerance = 60_000;

/** What was made in the future tells that the clock was set back. */
function checkClock({ attachments }: Survey): Trouble[] {
  const now = Date.now();
  const newest = Math.max(
    0,
    ...attachments.map(({ record }) => Date.parse(record.createdAt) || 0),
    statSync(process.execPath, { throwIfNoEntry: false })?.mtimeMs ?? 0,
  );
  if (newest <= now + tolerance) return [];
  return [
    {
      severity: 'warning',
      found: `it is ${new Date(now).toISOString()} by the clock, and something was made at ${new Date(newest).toISOString()}`,
      why: 'addresses of names expire by it, and certificates fail to verify',
      remedy: 'timedatectl set-ntp true',
    },
  ];
}

/** Bytes; a record is a few thousand. */
const little = 1024 * 1024;

function checkDisk(): Trouble[] {
  return [runDir, stateDir].flatMap((folder): Trouble[] => {
    for (const path of [folder, folder.replace(/\/[^/]*$/, '')]) {
      try {
        const { bavail, bsize, files, ffree } = statfsSync(path);
        const isFull = bavail * bsize < little || (files > 0 && ffree === 0);
        return isFull
          ? [
              {
                severity: 'problem',
                found: `the file system of "${folder}" is full`,
                why: 'a record cannot be written, so no container can be added',
                remedy: `df -h ${path}; df -i ${path}`,
              },
            ]
          : [];
      } catch {
        continue;
      }
    }
    return [];
  });
}

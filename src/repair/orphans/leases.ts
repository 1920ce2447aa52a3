import { listReadable } from '../../host/files.ts';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname } from 'node:path/posix';
import { runIn } from '../../host/ip.ts';
import { stateDir } from '../../host/paths.ts';
import { formatAddress, readAnyAddress } from '../../ip/address.ts';
import { findLease, findLeases, isAbandoned, isHeldBy, removeLease, type FoundLease } from '../../ipam/store.ts';
import { mayBeAlive } from '../../records/alive.ts';
import { attachmentKey } from '../../records/key.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { leaseFolderOf } from '../../records/sections.ts';
import { listRecords } from '../../records/store.ts';
import type { Finding, RecordSurvey } from './finding.ts';

/** Milliseconds in which whoever took a lease gives the address to an interface. */
const grace = 2000;

/**
 * Leases of our networks that no living container holds: no record of one names them, and no network namespace of
 * the host has the address. The second question is for plugins that share the folder with us.
 */
export async function findLeftLeases({ records, unclear, dead }: RecordSurvey): Promise<Finding[]> {
  const folders = leaseFolders(records);
  const suspects = folders.flatMap((folder) =>
    [...findLeases(folder)]
      .filter((lease) => isSuspect(lease, { folder, records, unclear, dead }))
      .map((lease) => ({ folder, lease })),
  );
  if (suspects.length === 0) return [];
  const used = await usedAddresses();
  return suspects
    .filter(({ lease }) => !used.has(canonical(lease.address)))
    .map(({ folder, lease }) => ({
      kind: 'lease',
      name: lease.address,
      network: basename(folder),
      ...(lease.holder === undefined ? {} : { containerId: lease.holder.containerId }),
      why: lease.holder === undefined ? 'the file is empty, and has been for a while' : 'its container is gone',
      remove: async () => {
        const now = findLease(folder, lease.address);
        if (now === undefined) return true;
        const { records: current, broken } = listRecords();
        const present = { records: current, unclear: broken.filter(mayBeAlive), dead };
        if (!isSuspect(now, { folder, ...present })) return false;
        return removeLease(now);
      },
    }));
}

/** Folders that our address management has used: the stamps that tell a reboot name them. */
export function leaseFolders(records: readonly AttachmentRecord[]): string[] {
  const recorded = records.flatMap((record) => {
    const folder = leaseFolderOf(record);
    return folder === undefined ? [] : [`${folder}/${record.network}`];
  });
  const stamped = listReadable(`${stateDir}/boot`).flatMap((name) => {
    try {
      const { subject } = JSON.parse(readFileSync(`${stateDir}/boot/${name}`, 'utf8')) as { subject?: unknown };
      return typeof subject === 'string' && subject.startsWith('/') ? [subject] : [];
    } catch {
      return [];
    }
  });
  return [...new Set([...recorded, ...stamped])].toSorted();
}

function isSuspect(
  lease: FoundLease,
  { folder, records, unclear, dead }: { folder: string } & Pick<RecordSurvey, 'records' | 'unclear' | 'dead'>,
): boolean {
  if (lease.holder === undefined) return isAbandoned(lease);
  // Those of the old form name no interface.
  const { containerId, ifname = 'eth0' } = lease.holder;
  const key = attachmentKey({ network: basename(folder), containerId, ifname });
  if (unclear.some((record) => record.key === key)) return false;
  if (lease.stats.ctimeMs > Date.now() - grace) return false;
  const owner = records.find(
    (record) =>
      record.network === basename(folder) &&
      isHeldBy(lease.holder, record) &&
      (leaseFolderOf(record) ?? dirname(folder)) === dirname(folder),
  );
  return owner === undefined || dead.has(owner.key);
}

/** Every address of every network namespace that a process is in or that is pinned by a mount (proc(5), nsfs). */
async function usedAddresses(): Promise<Set<string>> {
  const texts: string[] = [];
  const seen = new Set<string>();
  for (const pid of listReadable('/proc').filter((name) => /^\d+$/.test(name))) {
    const inode = namespaceOf(pid);
    if (inode === undefined || seen.has(inode)) continue;
    seen.add(inode);
    texts.push(read(`/proc/${pid}/net/fib_trie`), read(`/proc/${pid}/net/if_inet6`));
  }
  for (const [, inode = '', path = ''] of read('/proc/self/mountinfo').matchAll(
    /^\d+ \d+ \d+:\d+ (net:\[\d+\]) (\S+) /gm,
  )) {
    if (seen.has(inode)) continue;
    seen.add(inode);
    const netns = path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    try {
      texts.push((await runIn(netns, 'cat', ['/proc/self/net/fib_trie', '/proc/self/net/if_inet6'])).stdout);
    } catch {
      // It went away in the meantime, or has no IPv6: what cat printed before that is lost, so nothing of it is known.
      texts.push(
        await runIn(netns, 'cat', ['/proc/self/net/fib_trie']).then(
          ({ stdout }) => stdout,
          () => '',
        ),
      );
    }
  }
  return new Set(texts.flatMap(addressesIn));
}

/** fib_trie has "|-- 10.88.0.2" and below it "/32 host LOCAL"; if_inet6 has 32 hexadecimal digits at the beginning. */
function addressesIn(text: string): string[] {
  const four = [...text.matchAll(/\|-- ([\d.]+)\n\s+\/32 host LOCAL/g)].map(([, address = '']) => address);
  const six = [...text.matchAll(/^([0-9a-f]{32}) [0-9a-f]{2} /gm)].map(([, digits = '']) =>
    canonical(digits.replaceAll(/(.{4})(?=.)/g, '$1:')),
  );
  return [...four, ...six];
}

function namespaceOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function canonical(text: string): string {
  const address = readAnyAddress(text);
  return address === undefined ? text : formatAddress(address);
}

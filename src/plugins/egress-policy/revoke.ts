import { judge } from '../../egress/judge.ts';
import { openAddresses } from '../../egress/names-lifetimes.ts';
import { recallName } from '../../egress/names-store.ts';
import { deleteArguments, listArguments, parseFlows, type Flow } from '../../egress/requalify.ts';
import { CommandError, findProgram, run } from '../../host/run.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import type { EnforcedRecord } from './enforce.ts';
import { readHostAddresses, surroundingsOf } from './surroundings.ts';

/** Whether connections can be ended one by one; without the program they can only be judged packet by packet. */
export function canForgetFlows(): boolean {
  return findProgram('conntrack') !== undefined;
}

/**
 * Ends the connections that containers began and that their policy denies now, and no other: those that it still
 * allows go on undisturbed. Returns how many were ended.
 */
export async function forgetDeniedFlows(
  enforced: readonly EnforcedRecord[],
  records: readonly AttachmentRecord[],
): Promise<number> {
  if (!canForgetFlows()) return 0;
  const hostAddresses = await readHostAddresses();
  const bySource = Map.groupBy(
    await listBegunBy(enforced.flatMap(({ egress }) => egress.addresses)),
    ({ source }) => source,
  );
  let ended = 0;
  for (const record of enforced) {
    const flows = record.egress.addresses.flatMap((address) => bySource.get(address) ?? []);
    if (flows.length === 0) continue;
    const surroundings = surroundingsOf(record, records, hostAddresses);
    const names = await namesByAddress(record);
    const denied = flows.filter(
      (flow) => judge(record.egress.policy, destinationOf(flow, names), surroundings).verdict === 'deny',
    );
    for (let at = 0; at < denied.length; at += together) await Promise.all(denied.slice(at, at + together).map(end));
    ended += denied.length;
  }
  return ended;
}

/** Programs at once. */
const together = 16;

/** Addresses up to which each is asked for by itself. */
const few = 8;

async function listBegunBy(addresses: readonly string[]): Promise<Flow[]> {
  if (addresses.length <= few) {
    const listed = await Promise.all(addresses.map(async (address) => tolerant(listArguments(address, 'begun'))));
    return listed.flatMap(parseFlows);
  }
  const wanted = new Set(addresses);
  const listed = await Promise.all(['ipv4', 'ipv6'].map(async (family) => tolerant(['-L', '-f', family])));
  const lines = listed.flatMap((text) => text.split('\n'));
  return parseFlows(lines.filter((line) => wanted.has(/ src=(\S+)/.exec(line)?.[1] ?? '')).join('\n'));
}

async function end(flow: Flow): Promise<void> {
  await tolerant(deleteArguments(flow));
}

/** conntrack ends with 1 when there is nothing of the kind, which is as good. */
async function tolerant(args: readonly string[]): Promise<string> {
  try {
    return (await run('conntrack', args, { deadline: 5000 })).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 1) return error.stdout;
    throw error;
  }
}

function destinationOf(
  { protocol, destination, destinationPort }: Flow,
  names: ReadonlyMap<string, string[]>,
): Parameters<typeof judge>[1] {
  const known = names.get(destination);
  return {
    address: destination,
    protocol: protocol === 'icmpv6' ? 'icmp' : protocol,
    ...(destinationPort === undefined ? {} : { port: destinationPort }),
    ...(known === undefined ? {} : { names: known }),
  };
}

async function namesByAddress({ egress: { policy } }: EnforcedRecord): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (const name of new Set(policy.names.map((rule) => rule.name))) {
    const known = await recallName(name, policy.dns.upstream);
    if (known === undefined) continue;
    for (const { address } of openAddresses(known, {
      now: Date.now(),
      refreshIntervalMinutes: policy.refreshIntervalMinutes,
    })) {
      found.set(address, [...(found.get(address) ?? []), name]);
    }
  }
  return found;
}

import { applyCommands } from '../host/apply.ts';
import { findLink } from '../host/interfaces.ts';
import { readHostAddresses } from '../host/networks.ts';
import { enableForwarding, interfacesWithoutForwarding, unforwarded, writeSysctls } from '../host/sysctl.ts';
import { readWays } from '../host/ways.ts';
import type { LinkCommand } from '../links/command.ts';
import { planHostRoutes, planRoutedAddresses, planRoutedSysctls } from '../links/routed.ts';
import { familiesOf } from '../ip/family.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { routedEndOf } from '../records/sections.ts';

/** What is not as it should be with the host's end of a routed container, and what mends it. */
export interface RoutedTrouble {
  readonly record: AttachmentRecord;
  /** One sentence without a period. */
  readonly what: string;
  readonly commands: readonly LinkCommand[];
}

/**
 * Compares the host's ends of routed containers with their records: gateway addresses, and routes to the containers.
 * One that is down or gone is nobody's to repair.
 */
export async function routedTroubles(records: readonly AttachmentRecord[]): Promise<RoutedTrouble[]> {
  const ends = records.flatMap((record) => {
    const end = routedEndOf(record);
    return end === undefined || findLink(end.hostInterface)?.isUp !== true ? [] : [{ record, end }];
  });
  if (ends.length === 0) return [];
  const [addresses, ways] = await Promise.all([readHostAddresses(), readWays()]);
  const present = new Set(addresses.map((one) => `${one.interface} ${one.address}`));
  return ends.flatMap(({ record, end }) => {
    const name = end.hostInterface;
    const lost = end.gateways.filter((address) => !present.has(`${name} ${address}`) && !address.startsWith('fe80:'));
    const routes = planHostRoutes(end).filter(({ dst }) => !ways.has(`${name} ${dst}`));
    const what = [
      ...(lost.length === 0 ? [] : [`"${name}" had lost its address ${lost.join(' and ')}`]),
      ...(routes.length === 0 ? [] : [`the host had no route to ${routes.map(({ dst }) => dst).join(' and ')}`]),
    ];
    if (what.length === 0) return [];
    return [{ record, what: what.join(', and '), commands: [...planRoutedAddresses(end), ...routes] }];
  });
}

/** Puts back what is missing, forwarding too. Returns what was repaired, one sentence each. Throws code 100. */
export async function repairRouted(records: readonly AttachmentRecord[]): Promise<string[]> {
  const ends = records.flatMap((record) => routedEndOf(record) ?? []);
  const families = familiesOf(ends.flatMap(({ addresses }) => addresses));
  const off = unforwarded(families);
  if (off.length > 0) enableForwarding(off);
  const deaf = interfacesWithoutForwarding(ends.map(({ hostInterface }) => hostInterface));
  writeSysctls(ends.filter(({ hostInterface }) => deaf.includes(hostInterface)).flatMap(planRoutedSysctls));
  const troubles = await routedTroubles(records);
  for (const { commands } of troubles) await applyCommands(commands);
  return [
    ...off.map((family) => `Forwarding of IPv${family} was off`),
    ...deaf.map((name) => `Forwarding of IPv4 was off at "${name}"`),
    ...troubles.map(({ what }) => `${what.charAt(0).toUpperCase()}${what.slice(1)}`),
  ];
}

import { existsSync } from 'node:fs';
import { listLinks } from '../../host/interfaces.ts';
import { runDir } from '../../host/paths.ts';
import { findProgram } from '../../host/run.ts';
import { hardwareAddressOf } from '../../links/hardware-address.ts';
import type { LinkState } from '../../links/state.ts';
import { mayBeAlive } from '../../records/alive.ts';
import { hostInterfaceOf } from '../../records/key.ts';
import { hostInterfacesOf } from '../../records/sections.ts';
import { listRecords, type RecordList } from '../../records/store.ts';
import { readTable } from '../../host/held-tables.ts';

/**
 * Host ends of veth pairs that are ours, by name and MAC, and that no record names. A record that cannot be read still
 * tells by its name which interface is its own.
 */
export function findStrays({ records, broken }: RecordList): LinkState[] {
  const named = new Set([...records.flatMap(hostInterfacesOf), ...broken.map(({ key }) => hostInterfaceOf(key))]);
  return listLinks().filter(
    ({ name, kind, mac }) =>
      kind === 'veth' && /^veth[0-9a-f]{11}$/.test(name) && mac === hardwareAddressOf(name) && !named.has(name),
  );
}

/**
 * Whether containers may live here that no record tells of: their records are in another root (that of a container with
 * the host's network), were lost, or cannot be read. Then nobody can say of a rule that it is nobody's.
 */
export async function isUnclear(listed: RecordList = listRecords()): Promise<boolean> {
  return (
    listed.broken.some(mayBeAlive) ||
    findStrays(listed).some(({ master }) => master !== undefined) ||
    (areRecordsElsewhere() && findProgram('nft') !== undefined && (await readTable('inet drawbridge')) !== undefined)
  );
}

/** The first ADD makes the folder, and nobody but "uninstall" removes it. */
export function areRecordsElsewhere(): boolean {
  return !existsSync(`${runDir}/attachments`);
}

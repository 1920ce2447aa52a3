import { listLinks } from '../host/interfaces.ts';
import { hardwareAddressOf } from '../links/hardware-address.ts';
import type { LinkState } from '../links/state.ts';
import { hostInterfaceOf } from './key.ts';
import { hostInterfacesOf } from './sections.ts';
import { listRecords, type RecordList } from './store.ts';

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

/** Whether a container behind it would reach something: it is a port of a bridge, or the host routes to it. */
export function isConnected({ master, group = 0 }: LinkState): boolean {
  return master !== undefined || group !== 0;
}

/**
 * Whether containers live under our rules that no record tells of, because their records were lost: ports of bridges
 * that are ours, and routed veths. `key` is of an attachment that is known of, though it may have no record.
 */
export function hasUnrecorded(key: string): boolean {
  const own = hostInterfaceOf(key);
  return findStrays(listRecords()).some((stray) => isConnected(stray) && stray.name !== own);
}

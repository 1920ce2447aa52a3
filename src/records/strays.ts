import { listLinks } from '../host/interfaces.ts';
import { hardwareAddressOf } from '../links/hardware-address.ts';
import type { LinkState } from '../links/state.ts';
import { isOwnTap } from '../links/tap.ts';
import { hostInterfaceOf, hostTapNameOf } from './key.ts';
import { hostInterfacesOf } from './sections.ts';
import { listRecords, type RecordList } from './store.ts';

/**
 * Host ends of veth pairs and taps that are ours, by name and MAC, and that no record names. A record that cannot be
 * read still tells by its name which interface is its own.
 */
export function findStrays({ records, broken }: RecordList): LinkState[] {
  const named = new Set([
    ...records.flatMap(hostInterfacesOf),
    ...broken.flatMap(({ key }) => [hostInterfaceOf(key), hostTapNameOf(key)]),
  ]);
  return listLinks().filter((one) => (isOwnVeth(one) || isOwnTap(one)) && !named.has(one.name));
}

function isOwnVeth({ name, kind, mac }: LinkState): boolean {
  return kind === 'veth' && /^veth[0-9a-f]{11}$/.test(name) && mac === hardwareAddressOf(name);
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
  const own = [hostInterfaceOf(key), hostTapNameOf(key)];
  return findStrays(listRecords()).some((stray) => isConnected(stray) && !own.includes(stray.name));
}

import { warn } from '../cni/warn.ts';
import { loopbackUse } from '../dataplane/elements/publication.ts';
import { isRouteLocalnet, routeLocalnetByDefault, writeSysctls } from '../host/sysctl.ts';
import { sharedByOthers } from './index-files.ts';
import type { AttachmentRecord } from './record.ts';
import { loopbackInterfacesOf } from './sections.ts';

/** Turns `route_localnet` on where the ports of an attachment need it. To be called when its rules are in force. */
export function openLoopback(record: AttachmentRecord): void {
  for (const name of loopbackInterfacesOf(record)) setLoopback(name, '1');
}

/**
 * Turns it off with the last attachment behind an interface that needs it: without our rules an address of 127.0.0.0/8
 * would be the host's to everybody there. Where the host has it on by default it stays. To be called when the rules are
 * gone.
 */
export function closeLoopback(name: string, key: string): void {
  const isNeeded = (): boolean => sharedByOthers(loopbackUse(name), key);
  if (isNeeded() || routeLocalnetByDefault()) return;
  setLoopback(name, '0');
  // One that came meanwhile may have turned it on before.
  if (isNeeded()) setLoopback(name, '1');
}

/**
 * Interfaces of attachments that need `route_localnet` and do not have it, and bridges of ours that have it in vain.
 */
export function misplacedLoopback(records: readonly AttachmentRecord[], bridges: readonly string[]): MisplacedLoopback {
  const wanted = [...new Set(records.flatMap(loopbackInterfacesOf))];
  return {
    missing: wanted.filter((name) => isRouteLocalnet(name) === false),
    inVain: routeLocalnetByDefault()
      ? []
      : bridges.filter((name) => !wanted.includes(name) && isRouteLocalnet(name) === true),
  };
}

export interface MisplacedLoopback {
  readonly missing: readonly string[];
  readonly inVain: readonly string[];
}

/** Turns it on or off at an interface; warns where that is not allowed. */
export function setLoopback(name: string, value: '0' | '1'): void {
  const file = `ipv4/conf/${name}/route_localnet`;
  const without =
    value === '1'
      ? 'published ports are not reached through 127.0.0.1'
      : '127.0.0.1 of the host is reached from there should our rules be removed';
  writeSysctls([{ file, value, without }]).forEach(warn);
}

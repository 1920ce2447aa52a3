import { findLink } from '../../host/interfaces.ts';
import { isUnheldTap } from '../../links/tap.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { guestOf, hostTapOf } from '../../records/sections.ts';

/** What is true of a guest of a VM whatever its policy says. */
export function guestNotes(record: AttachmentRecord): string[] {
  const tap = guestOf(record)?.tap;
  if (tap === undefined) return [];
  const held = hostTapOf(record) === undefined ? undefined : findLink(tap);
  return [
    ...(held !== undefined && isUnheldTap(held) ? [`no process holds its tap "${tap}": the guest does not run`] : []),
    'vsock, shared folders and devices of its VM pass no firewall',
  ];
}

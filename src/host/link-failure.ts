import { familyOf } from '../ip/family.ts';
import type { LinkCommand } from '../links/command.ts';
import { errnos } from './netlink/errno.ts';

/** Why a command failed, as far as a caller can do something about it. */
export type LinkFailure =
  | 'exists'
  | 'missing'
  | 'no-such-address'
  | 'ipv6-disabled'
  | 'netns'
  | 'unreachable'
  | 'unsupported'
  | 'not-permitted'
  | 'full'
  | 'other';

/** What the kernel means by a number of errno(3) that it answers a command with. */
export function failureOf(errno: number, command: LinkCommand | undefined): LinkFailure {
  // The one rule of IPv6 that is no matter of rights.
  if (errno === errnos.EACCES && isOfIpv6(command)) return 'ipv6-disabled';
  if (errno === errnos.EINVAL && command !== undefined && 'via' in command) return 'unreachable';
  return byKind(errno, command?.kind) ?? reasons[errno] ?? 'other';
}

/**
 * A tap is refused with EBUSY where there is one of the name, and with EINVAL where there is another kind of interface
 * (tun_set_iff of drivers/net/tun.c); a queue that is to be removed with EINVAL where there is another one or none any
 * more (tc_get_qdisc of net/sched/sch_api.c).
 */
function byKind(errno: number, kind: LinkCommand['kind'] | undefined): LinkFailure | undefined {
  if (kind === 'addTap') return tapReasons[errno];
  return kind === 'deleteQueue' && errno === errnos.EINVAL ? 'missing' : undefined;
}

const tapReasons: Readonly<Record<number, LinkFailure>> = {
  [errnos.EBUSY]: 'exists',
  [errnos.EINVAL]: 'exists',
  [errnos.ENOENT]: 'unsupported',
  [errnos.ENODEV]: 'unsupported',
};

const reasons: Readonly<Record<number, LinkFailure>> = {
  [errnos.EEXIST]: 'exists',
  [errnos.ENODEV]: 'missing',
  [errnos.ENOENT]: 'missing',
  [errnos.EADDRNOTAVAIL]: 'no-such-address',
  [errnos.ENETUNREACH]: 'unreachable',
  [errnos.EHOSTUNREACH]: 'unreachable',
  [errnos.EOPNOTSUPP]: 'unsupported',
  [errnos.EXFULL]: 'full',
  [errnos.EPERM]: 'not-permitted',
};

/** The kernel refuses addresses and routes of an interface whose "disable_ipv6" is 1 with EACCES. */
function isOfIpv6(command: LinkCommand | undefined): boolean {
  if (command === undefined) return false;
  const destination = 'address' in command ? command.address : 'dst' in command ? command.dst : '';
  return familyOf(destination) === 6;
}

import { CniError, codes } from '../cni/errors.ts';
import type { VethPlan } from '../links/veth.ts';
import { findLink, readInterface } from './interfaces.ts';

/**
 * Whether what is in the way of a new link was left by a lost DEL. The kernel says "exists" for either end of a veth:
 * only when the container has no such interface is it the host's. A tap with a name that somebody chose may be another
 * attachment's.
 */
export async function isLeftover({ netns, ifname, hostInterface, hostTap }: VethPlan): Promise<boolean> {
  if (hostTap !== undefined) return hostTap.isNameDerived && findLink(hostInterface)?.mac === hostTap.mac;
  if ((await readInterface(ifname, { netns })) !== undefined) return false;
  return (await readInterface(hostInterface)) !== undefined;
}

export function existsAlready({ ifname, netns, hostInterface, hostTap }: VethPlan): CniError {
  if (hostTap !== undefined)
    return new CniError(
      codes.conflict,
      `Cannot create the tap "${hostInterface}": the host has an interface of that name`,
      'Choose another "name" for the tap, or remove that interface: "drawbridge list" and "drawbridge clean" say whether it is ours',
    );
  return new CniError(
    codes.conflict,
    `Cannot create "${ifname}" in "${netns}": container veth name ("${ifname}") already exists`,
    'An interface is added once; send a DEL before the next ADD, or choose another CNI_IFNAME',
  );
}

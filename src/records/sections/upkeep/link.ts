import { delegateDel, delegationOf, type Delegation } from '../../../cni/delegate.ts';
import { Fields } from '../../../cni/fields.ts';
import type { Request } from '../../../cni/request.ts';
import { isSupported, type SpecVersion } from '../../../cni/versions.ts';
import { warn } from '../../../cni/warn.ts';
import { forgetUdpFlows } from '../../../host/conntrack.ts';
import { findLink } from '../../../host/interfaces.ts';
import { netnsExists } from '../../../host/netns.ts';
import { removeTap } from '../../../host/tap.ts';
import { removeVeth, takeDown } from '../../../host/veth.ts';
import { ipamOf } from '../../../ipam/conf-of-request.ts';
import { release } from '../../../ipam/leases.ts';
import { defaultDataDir } from '../../../ipam/ranges.ts';
import { isPeerDown } from '../../../links/state.ts';
import { isUnheldTap } from '../../../links/tap.ts';
import type { AttachmentRecord, LinkRecord } from '../../record.ts';
import { isTapOf } from '../../own-tap.ts';
import { hostsOf, settingsOf } from '../link.ts';
import { linkDifferences } from './link-differences.ts';
import type { Glance, Upkeep } from './upkeep.ts';

export const link: Upkeep<LinkRecord> = {
  differences: linkDifferences,
  glance,
  // Also where the namespace has lost its path: a process may still be in it.
  close: async (value, record) => {
    if (value.enforced === true && isOwnLink(value, record)) await takeDown(value.hostInterface);
  },
  delegate: async (value, record, told) => {
    if (isDelegated(value)) await delegateDel(delegationFor(value, record, told));
  },
  unlink: async (value, record) => {
    const { netns } = record;
    if (isOwnLink(value, record)) await removeVeth(value.hostInterface);
    // It stays in a namespace that lives on.
    const { tap } = settingsOf(value);
    if (tap !== undefined && netnsExists(netns)) await removeTap(tap.name, netns);
  },
  // Its own leases alone are looked at, where it is known which they are.
  release: async (value, record) => {
    const { ipam } = value;
    const known = hostsOf(value);
    if (ipam.type === 'host-local')
      release(ipam.dataDir ?? defaultDataDir, record, known.length === 0 ? undefined : known);
  },
  forget: async ({ ports }) => (await forgetUdpFlows(ports.filter(({ protocol }) => protocol === 'udp'))).forEach(warn),
};

/** The name of a veth is made of its attachment; that of a tap may be anybody's. */
function isOwnLink(value: LinkRecord, { key }: AttachmentRecord): boolean {
  return settingsOf(value).hostTap === undefined || isTapOf(value.hostInterface, key);
}

function glance(value: LinkRecord, { state, ifname }: AttachmentRecord): Glance[] {
  const { hostInterface, bridge } = value;
  const found = findLink(hostInterface);
  const master = bridge === undefined ? undefined : findLink(bridge);
  const own = `its interface "${hostInterface}"`;
  const isTap = settingsOf(value).hostTap !== undefined;
  const troubles: (Glance | false)[] = [
    state === 'ready' && found === undefined && { kind: 'link', what: `${own} is gone` },
    state === 'ready' &&
      bridge !== undefined &&
      found !== undefined &&
      found.master === undefined && { kind: 'link', what: `${own} is on no bridge` },
    found?.isUp === false && { kind: 'link', what: `${own} is down` },
    found !== undefined &&
      isTap &&
      state === 'ready' &&
      isUnheldTap(found) && { kind: 'unused', what: `no process holds its tap "${hostInterface}"` },
    found !== undefined &&
      !isTap &&
      isPeerDown(found) && { kind: 'inside', what: `its interface "${ifname}" is down inside the container` },
    bridge !== undefined && master === undefined && { kind: 'link', what: `its bridge "${bridge}" is gone` },
    master?.isUp === false && { kind: 'link', what: `its bridge "${bridge}" is down` },
  ];
  return troubles.filter((one) => one !== false);
}

function isDelegated({ ipam: { type } }: LinkRecord): boolean {
  return type !== '' && type !== 'host-local';
}

/**
 * The plugin of a DEL is told what we are told, prevResult and runtimeConfig included (SPEC.md, "Plugin Delegation").
 * Of an attachment that nobody sends a DEL for there is the configuration of its ADD alone; and a DEL whose network has
 * moved to another plugin since says nothing to the one that gave the address.
 */
function delegationFor(
  { ipam, conf }: LinkRecord,
  { network, containerId, ifname }: AttachmentRecord,
  told: Request | undefined,
): Delegation {
  const { type } = ipam;
  const id = { network, containerId, ifname };
  const own = { type, path: ipam.path ?? foldersOfPlugins(), conf: JSON.stringify(conf), cniVersion: versionOf(conf) };
  if (told === undefined) return { ...own, id, netns: '' };
  const base = { ...delegationOf(told, type), id, netns: 'netns' in told ? told.netns : '' };
  return told.verb === 'DEL' && ipamOf(told).type === type ? base : { ...base, conf: own.conf };
}

/** Where to look for the plugin of a record of before 0.2.0, which does not say it. */
function foldersOfPlugins(): string[] {
  return (process.env['CNI_PATH'] ?? '/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni').split(':');
}

function versionOf(conf: LinkRecord['conf']): SpecVersion {
  const version = new Fields(conf).raw('cniVersion');
  return typeof version === 'string' && isSupported(version) ? version : '1.0.0';
}

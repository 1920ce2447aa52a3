import { readFileSync } from 'node:fs';
import type { LinkState } from '../links/state.ts';
import { findLink, listLinks } from './interfaces.ts';

/** Kinds of link that lead to a container: the other end of a pair. */
const pairs: readonly string[] = ['veth', 'netkit'];

/**
 * Ports of a bridge that lead elsewhere than to a container: NICs, bonds, VLAN interfaces, taps. What is named
 * as the kernel and runtimes name a veth is taken for one: a full bridge costs one list of names, not a description of
 * each.
 */
export function otherPorts(bridge: string): LinkState[] {
  const links = namesOfLinks()
    ?.filter((name) => !name.startsWith('veth'))
    .flatMap((name) => findLink(name) ?? []);
  return (links ?? listLinks()).filter(({ master, kind }) => master === bridge && !pairs.includes(kind));
}

/** The bridge that an interface is a port of; "" when it is none, or gone. */
export function masterOf(port: string): string {
  return findLink(port)?.master ?? '';
}

/** An interface of this host whose other end is a port of a bridge: what is sent there comes up to the host here. */
export interface BridgeGateway {
  readonly name: string;
  readonly bridge: string;
  readonly port: string;
}

/** Those that are there, of gateways in VLANs for one; each end of a pair between two bridges is a port and neither. */
export function bridgeGateways(): BridgeGateway[] {
  const links = listLinks();
  const byIndex = new Map(links.map((link) => [link.index, link]));
  return links.flatMap((link) => {
    if (!pairs.includes(link.kind) || link.master !== undefined || link.netnsId !== undefined) return [];
    const port = byIndex.get(link.otherEnd ?? 0);
    if (port?.master === undefined || port.otherEnd !== link.index || port.netnsId !== undefined) return [];
    return [{ name: link.name, bridge: port.master, port: port.name }];
  });
}

/** The bridge whose packets come up to the host at an interface: itself, unless it is a {@link BridgeGateway}. */
export function bridgeBehind(name: string): string {
  return bridgeGateways().find((gateway) => gateway.name === name)?.bridge ?? name;
}

/**
 * All names of the namespace that this process is in, two lines of heading before them; undefined where /proc does not
 * tell.
 */
function namesOfLinks(): string[] | undefined {
  try {
    const lines = readFileSync('/proc/net/dev', 'utf8').trimEnd().split('\n').slice(2);
    return lines.map((text) => text.slice(0, text.lastIndexOf(':')).trim());
  } catch {
    return undefined;
  }
}

/**
 * The one list of the parts that a record has. Whoever asks something of a record that any part may answer asks here;
 * a new part is a file in sections/, an entry here, and its upkeep in upkeep.ts.
 */
import type { RoutedEnd } from '../links/routed.ts';
import type { BridgePlan } from '../links/bridge.ts';
import type { PortSpec } from '../links/port.ts';
import type { HostTap } from '../links/tap.ts';
import type { Element } from '../nft/element.ts';
import type { RuleGroup } from '../nft/group.ts';
import type { PortMapping } from '../ports/mapping.ts';
import type { AttachmentRecord } from './record.ts';
import { egress } from './sections/egress.ts';
import { ingressPolicy } from './sections/ingress-policy.ts';
import { link } from './sections/link.ts';
import { pod } from './sections/pod.ts';
import { published } from './sections/published.ts';
import type { Claims, Guest, Section, SectionName, SectionValue } from './sections/section.ts';
import { redirected } from './sections/redirected.ts';
import { shaped } from './sections/shaped.ts';

const sections: { readonly [Name in SectionName]: Section<SectionValue<Name>> } = {
  link,
  egress,
  published,
  ingressPolicy,
  shaped,
  redirected,
  pod,
};

export const sectionNames = Object.keys(sections) as SectionName[];

/** Calls `visit` for each section that a record has, in the order of the list. */
export function mapSections<T>(
  record: AttachmentRecord,
  visit: <Name extends SectionName>(name: Name, value: SectionValue<Name>) => T,
): T[] {
  const one = <Name extends SectionName>(name: Name): T[] => {
    const value: AttachmentRecord[Name] = record[name];
    return value === undefined ? [] : [visit(name, value)];
  };
  return sectionNames.flatMap((name) => one(name));
}

/** The sections of a record, of its decoded JSON. Throws a TypeError that names the first key that is wrong. */
export function readSections(json: Readonly<Record<string, unknown>>): Partial<Record<SectionName, unknown>> {
  const present = sectionNames.filter((name) => json[name] !== undefined);
  return Object.fromEntries(present.map((name) => [name, sections[name].read(json[name])]));
}

/** What all sections want in our tables; an element may be there twice. */
export function elementsOf(record: AttachmentRecord): Element[] {
  return mapSections(record, (name, value) => sections[name].elements(value, record)).flat();
}

export function groupsOf(record: AttachmentRecord): RuleGroup[] {
  return mapSections(record, (name, value) => sections[name].groups?.(value, record) ?? []).flat();
}

const known = new WeakMap<AttachmentRecord, readonly Claims[]>();

/** What each section claims. */
export function claimsOf(record: AttachmentRecord): readonly Claims[] {
  const claims = known.get(record) ?? mapSections(record, (name, value) => sections[name].claims(value));
  known.set(record, claims);
  return claims;
}

/** A record without one of its sections; undefined when it has no other. */
export function withoutSection(record: AttachmentRecord, name: SectionName): AttachmentRecord | undefined {
  const rest: AttachmentRecord = { ...record };
  delete (rest as { -readonly [Key in SectionName]?: AttachmentRecord[Key] })[name];
  if (sectionNames.every((other) => rest[other] === undefined)) return undefined;
  return sections[name].leave?.(rest) ?? rest;
}

/** The record of an attachment that no longer publishes what stands in the way of `mapping`. */
export function withoutPort(record: AttachmentRecord, mapping: PortMapping): AttachmentRecord {
  const left = mapSections(record, (name, value) => [name, sections[name].withoutPort?.(value, mapping) ?? value]);
  return { ...record, ...(Object.fromEntries(left) as Partial<AttachmentRecord>) };
}

/** Addresses of the container without prefix length, each once. */
export function addressesOf(record: AttachmentRecord): string[] {
  return unique(claimsOf(record).flatMap(({ addresses = [] }) => addresses));
}

/** The same with prefix length, as far as that is known. */
export function prefixesOf(record: AttachmentRecord): string[] {
  const known = unique(claimsOf(record).flatMap(({ prefixes = [] }) => prefixes));
  return known.length === 0 ? addressesOf(record) : known;
}

/** Every port of the host that leads to it, whoever published them. */
export function portsOf(record: AttachmentRecord): PortMapping[] {
  return claimsOf(record).flatMap(({ ports = [] }) => ports);
}

/** The interface through which its packets enter the host: a bridge, or a lone veth. */
export function ingressInterfaceOf(record: AttachmentRecord): string | undefined {
  return ingressInterfacesOf(record)[0];
}

/** What it shares with its siblings: a bridge, or a network of routed containers. */
export function siblingPlaceOf(record: AttachmentRecord): string | undefined {
  return claimsOf(record).find(({ siblingsOf }) => siblingsOf !== undefined)?.siblingsOf ?? ingressInterfaceOf(record);
}

/** Whether the host routes to it, and it is on no bridge. */
export function isRouted(record: AttachmentRecord): boolean {
  return claimsOf(record).some(({ siblingsOf }) => siblingsOf !== undefined);
}

/** Every interface that its sections name so; more than one where it was added anew while an old section stayed. */
export function ingressInterfacesOf(record: AttachmentRecord): string[] {
  return interfacesWhere(record, () => true);
}

/** Those of them that nothing may leave without a policy. */
export function enforcedInterfacesOf(record: AttachmentRecord): string[] {
  return interfacesWhere(record, ({ isEnforced }) => isEnforced === true);
}

/** Those of them that other firewalls of the host were opened for. */
export function openedInterfacesOf(record: AttachmentRecord): string[] {
  return interfacesWhere(record, ({ isOpened }) => isOpened === true);
}

/** Those of them that need `route_localnet`, for a port that is published at 127.0.0.1. */
export function loopbackInterfacesOf(record: AttachmentRecord): string[] {
  return interfacesWhere(record, ({ isAtLoopback }) => isAtLoopback === true);
}

function interfacesWhere(record: AttachmentRecord, holds: (claims: Claims) => boolean): string[] {
  return unique(
    claimsOf(record)
      .filter(holds)
      .flatMap(({ ingressInterface }) => ingressInterface ?? []),
  );
}

/** The host's ends of its veth, each once; none where nobody of us knows one. */
export function hostInterfacesOf(record: AttachmentRecord): string[] {
  return unique(claimsOf(record).flatMap(({ hostInterface }) => hostInterface ?? []));
}

/** Whether any section asks the bridge to keep its port from the other isolated ones. */
export function isPortIsolated(record: AttachmentRecord): boolean {
  return claimsOf(record).some((claims) => claims.isPortIsolated === true);
}

/**
 * What its port has to be: of what several sections say of it the strictest, and the MAC that the last of the list had.
 */
export function portOf(record: AttachmentRecord): PortSpec | undefined {
  const specs = mapSections(record, (name, value) => sections[name].port?.(value)).filter((spec) => spec !== undefined);
  const [first] = specs;
  if (first === undefined) return undefined;
  const mac = specs.findLast((spec) => spec.mac !== undefined)?.mac;
  return {
    ...first,
    hairpin: specs.some(({ hairpin }) => hairpin === true),
    isolated: isPortIsolated(record),
    learns: specs.every(({ learns }) => learns !== false),
    ...(mac === undefined ? {} : { mac }),
  };
}

/** The bridges that were made for it, as they have to be. */
export function bridgesOf(record: AttachmentRecord): BridgePlan[] {
  return mapSections(record, (name, value) => sections[name].bridge?.(value)).filter((plan) => plan !== undefined);
}

/** The host's end of its veth, if it is routed. */
export function routedEndOf(record: AttachmentRecord): RoutedEnd | undefined {
  return mapSections(record, (name, value) => sections[name].routedEnd?.(value)).find((end) => end !== undefined);
}

/** Folder in which our address management keeps the leases of its network; undefined when it gave no address. */
export function leaseFolderOf(record: AttachmentRecord): string | undefined {
  return claimsOf(record).find(({ leaseFolder }) => leaseFolder !== undefined)?.leaseFolder;
}

/** The tap on the host that its guest is behind, in no namespace; undefined when it has none. */
export function hostTapOf(record: AttachmentRecord): HostTap | undefined {
  return claimsOf(record).find(({ hostTap }) => hostTap !== undefined)?.hostTap;
}

/** What a guest behind its tap is to be told; undefined when it has none. */
export function guestOf(record: AttachmentRecord): Guest | undefined {
  return claimsOf(record).find(({ guest }) => guest !== undefined)?.guest;
}

export function macOf(record: AttachmentRecord): string | undefined {
  return claimsOf(record).find(({ mac }) => mac !== undefined)?.mac;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

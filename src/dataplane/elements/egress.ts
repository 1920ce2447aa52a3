import { formatAddress, readAnyAddress } from '../../ip/address.ts';
import { familyOf } from '../../ip/family.ts';
import { interfacePart, plainText, type Element, type Part } from '../../nft/element.ts';
import type { AttachmentRecord, EgressRecord } from '../../records/record.ts';
import { answersChain, deniesWithin, withinChain } from '../../egress/compile-within.ts';
import { namesSet, policyChain } from '../../egress/policy-names.ts';
import { checksNames } from '../../egress/checked-names.ts';
import { connectionsChain, usualConnections } from '../../egress/connections.ts';
import type { NameRule, Policy } from '../../egress/policy.ts';
import { quotaChain, quotaGroups } from '../../egress/quota.ts';
import { vlanGatewayElements } from './vlan-gateway.ts';

/** What an attachment has in `table inet drawbridge`; none when no policy belongs to it. Sets: dataplane/catalogue. */
export function egressElements({ egress, key: recordKey, link }: AttachmentRecord): Element[] {
  if (egress === undefined)
    return link?.enforced === true
      ? enforcedElements(link.ingressInterface, link.bridge === undefined ? undefined : link.hostInterface)
      : [];
  const { policy, policyId, ingressInterface, port } = egress;
  const from = interfacePart(ingressInterface);
  const chain = policyChain(policyId);
  return [
    ...enforcedElements(ingressInterface, port),
    ...egress.addresses.filter((address) => familyOf(address) === 4).map((address) => inet('enforced_hosts4', address)),
    ...egress.addresses.flatMap((address) => {
      const key = [from, address];
      const n = familyOf(address);
      return [
        inet(`parties${n}`, address, address),
        { ...inet(`egress${n}`, ...key), value: { goto: chain } },
        { ...inet(`ingress${n}`, ...key), value: { goto: ingressChain(policy) } },
        ...(isolatesPort(policy) ? [] : [inet(`siblings${n}`, ...key)]),
        ...(deniesWithin(policy) ? [{ ...inet(`within${n}`, ...key), value: { jump: withinChain(chain) } }] : []),
        ...quotaGroups(recordKey, policy).map(({ id }) => ({
          ...inet(`quotas${n}`, ...key),
          value: { jump: quotaChain(id) },
        })),
      ];
    }),
    ...sourcesOf(egress).flatMap((address) => {
      const key = [from, address];
      const n = familyOf(address);
      const gateways = egress.gateways.filter((gateway) => familyOf(gateway) === n);
      return [
        inet(`sources${n}`, ...key),
        { ...inet(`connections${n}`, ...key), value: { goto: connectionsChain(mostConnections(egress)) } },
        ...(checksNames(policy) ? [inet(`verifying${n}`, ...key)] : []),
        { ...inet(`host${n}`, ...key), value: { goto: `${chain}_host` } },
        inet(`denials${n}`, ...key),
        ...[...new Set(gateways)].map((gateway) => inet(`gateways${n}`, ...key, gateway)),
      ];
    }),
  ];
}

/**
 * What an attachment has in `table bridge drawbridge`: everything about its port when it has a policy, the
 * source MAC alone when it only has `macspoofchk`.
 */
export function guardElements({ egress, link }: AttachmentRecord): Element[] {
  if (egress?.port !== undefined && egress.mac !== undefined) return portElements(egress, egress.port, egress.mac);
  if (link?.bridge === undefined) return [];
  if (egress === undefined && link.enforced === true) return closedPort(link.hostInterface);
  if (!link.macspoofchk) return [];
  const port = interfacePart(link.hostInterface);
  return [bridge('guard_mac_ports', port), bridge('guard_mac', port, link.mac)];
}

/**
 * One address that a name of a policy stands for, for all containers under that policy. `rule` is one of
 * the policy's, `timeoutSeconds` the lifetime after which the kernel forgets it; without one it stays.
 */
export function namesElement(
  policyId: string,
  address: string,
  rule: NameRule,
  timeoutSeconds: number | undefined,
  comment: string,
): Element {
  const timeout = timeoutSeconds === undefined ? {} : { timeout: timeoutSeconds };
  return { ...inet(namesSet(policyId, familyOf(address), rule), address), ...timeout, comment };
}

/** The address that an element of {@link namesElement} opens. */
export function openedAddress({ key: [address = ''] }: Element): string {
  return plainText(address);
}

/** Name under which the containers that are enforced behind an interface have it in common. */
export function enforcedUse(ingressInterface: string): string {
  return `enforced-${ingressInterface}`;
}

/** The link-local address that Linux makes of a MAC (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const bytes = mac.split(':').map((byte) => BigInt(`0x${byte}`));
  const [first = 0n, second = 0n, third = 0n, ...rest] = bytes;
  const id = [first ^ 2n, second, third, 0xffn, 0xfen, ...rest].reduce((value, byte) => (value << 8n) | byte, 0n);
  return formatAddress({ family: 6, value: (0xfe80n << 112n) | id });
}

/**
 * The addresses that the packets of an attachment may come from, without prefix length: its own, and its link-local
 * one.
 */
export function sourcesOf({ addresses, mac }: Pick<EgressRecord, 'addresses' | 'mac'>): string[] {
  return mac === undefined ? [...addresses] : [...addresses, linkLocalOf(mac)];
}

/** Connections that an attachment may have at once. */
export function mostConnections({ policy, usualConnections: usual }: EgressRecord): number {
  return policy.maxConnections ?? usual ?? usualConnections;
}

/**
 * Behind these nobody may send without a policy, the attachment itself included: what its own chains do not allow is
 * refused.
 */
function enforcedElements(ingressInterface: string, port: string | undefined): Element[] {
  const from = interfacePart(ingressInterface);
  const shared = enforcedUse(ingressInterface);
  const isBridge = port !== undefined;
  return [
    { ...inet('enforced', from), shared },
    { ...inet('enforced_out', from), value: { jump: `egress_${isBridge ? '' : 'lone_'}out` }, shared },
    { ...inet('enforced_host', from), value: { jump: `egress_${isBridge ? '' : 'lone_'}host` }, shared },
    ...(isBridge
      ? [{ ...inet('enforced_bridges', from), shared }]
      : (['ip drawbridge', 'ip6 drawbridge'] as const).map((table) => ({ table, set: 'lone', key: [from], shared }))),
    { ...inet('enforced_pairs', from, from), shared },
    ...(port === undefined ? [] : [inet('enforced_ports', interfacePart(port))]),
  ];
}

/**
 * A port whose policy is still to come, or has just gone: a guarded one from which no source is known, so that no frame
 * passes.
 */
function closedPort(name: string): Element[] {
  const port = interfacePart(name);
  return [bridge('guard_ports', port), bridge('guard_isolated', port)];
}

function portElements(egress: EgressRecord, portName: string, mac: string): Element[] {
  const port = interfacePart(portName);
  const ipv6 = [...egress.addresses.filter((address) => familyOf(address) === 6), linkLocalOf(mac)];
  const ipv4 = egress.addresses.filter((address) => familyOf(address) === 4);
  const value = { goto: isolatesPort(egress.policy) ? 'guard_apart' : 'guard_apart_if_isolated' };
  return [
    bridge('guard_ports', port),
    bridge('guard_mac', port, mac),
    ...optionsOf(mac).map((option) => bridge('guard_lladdr', port, option)),
    ...ipv4.flatMap((address) => [
      bridge('guard4', port, mac, address),
      { ...bridge('guard_siblings4', address), value },
    ]),
    ...ipv6.flatMap((address) => [
      bridge('guard6', port, mac, address),
      bridge('guard_nd', port, mac, ...halvesOf(address)),
      { ...bridge('guard_siblings_nd', ...halvesOf(address)), value },
    ]),
    { ...bridge('guard_siblings_mac', mac), value },
    bridge('guard_denials', port),
    ...vlanGatewayElements(egress, portName),
    ...withinElements(egress, port),
    ...(isolatesPort(egress.policy) ? [bridge('guard_isolated', port)] : []),
  ];
}

/** By which chains of its policy the bridge judges what its port sends to another, and what another answers it. */
function withinElements({ policy, policyId }: EgressRecord, port: Part): Element[] {
  if (!deniesWithin(policy)) return [];
  const chain = policyChain(policyId);
  return [
    { ...bridge('guard_asks', port), value: { goto: chain } },
    { ...bridge('guard_answers', port), value: { goto: answersChain(chain) } },
  ];
}

/** Whether the port of a container is kept from the other isolated ports by the bridge itself, rules or no rules. */
export function isolatesPort({ isolation, audit }: Policy): boolean {
  return isolation === 'container' && !audit;
}

function ingressChain({ ingress, audit }: Policy): string {
  if (ingress === 'open') return 'ingress_open';
  return audit ? 'ingress_published_audit' : 'ingress_published';
}

/** An IPv6 address as two numbers. */
export function halvesOf(address: string): Part[] {
  const value = readAnyAddress(address)?.value ?? 0n;
  return [String(value >> 64n), String(BigInt.asUintN(64, value))];
}

/**
 * The options of neighbour discovery that name a MAC as the sender's, and as the target's (RFC 4861, section 4.6.1).
 */
function optionsOf(mac: string): string[] {
  return ['0101', '0201'].map((head) => String(BigInt(`0x${head}${mac.replaceAll(':', '')}`)));
}

function inet(set: string, ...key: readonly Part[]): Element {
  return { table: 'inet drawbridge', set, key };
}

function bridge(set: string, ...key: readonly Part[]): Element {
  return { table: 'bridge drawbridge', set, key };
}

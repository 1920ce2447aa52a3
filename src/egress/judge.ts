import { readAnyAddress } from '../ip/address.ts';
import { firstMatch, intervalsOf, takes, type Destination, type DestinationInterval } from './destination.ts';
import { checksNames } from './checked-names.ts';
import { nameCovers } from './name.ts';
import { covers, intervalOf } from './interval.ts';
import type { NameRule, Policy, PortRule } from './policy.ts';
import { aboutOnLink, onLinkNetworkOf, type OnLinkNetwork } from './on-link.ts';
import { withSixToFour } from './six-to-four.ts';
import { malformedNat64 } from './nat64.ts';
import { aboutMalformed, reservedRangeOf } from './ranges-reserved.ts';

/** What a verdict depends on beside the policy. */
export interface Surroundings {
  /** The container's own addresses, which its answers go to; absent where answers are not asked about. */
  readonly own?: readonly string[];
  /** Addresses of the host on the container's own bridge. */
  readonly gateways: readonly string[];
  /** Every address of the host; the gateways need not be among them. */
  readonly hostAddresses: readonly string[];
  /** The other containers behind bridges of ours. */
  readonly siblings: readonly Sibling[];
  /** Ports of the host that lead to a container. */
  readonly published: readonly PublishedPort[];
  /** Networks of the host with public addresses (on-link.ts): they are local as well. */
  readonly onLink: readonly OnLinkNetwork[];
}

export interface Sibling {
  readonly address: string;
  /** Whether it is on one bridge with the container that asks, or both are routed containers of one network. */
  readonly sameBridge: boolean;
  /** The host routes to both, so that there is no bridge. */
  readonly isRouted?: boolean;
  readonly policy: Pick<Policy, 'isolation' | 'ingress' | 'audit'> & Partial<Pick<Policy, 'deny'>>;
}

export interface PublishedPort {
  /** Absent when the port is published at every address of the host. */
  readonly hostAddress?: string;
  readonly protocol: string;
  readonly port: number;
}

export interface Verdict {
  readonly verdict: 'allow' | 'deny';
  /** The entry that decided, in the words of the policy, or a key with its value, or the kind of a built-in range. */
  readonly rule: string;
  /** One sentence without a period. */
  readonly reason: string;
  /** True when the policy denies and its `audit` lets pass. */
  readonly audited?: boolean;
  /** True when the policy of the other container decided. */
  readonly theirs?: boolean;
}

/**
 * Judges one new connection, or one datagram, from a container with the policy.
 *
 * Order: `ipv6: disable`; addresses that are no NAT64 within its prefixes; `deny`; addresses of the host (`hostAccess`)
 * and containers behind our bridges (`isolation` of both, and their `ingress`); `allowPrivate`; metadata and bogons;
 * private ranges and the networks that the host is on, which `allowLocalNetworks` opens in every mode; `allow`; the
 * default of the mode. The host and the siblings come before `allowPrivate` since packets to them take other ways
 * through the kernel than those that are forwarded to a network outside. A port of the host that is published is not
 * the host: it is judged as any other destination.
 *
 * A name counts only in `allow`, so what it resolves to opens nothing that the steps before it close.
 * Mode open has neither built-in ranges nor a default that denies.
 */
export function judge(policy: Policy, destination: Destination, surroundings: Surroundings = nothingAround): Verdict {
  const address = readAnyAddress(destination.address);
  if (address === undefined) throw new RangeError(`Cannot judge "${destination.address}": it is not an address`);
  const asked: DestinationInterval = {
    ...destination,
    ...intervalsOf(address),
  };
  const verdict = judgeDirectly(policy, asked, surroundings);
  if (verdict.verdict === 'allow' || verdict.theirs === true || !policy.audit) return verdict;
  // What its own policy lets pass for the audit, the other container's still stops.
  const other = sibling(policy, asked, surroundings);
  if (other?.theirs === true) return other;
  return {
    ...verdict,
    verdict: 'allow',
    audited: true,
    reason: `${verdict.reason}; "audit" counts it and lets it pass`,
  };
}

const nothingAround: Surroundings = { gateways: [], hostAddresses: [], siblings: [], published: [], onLink: [] };

/** One step of the judgement; undefined leaves the decision to the next. */
type Step = (policy: Policy, asked: DestinationInterval, surroundings: Surroundings) => Verdict | undefined;

const steps: readonly Step[] = [disabledFamily, malformed, denied, host, sibling, openedPrivate, reserved, allowed];

function judgeDirectly(policy: Policy, asked: DestinationInterval, surroundings: Surroundings): Verdict {
  for (const step of steps) {
    const verdict = step(policy, asked, surroundings);
    if (verdict !== undefined) return verdict;
  }
  return byMode(policy);
}

function disabledFamily({ ipv6 }: Policy, { interval }: DestinationInterval): Verdict | undefined {
  return ipv6 === 'disable' && interval.family === 6 ? deny('ipv6 "disable"', 'the container has no IPv6') : undefined;
}

/** In every mode: a router may lead it to what "deny" closes. */
function malformed(_: Policy, { interval }: DestinationInterval): Verdict | undefined {
  const whole = malformedNat64(interval);
  return whole && deny('bogon', `it is in ${whole.prefix}, ${aboutMalformed}`);
}

function denied({ deny: rules, denyNames = [] }: Policy, asked: DestinationInterval): Verdict | undefined {
  const { askedName } = asked;
  const rule =
    firstMatch(withSixToFour(rules), asked) ??
    (askedName === undefined
      ? undefined
      : denyNames.find((one) => nameCovers(one.name, askedName) && takes(one, asked)));
  return rule && deny(rule.source, `${rule.source} closes it, before everything else`);
}

function host(
  { hostAccess, hostPorts }: Policy,
  asked: DestinationInterval,
  { gateways, hostAddresses, published }: Surroundings,
): Verdict | undefined {
  const isGateway = gateways.some((gateway) => same(gateway, asked));
  if (!isGateway && !hostAddresses.some((own) => same(own, asked))) return undefined;
  if (published.some((port) => leadsThrough(port, asked))) return undefined;
  const rule = `hostAccess "${hostAccess}"`;
  if (hostAccess === 'all') return allow(rule, 'it is an address of the host, all of which is open');
  if (hostAccess === 'none') return deny(rule, 'it is an address of the host, all of which is closed');
  if (!isGateway)
    return deny(rule, 'it is an address of the host, and "hostPorts" are open at the gateway addresses only');
  if (asked.protocol === 'icmp') return allow(rule, 'it is the gateway, which answers echo requests');
  return hostPorts.some((port) => takes(port, asked))
    ? allow('hostPorts', `it is the gateway, at one of "hostPorts"`)
    : deny('hostPorts', 'it is the gateway, at none of "hostPorts"');
}

function sibling(
  own: Policy,
  asked: DestinationInterval,
  { own: addresses = [], siblings }: Surroundings,
): Verdict | undefined {
  const found = siblings.find(({ address }) => same(address, asked));
  if (found === undefined) return undefined;
  if (!found.sameBridge) return fromOtherBridge(found);
  if (isolates(found.policy))
    return {
      ...deny('isolation "container"', `it is a container ${besides(found)}, whose own policy keeps siblings out`),
      theirs: true,
    };
  if (isolates(own))
    return deny(
      'isolation "container"',
      `it is a container ${besides(found)}, and this one is kept apart from siblings`,
    );
  return (
    unanswered(found, asked, addresses) ??
    allow(`isolation "${own.isolation}"`, `it is a container ${besides(found)}, and neither is kept apart`)
  );
}

/** Ports that Linux gives to clients (ip-sysctl.rst, ip_local_port_range). */
const clientPorts = { from: 32_768, to: 60_999 };

/**
 * What a sibling's policy denies it to ask, it does not get out as an answer either, where a bridge cannot tell one
 * from the other (compile-within.ts): of a connection of TCP and an echo it can.
 */
function unanswered(
  { isRouted = false, policy }: Sibling,
  { protocol, interval }: DestinationInterval,
  own: readonly string[],
): Verdict | undefined {
  if (isRouted || policy.audit || protocol === 'tcp' || protocol === 'icmp') return undefined;
  const client = own.map((address) => intervalOf(address)).find(({ family }) => family === interval.family);
  if (client === undefined) return undefined;
  const rule = policy.deny?.find((one) => covers(intervalOf(one.prefix), client) && closesAnswers(one, protocol));
  if (rule === undefined) return undefined;
  const reason = `it is a container on the same bridge, whose own policy has ${rule.source}: a bridge cannot tell an answer by ${protocol} from a question`;
  return { ...deny(rule.source, reason), theirs: true };
}

/** Whether a rule takes in what is sent to a client's port. */
function closesAnswers({ protocol, ports }: PortRule, asked: string): boolean {
  if (protocol === 'any' && ports === undefined) return true;
  if (!(protocol === 'any' ? ['udp', 'sctp'].includes(asked) : protocol === asked)) return false;
  return ports === undefined || (ports.from <= clientPorts.to && clientPorts.from <= ports.to);
}

/** Where a sibling is, in words. */
export function besides({ isRouted = false }: Pick<Sibling, 'isRouted'>): string {
  return isRouted ? 'of the same network' : 'on the same bridge';
}

/** No `ingress` lets another bridge in directly; only a policy under audit looks on. */
function fromOtherBridge({ policy: { ingress, audit } }: Sibling): Verdict | undefined {
  if (audit && ingress === 'published') return undefined;
  return {
    ...deny(`ingress "${ingress}"`, 'it is a container on another bridge, where only its published ports lead'),
    theirs: true,
  };
}

function isolates({ isolation, audit }: Pick<Policy, 'isolation' | 'audit'>): boolean {
  return isolation === 'container' && !audit;
}

function openedPrivate(
  { allowPrivate }: Policy,
  asked: DestinationInterval,
  surroundings: Surroundings,
): Verdict | undefined {
  const rule = firstMatch(allowPrivate, asked);
  // A public prefix is open by "allowPrivate" as far as the host is on that network.
  if (rule === undefined || closedRange(asked.address, surroundings) === undefined) return undefined;
  return allow(rule.source, `${rule.source} opens it`);
}

function reserved(
  { mode, allowLocalNetworks }: Policy,
  { address }: DestinationInterval,
  surroundings: Surroundings,
): Verdict | undefined {
  const range = mode === 'open' ? undefined : closedRange(address, surroundings);
  if (range === undefined) return undefined;
  const where = `it is in ${range.prefix}, ${range.about}`;
  if (range.kind !== 'private') return deny(range.kind, `${where}: only a literal in "allowPrivate" opens it`);
  if (allowLocalNetworks) return allow('allowLocalNetworks', where);
  return deny('private', `${where}: only "allowPrivate" or "allowLocalNetworks" opens it`);
}

/** The range that closes an address: a reserved one, or a network that the host is on. */
function closedRange(address: string, { onLink }: Surroundings): ReturnType<typeof reservedRangeOf> {
  const network = onLinkNetworkOf(address, onLink);
  return (
    reservedRangeOf(address) ??
    (network === undefined ? undefined : { prefix: network.prefix, about: aboutOnLink, kind: 'private' })
  );
}

function allowed(policy: Policy, asked: DestinationInterval): Verdict | undefined {
  const { mode, allow: rules, names } = policy;
  if (mode !== 'allowlist') return undefined;
  const checks = checksNames(policy);
  const isChecked = ({ unchecked }: NameRule): boolean => checks && unchecked !== true;
  const rule = firstMatch(rules, asked);
  if (rule !== undefined) return allow(rule.source, `${rule.source} opens it`);
  for (const name of asked.names ?? []) {
    const match = names.find(
      (candidate) =>
        nameCovers(candidate.name, name) && takes(candidate, asked) && (!isChecked(candidate) || showsName(asked)),
    );
    if (match === undefined) continue;
    const opens = `${match.source} opens ${name}, which resolves to it`;
    const isAsked = isChecked(match) && asked.protocol === 'tcp';
    return allow(match.source, isAsked ? `${opens}, to connections whose first bytes ask for it` : opens);
  }
  return undefined;
}

/** What can ask for a name with its first bytes; echo asks for nothing else than an answer. */
function showsName({ protocol }: Destination): boolean {
  return protocol === 'tcp' || protocol === 'icmp';
}

function byMode({ mode }: Policy): Verdict {
  const rule = `mode "${mode}"`;
  if (mode === 'open') return allow(rule, 'mode "open" opens everything beyond the host');
  if (mode === 'restricted') return allow(rule, 'it is on the public internet, which mode "restricted" opens');
  return deny(rule, 'nothing that is listed opens it');
}

function allow(rule: string, reason: string): Verdict {
  return { verdict: 'allow', rule, reason };
}

function deny(rule: string, reason: string): Verdict {
  return { verdict: 'deny', rule, reason };
}

function leadsThrough({ hostAddress, protocol, port }: PublishedPort, asked: DestinationInterval): boolean {
  return protocol === asked.protocol && port === asked.port && (hostAddress === undefined || same(hostAddress, asked));
}

function same(address: string, { interval }: DestinationInterval): boolean {
  const value = readAnyAddress(address);
  return value !== undefined && value.family === interval.family && value.value === interval.from;
}

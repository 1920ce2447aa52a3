import { checkArgs } from '../../cni/args.ts';
import { CniError, InvalidValueError, codes } from '../../cni/errors.ts';
import { quote, type Fields } from '../../cni/fields.ts';
import type { AttachmentRequest, NetworkConf } from '../../cni/request.ts';
import { parseConfArgs, parseRuntimeConfig, type RuntimeDns } from '../../cni/runtime-config.ts';
import {
  addressBits,
  formatPrefix,
  makePrefix,
  prefixContains,
  readAddress,
  readPrefix,
  type Address,
  type Prefix,
} from '../../ip/address.ts';
import type { InterfaceDefaults } from './defaults.ts';
import { parseIpam, type IpamConf } from '../../ipam/ranges.ts';
import { parseRequested } from '../../ipam/requested.ts';
import { parseLinkConf, type LinkConf } from '../../links/conf.ts';
import { parseMac } from '../../links/requested-mac.ts';
import { parsePortMappings, parseSnat } from '../../ports/conf.ts';
import type { PortMapping } from '../../ports/mapping.ts';

/** Everything that an ADD of the interface plugin is asked for, checked. */
export interface InterfaceConf {
  readonly link: LinkConf;
  readonly ipam: IpamChoice;
  readonly ipMasq: boolean;
  /** Networks that are reached with the container's own address although `ipMasq` is true; canonical text. */
  readonly noMasquerade: readonly string[];
  readonly ports: readonly PortMapping[];
  /** Whether a published port is also reached from 127.0.0.1, the container itself and its siblings. */
  readonly snat: boolean;
  /** Canonical text; absent when we choose. */
  readonly mac?: string;
  /** The container is a pod of a cluster: NetworkPolicies hold for it, and the agent knows which. */
  readonly isPod: boolean;
  /** The policy of `egress`, still to be parsed; absent when the conf has none. */
  readonly egress?: Fields;
}

/** Who gives the addresses. */
export type IpamChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'host-local'; readonly conf: IpamConf; readonly requested: readonly Address[] }
  | { readonly kind: 'delegated'; readonly type: string };

/** Keys of CNI_ARGS that may come without IgnoreUnknown: what a runtime passes to every plugin of a chain at once. */
const knownArgs = [
  'IP',
  'MAC',
  'GATEWAY',
  'EGRESS_POLICY',
  'K8S_POD_NAMESPACE',
  'K8S_POD_NAME',
  'K8S_POD_INFRA_CONTAINER_ID',
  'K8S_POD_UID',
  'TC_REDIRECT_TAP_NAME',
  'TC_REDIRECT_TAP_UID',
  'TC_REDIRECT_TAP_GID',
  'TC_REDIRECT_TAP_GUEST_MAC',
];

/** Reads the conf of an ADD. Throws {@link CniError} with the code of the first thing that is wrong. */
export function parseInterfaceConf(
  { config, args }: Pick<AttachmentRequest, 'config' | 'args'>,
  defaults: InterfaceDefaults,
): InterfaceConf {
  const { fields } = config;
  checkArgs(args, knownArgs);
  const confArgs = parseConfArgs(fields);
  const runtime = parseRuntimeConfig(fields);
  const mac = runtime.mac ?? confArgs.mac ?? args.pairs.get('MAC');
  const egress = egressOf(fields);
  if (egress !== undefined && defaults.refusesEgress === true) {
    throw new CniError(
      codes.unsupportedField,
      'Cannot use "egress" in a conf of type "bridge": the drop-in has no policy',
      'Use type "drawbridge", or chain "egress-policy"',
    );
  }
  // The record and its repair read it later; a word in place of a value has to be an error now.
  fields.boolean('awaitsPolicy');
  const link = parseLinkConf(fields, defaults);
  return {
    link: withRuntimeDns(link, runtime.dns),
    isPod: parseKubernetes(fields, link),
    ipam: parseIpamChoice(config, () =>
      parseRequested({ args: args.pairs.get('IP'), conf: confArgs.ips, runtime: runtime.ips }),
    ),
    ipMasq: parseMasquerade(fields),
    noMasquerade: parseNoMasquerade(fields),
    ports: parsePortMappings(runtime.portMappings),
    snat: parseSnat(fields),
    ...(mac === undefined || mac === '' ? {} : { mac: parseMac(mac) }),
    ...(egress === undefined ? {} : { egress }),
  };
}

/** What one pod sends another on its bridge is seen by no rule that judges pods; routed, all of it is. */
function parseKubernetes(fields: Fields, { routed }: LinkConf): boolean {
  const isPod = fields.boolean('kubernetes') ?? false;
  if (isPod && !routed) throw fields.invalid('kubernetes', 'false, or "routed": true beside it');
  return isPod;
}

/** Null passes for an absent key elsewhere; of a template that failed it would make a container without a policy. */
export function egressOf(fields: Fields): Fields | undefined {
  if (fields.has('egress') && fields.raw('egress') === undefined)
    throw new InvalidValueError(
      'egress',
      'it is null',
      'Leave the key out for a container without a policy, or write one; "egress": {} is the restricted one',
    );
  return fields.object('egress');
}

/**
 * What the runtime says of DNS goes before what the conf says, part by part; Linux plugins of the reference pass it
 * over.
 */
function withRuntimeDns(link: LinkConf, { servers, searches, options }: RuntimeDns = noDns): LinkConf {
  const asked = {
    ...(servers.length === 0 ? {} : { nameservers: [...servers] }),
    ...(searches.length === 0 ? {} : { search: [...searches] }),
    ...(options.length === 0 ? {} : { options: [...options] }),
  };
  return Object.keys(asked).length === 0 ? link : { ...link, dns: { ...link.dns, ...asked } };
}

const noDns: RuntimeDns = { servers: [], searches: [], options: [] };

/** Reads who gives the addresses; what was asked for is only read where it can be given. */
export function parseIpamChoice(
  { fields, cniVersion }: NetworkConf,
  requested: () => Address[] = () => [],
): IpamChoice {
  const ipam = fields.object('ipam');
  const type = ipam?.string('type') ?? '';
  if (ipam === undefined || type === '') return { kind: 'none' };
  if (type === fields.string('type')) throw ipam.invalid('type', 'another plugin than the one that delegates to it');
  if (type !== 'host-local') return { kind: 'delegated', type };
  const { ipRanges } = parseRuntimeConfig(fields);
  const onePerFamily = cniVersion === '0.1.0' || cniVersion === '0.2.0';
  return {
    kind: 'host-local',
    conf: parseIpam(ipam, {
      runtimeRanges: ipRanges,
      onePerFamily,
      isGateway: fields.boolean('isGateway') === true || fields.boolean('isDefaultGateway') === true,
    }),
    requested: requested(),
  };
}

/**
 * The reference's switch between its two back ends is understood, and its iptables one refused: all our rules are
 * nft's.
 */
function parseMasquerade(fields: Fields): boolean {
  const backend = fields.string('ipMasqBackend') ?? '';
  if (backend === 'iptables') {
    throw new CniError(
      codes.unsupportedField,
      `Cannot use "ipMasqBackend" ${quote(backend)}: masquerading is done by nftables only`,
      'Leave the key out, or write "nftables"',
    );
  }
  if (backend !== '' && backend !== 'nftables') throw fields.invalid('ipMasqBackend', '"nftables" or nothing');
  return fields.boolean('ipMasq') ?? false;
}

function parseNoMasquerade(fields: Fields): string[] {
  const prefixes = (fields.strings('noMasquerade') ?? []).map((text) => {
    const address = readAddress(text);
    const prefix = address === undefined ? readPrefix(text) : makePrefix(address, addressBits(address.family));
    if (prefix === undefined || prefix.hostBits)
      throw fields.invalid('noMasquerade', 'a list of networks such as "192.168.0.0/16", and of addresses');
    return prefix;
  });
  return withoutCovered(prefixes).map(formatPrefix);
}

/** A set of the kernel takes no ranges that overlap. */
function withoutCovered(prefixes: readonly Prefix[]): Prefix[] {
  const unique = [...new Map(prefixes.map((prefix) => [formatPrefix(prefix), prefix])).values()];
  return unique.filter((prefix) => !unique.some((other) => other !== prefix && prefixContains(other, prefix)));
}

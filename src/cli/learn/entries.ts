import type { Verdict } from '../../egress/judge.ts';
import { usualQueriesPerMinute } from '../../egress/parse-dns.ts';
import { parsePolicy } from '../../egress/parse.ts';
import type { Policy } from '../../egress/policy.ts';
import { familyOf } from '../../ip/family.ts';
import { entryText } from '../policy/entries.ts';

/** A destination that the policy denies, what it is called, and which rule denies it. */
export interface WantedDestination {
  readonly destination: string;
  readonly protocol: string;
  readonly port?: number;
  readonly names: readonly string[];
  readonly verdict: Verdict;
}

/** A policy as one writes it, and what could not be said in it. */
export interface LearntPolicy {
  readonly policy: Readonly<Record<string, unknown>>;
  /** Destinations that stand in it as addresses, since no answer named them. */
  readonly unnamed: readonly string[];
  /** Destinations that no policy of this kind opens, with the reason. */
  readonly refused: readonly { readonly destination: string; readonly why: string }[];
}

/**
 * The policy that allows what is allowed now and what is wanted besides, and nothing more: names where an answer named
 * an address, ports and protocols as they were used.
 */
export function learnPolicy(policy: Policy, wanted: readonly WantedDestination[]): LearntPolicy {
  const opened = {
    allow: ownEntries(policy),
    allowPrivate: policy.allowPrivate.map(entryText),
    hostPorts: [] as string[],
  };
  const unnamed: string[] = [];
  const refused: { destination: string; why: string }[] = [];
  let { isolation, ipv6 } = policy;
  const deny = [...policy.deny, ...(policy.denyNames ?? [])].map(entryText);
  for (const one of wanted) {
    const [key = ''] = one.verdict.rule.split(' ', 1);
    const literal = literalOf(one);
    if (key === 'mode' || key === 'allow' || key === 'preset') {
      const named = one.names.map((name) => `${name}${tailOf(one)}`);
      opened.allow.push(...(named.length === 0 ? [literal] : named.slice(0, 1)));
      if (named.length === 0) unnamed.push(literal);
    } else if (key === 'private') opened.allowPrivate.push(literal);
    else if (key === 'metadata')
      refused.push({
        destination: literal,
        why: `${one.verdict.reason}; whoever reaches it may get the host's credentials, so it is not learnt`,
      });
    else if (key === 'hostPorts' && one.port !== undefined) opened.hostPorts.push(`${one.port}/${one.protocol}`);
    else if (key === 'isolation' && one.verdict.theirs !== true) isolation = 'bridge';
    else if (key === 'ipv6') ipv6 = 'filter';
    else refused.push({ destination: literal, why: one.verdict.reason });
  }
  const isListing = policy.mode === 'allowlist';
  const hostPorts = [...policy.hostPorts.map(({ protocol, ports }) => portWords(protocol, ports)), ...opened.hostPorts];
  const allow = distinct(opened.allow);
  const isEmpty = isListing && allow.length + policy.preset.length + opened.allowPrivate.length === 0;
  const preset = policy.preset.filter((name) => name !== 'none' || allow.length + opened.allowPrivate.length === 0);
  return {
    policy: {
      mode: policy.mode,
      ...(isEmpty ? { preset: ['none'] } : preset.length === 0 ? {} : { preset }),
      ...(isListing && allow.length > 0 ? { allow } : {}),
      ...(opened.allowPrivate.length === 0 ? {} : { allowPrivate: distinct(opened.allowPrivate) }),
      ...(deny.length === 0 ? {} : { deny: distinct(deny) }),
      ...(opened.hostPorts.length === 0 && !hasOwnPorts(policy) ? {} : { hostPorts: distinct(hostPorts) }),
      ...unusual({ ...policy, isolation, ipv6 }),
    },
    unnamed: distinct(unnamed),
    refused,
  };
}

/** Keys that hold one value each, where it is not the default of the mode. */
function unusual(policy: Policy): Record<string, unknown> {
  const { mode, dns } = policy;
  const usual = parsePolicy({ mode, ...(mode === 'allowlist' ? { preset: ['none'] } : {}) }, '');
  const keys = [
    'verifyNames',
    'allowLocalNetworks',
    'hostAccess',
    'isolation',
    'ingress',
    'ipv6',
    'refreshIntervalMinutes',
    'onDeny',
    'exclusive',
    'maxConnections',
    'quota',
    'record',
  ] as const;
  return Object.fromEntries([
    ...keys.filter((key) => policy[key] !== usual[key]).map((key) => [key, policy[key]]),
    ...(JSON.stringify(dns) === JSON.stringify(usual.dns) ? [] : [['dns', unusualDns(dns)]]),
  ]) as Record<string, unknown>;
}

/** The bound stands where it is not the usual one. */
function unusualDns({ maxQueriesPerMinute, ...dns }: Policy['dns']): Policy['dns'] {
  return maxQueriesPerMinute === usualQueriesPerMinute || maxQueriesPerMinute === undefined
    ? dns
    : { ...dns, maxQueriesPerMinute };
}

function hasOwnPorts({ mode, hostPorts, hostAccess }: Policy): boolean {
  const usual = parsePolicy({ mode, ...(mode === 'allowlist' ? { preset: ['none'] } : {}) }, '');
  return hostAccess === 'ports' && JSON.stringify(hostPorts) !== JSON.stringify(usual.hostPorts);
}

/** Entries that stand in the policy itself; those of its presets come with the presets. */
function ownEntries({ allow, names }: Policy): string[] {
  return [...names, ...allow].filter(({ source }) => !/^(?:preset|grant) /.test(source)).map(entryText);
}

function literalOf(one: WantedDestination): string {
  const tail = tailOf(one);
  const isSix = familyOf(one.destination) === 6;
  return isSix && tail !== '' ? `[${one.destination}]${tail}` : `${one.destination}${tail}`;
}

function tailOf({ protocol, port }: WantedDestination): string {
  return port === undefined ? `/${protocol}` : `:${port}/${protocol}`;
}

function portWords(protocol: string, ports: { readonly from: number; readonly to: number } | undefined): string {
  if (ports === undefined) return protocol;
  const range = ports.from === ports.to ? String(ports.from) : `${ports.from}-${ports.to}`;
  return protocol === 'any' ? range : `${range}/${protocol}`;
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted();
}

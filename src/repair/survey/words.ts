import type { Policy } from '../../egress/policy.ts';
import { hostText } from '../../ip/host-text.ts';
import type { PortMapping } from '../../ports/mapping.ts';
import type { EgressRecord } from '../../records/record.ts';

/** "8080->80/tcp", "127.0.0.1:53->53/udp". */
export function mappingWords({ hostIp, hostPort, containerPort, protocol }: PortMapping): string {
  const host = hostIp === undefined ? '' : `${hostText(hostIp)}:`;
  return `${host}${hostPort}->${containerPort}/${protocol}`;
}

/**
 * The policy in a few words: "restricted", "allowlist: dev, 3 entries", "restricted: 1 private, without 2", "work
 * (allowlist)", "none".
 */
export function policyWords(egress: EgressRecord | undefined): string {
  if (egress === undefined) return 'none';
  const { policy, policyName } = egress;
  const words =
    policyName === undefined
      ? [policy.mode, listWords(policy)].filter((part) => part !== '').join(': ')
      : `${policyName} (${policy.mode})`;
  return policy.audit ? `${words}, audit` : words;
}

/** What the policy lists: presets, entries, private destinations, and what it closes before all else. */
function listWords({
  mode,
  preset,
  allow,
  names,
  allowPrivate,
  allowLocalNetworks,
  deny,
  denyNames = [],
}: Policy): string {
  const own = new Set(
    [...allow, ...names].map(({ source }) => source).filter((source) => !/^(?:preset|grant) /.test(source)),
  );
  const closed = [...deny, ...denyNames];
  const sources = (rules: readonly { readonly source: string }[]): number =>
    new Set(rules.map(({ source }) => source)).size;
  return [
    ...(mode === 'allowlist' ? preset : []),
    ...(mode === 'allowlist' && own.size > 0 ? [count(own.size, 'entry', 'entries')] : []),
    ...(allowLocalNetworks ? ['local networks'] : []),
    ...(allowPrivate.length === 0 ? [] : [`${sources(allowPrivate)} private`]),
    ...(closed.length === 0 ? [] : [`without ${sources(closed)}`]),
  ].join(', ');
}

/** An id as long as is needed to tell it: the twelve characters that runtimes show, behind nerdctl's namespace too. */
export function shortId(id: string): string {
  return id.replace(/^((?:.*-)?)([0-9a-f]{12})[0-9a-f]{20,}$/, '$1$2');
}

/** "2 s", "4 min", "3 h", "2 days". */
export function durationWords(seconds: number): string {
  if (seconds < 120) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** "1 container", "3 containers". */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

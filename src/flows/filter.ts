import { covers, intervalOf } from '../egress/interval.ts';
import { nameCovers } from '../egress/name.ts';
import { readAnyAddress } from '../ip/address.ts';
import type { FlowRecord } from './flow-record.ts';

/** Which records are meant; what is absent takes all in. */
export interface FlowFilter {
  /** Milliseconds since 1970. */
  readonly since?: number;
  /** Of a container's id, name or "namespace/pod", or of a label as "name=value". */
  readonly container?: RegExp;
  readonly network?: string;
  /** Name of the policy's file. */
  readonly policy?: string;
  /** What was denied, or would have been. */
  readonly isDenied?: boolean;
  readonly to?: FlowDestination;
}

/** A name, also "*.example.org", or a prefix. */
export type FlowDestination = { readonly name: string } | { readonly prefix: string };

/** Whether a record is meant. */
export function isMeant(
  record: FlowRecord,
  { since, container, network, policy, isDenied = false, to }: FlowFilter,
): boolean {
  return (
    (since === undefined || Date.parse(record.until ?? record.time) >= since) &&
    (container === undefined || wordsOf(record).some((word) => container.test(word))) &&
    (network === undefined || record.network === network) &&
    (policy === undefined || record.policy === policy) &&
    (!isDenied || record.verdict !== 'allow') &&
    (to === undefined || leadsTo(record, to))
  );
}

function wordsOf({ container, containerName, pod, labels }: FlowRecord): string[] {
  return [container, containerName, pod, ...labelWords(labels)].filter((word) => word !== undefined);
}

/** Labels of a container as a pattern finds them: "team=blue". */
export function labelWords(labels: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

function leadsTo({ destination, name }: FlowRecord, to: FlowDestination): boolean {
  if ('name' in to)
    return [destination, name].some((own) => own !== undefined && (own === to.name || nameCovers(to.name, own)));
  return readAnyAddress(destination) !== undefined && covers(intervalOf(to.prefix), intervalOf(destination));
}

import { readFile } from 'node:fs/promises';
import { namesSet } from '../egress/policy-names.ts';
import { reservedRangeOf } from '../egress/ranges-reserved.ts';
import { stateDir } from '../host/paths.ts';
import { sinceBoot, stampNow, type Stamp } from '../host/uptime.ts';
import { readAnyAddress } from '../ip/address.ts';
import { openedAddress } from '../dataplane/elements/egress.ts';
import type { Element } from '../nft/element.ts';
import { writeWhole } from '../host/state-file.ts';
import { rulesFor } from './dns/names-policy.ts';
import { openedElement } from './names/opened-element.ts';
import type { RefreshedPolicy } from './names/plan.ts';

/*
 * /var/lib/drawbridge/learnt.json   0600, written whole and renamed, a second after a change
 *   { "version": 2, "opened": [{ "policyId", "name", "address", "source", "ends": milliseconds since boot }],
 *     "written": { "boot", "uptime", "wall" } }
 *
 * What containers' own queries opened beside what names/ holds: names under a wildcard, which nobody else asks for. An
 * agent that starts again opens what has time left, should the tables have been lost while there was none.
 */

/** An address that a name opened for the containers of a policy. */
export interface LearntAddress {
  readonly policyId: string;
  readonly name: string;
  readonly address: string;
  /** Milliseconds since boot. */
  readonly ends: number;
  /** The container that asked. */
  readonly source: string;
}

const learntFile = `${stateDir}/learnt.json`;

/** What of the elements that the agent has open was learnt by a wildcard. */
export function learntOf(
  elements: readonly Element[],
  policies: readonly RefreshedPolicy[],
  { now, sourceOf }: { now: number; sourceOf: (element: Element) => string | undefined },
): LearntAddress[] {
  return policies.flatMap(({ policyId, names }) => {
    const wildcards = names.filter(({ name }) => name.startsWith('*.'));
    if (wildcards.length === 0) return [];
    const sets = new Set(
      wildcards.flatMap((rule) => ([4, 6] as const).map((family) => namesSet(policyId, family, rule))),
    );
    const found = elements.filter(
      ({ set, comment, timeout }) =>
        timeout !== undefined && sets.has(set) && comment !== undefined && rulesFor(wildcards, comment).length > 0,
    );
    const learnt = found.map((element) => ({
      policyId,
      name: element.comment ?? '',
      address: openedAddress(element),
      ends: now + (element.timeout ?? 0) * 1000,
      source: sourceOf(element) ?? '',
    }));
    return [...new Map(learnt.map((one) => [`${one.name} ${one.address}`, one])).values()];
  });
}

/** Elements for what was learnt, as the policies are now; what no policy lists any more opens nothing. */
export function elementsOfLearnt(
  learnt: readonly LearntAddress[],
  policies: readonly RefreshedPolicy[],
  now: number,
): Element[] {
  return learnt.flatMap(({ policyId, name, address, ends }) => {
    const policy = policies.find((one) => one.policyId === policyId);
    if (policy === undefined || ends <= now) return [];
    const seconds = Math.ceil((ends - now) / 1000);
    return rulesFor(policy.names, name).map((rule) => openedElement(policy, rule, { name, address, seconds }));
  });
}

/** What was written; nothing when that cannot be used. Nothing is taken on trust that would end up in a rule. */
export async function recallLearnt(file = learntFile): Promise<LearntAddress[]> {
  try {
    const { version, opened, written } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    if (version !== 2 || !Array.isArray(opened)) return [];
    const stamp = written as Stamp;
    const then = sinceBoot(stamp);
    if (then === undefined) return [];
    return opened.filter(isLearnt).map((one) => ({ ...one, ends: then + one.ends - stamp.uptime }));
  } catch {
    return [];
  }
}

/** Throws code 5 when it cannot be written. */
export function rememberLearnt(opened: readonly LearntAddress[], file = learntFile): void {
  writeWhole(file, `${JSON.stringify({ version: 2, opened, written: stampNow() })}\n`, `Cannot write "${file}"`);
}

function isLearnt(raw: unknown): raw is LearntAddress {
  const { policyId, name, address, ends, source } = (raw ?? {}) as Record<string, unknown>;
  if (typeof policyId !== 'string' || typeof name !== 'string' || typeof ends !== 'number') return false;
  if (typeof source !== 'string') return false;
  return typeof address === 'string' && readAnyAddress(address) !== undefined && reservedRangeOf(address) === undefined;
}

/**
 * Gates of interfaces (egress/gate.ts): made, found, taken out, and noted, so that an ADD need not ask the kernel.
 *
 *   /run/drawbridge/gates/<interface>     written when the gate is there, removed before it goes; a line for each part
 *                                         that this host cannot have
 *
 * Who removes a note looks under the lock of the tables whether somebody still needs the gate, and somebody does whose
 * rules are in force; who relies on one looks at it when the own rules are in force. So one of the two sees the other.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { gateMark } from '../egress/marks.ts';
import {
  gatePreference,
  gateSysctl,
  isGateFilter,
  planGate,
  type GatedInterface,
  type GatePart,
  type ShownFilter,
} from '../egress/gate.ts';
import { applyBatch, BatchError, showJson } from '../host/ip.ts';
import { runDir } from '../host/paths.ts';
import { findProgram } from '../host/run.ts';
import { hasIpv6, writeSysctls } from '../host/sysctl.ts';
import type { AttachmentRecord, EgressRecord } from './record.ts';
import { readText } from './store.ts';
import { systemReason } from '../text/system-error.ts';

/** The interface whose gate keeps a container in. */
export function gatedInterface({ ingressInterface, port, mac }: EgressRecord): GatedInterface {
  return { name: ingressInterface, isBridge: port !== undefined && mac !== undefined };
}

/** The interfaces that have enforced containers behind them, each once. */
export function gatedInterfaces(records: readonly AttachmentRecord[]): GatedInterface[] {
  const all = records.flatMap(({ egress }) => (egress === undefined ? [] : [gatedInterface(egress)]));
  return [...new Map(all.map((gated) => [gated.name, gated])).values()];
}

export function isGateNoted(name: string): boolean {
  return existsSync(noteFile(name));
}

/**
 * Makes a gate, or what is missing of it, and notes it. Returns sentences about what this host cannot have: the rules
 * of our tables do not depend on it. Throws code 100 when a routing rule cannot be made, 5 when the note cannot.
 */
export async function openGate(gated: GatedInterface): Promise<string[]> {
  writeSysctls([gateSysctl]);
  const outcomes = await Promise.all(partsOf(gated).map(async (part) => ({ part, why: await makePart(part) })));
  const lacking = outcomes.filter(({ why }) => why !== undefined);
  noteGate(
    gated.name,
    lacking.map(({ part }) => part.kind),
  );
  return lacking.map(({ part, why }) => `Cannot make ${describePart(part)}: ${why ?? ''}; ${whatFor[part.kind]}`);
}

/** Parts that are not there, without those that the host cannot have unless `all` asks for them. */
export async function missingParts(
  gated: readonly GatedInterface[],
  { all = false }: { readonly all?: boolean } = {},
): Promise<GatePart[]> {
  const parts = gated.flatMap((one) => {
    const lacking = all ? [] : (readText(noteFile(one.name)) ?? '').split('\n');
    return partsOf(one).filter(({ kind }) => !lacking.includes(kind));
  });
  const standing = new Set((await standingParts(parts)).map(identify));
  return parts.filter((part) => !standing.has(identify(part)));
}

/** Makes one part. Returns why the host cannot have it; throws code 100 when it should and does not. */
export async function makePart(part: GatePart): Promise<string | undefined> {
  if (findProgram(part.program) === undefined) return `"${part.program}" is not installed`;
  for (let lines = part.add; lines.length > 0;) {
    try {
      await applyBatch(lines, part);
      return undefined;
    } catch (error) {
      if (!(error instanceof BatchError)) throw error;
      if (error.reason === 'unsupported' && part.kind === 'bridge filter') return error.message;
      if (error.reason !== 'exists' || error.index === undefined) throw error;
      lines = lines.slice(error.index + 1);
    }
  }
  return undefined;
}

/** Takes out what is there of a gate, and its note. Throws code 100. */
export async function removeGate(name: string): Promise<void> {
  forgetGate(name);
  await Promise.all(partsOf({ name, isBridge: true }).map(async (part) => removePart(part)));
}

/** Takes out one part, if it is there. */
export async function removePart(part: GatePart): Promise<void> {
  if (part.kind === 'bridge filter') return removeFilter(part);
  await applyBatch(part.remove, part).catch(unlessMissing);
}

/** The gates that the host has, whoever needs them: all routing rules that are ours, and the filters of all bridges. */
export async function allStandingParts(): Promise<GatePart[]> {
  const bridges = ((await showJson(['link', 'show', 'type', 'bridge'])) ?? []) as { ifname: string }[];
  const filters = bridges.flatMap(({ ifname }) => partsOf({ name: ifname, isBridge: true })).filter(isFilter);
  const [rules, standing] = await Promise.all([standingRules(), standingParts(filters)]);
  return [...rules, ...standing];
}

export function describePart({ kind, interface: name }: GatePart): string {
  return `the ${kind} that shuts "${name}" without our tables`;
}

/** What is open without a part, should another program flush all rules. */
export const whatFor: Readonly<Record<GatePart['kind'], string>> = {
  'IPv4 routing rule': 'if another program flushes all rules, containers there reach everything until they are back',
  'IPv6 routing rule': 'if another program flushes all rules, containers there reach everything until they are back',
  'bridge filter':
    'if another program flushes all rules, containers there reach what the host itself offers until they are back',
};

function partsOf(gated: GatedInterface): GatePart[] {
  return planGate(gated, { ipv6: hasIpv6() });
}

function isFilter({ kind }: GatePart): boolean {
  return kind === 'bridge filter';
}

function identify({ kind, interface: name }: GatePart): string {
  return `${kind} ${name}`;
}

/** Those of the parts that are there. */
async function standingParts(parts: readonly GatePart[]): Promise<GatePart[]> {
  const [rules, filters] = await Promise.all([
    parts.every(isFilter) ? [] : standingRules(),
    Promise.all(parts.filter(isFilter).map(async (part) => ((await hasFilter(part)) ? [part] : []))),
  ]);
  const found = new Set(rules.map(identify));
  return [...parts.filter((part) => found.has(identify(part))), ...filters.flat()];
}

async function standingRules(): Promise<GatePart[]> {
  const families = hasIpv6() ? (['-4', '-6'] as const) : (['-4'] as const);
  const rules = await Promise.all(
    families.map(async (family) => {
      const shown = ((await showJson([family, 'rule', 'show'])) ?? []) as ShownRule[];
      return shown.flatMap(({ priority, iif, fwmask, action }) =>
        priority === gatePreference && action === 'prohibit' && iif !== undefined && Number(fwmask) === gateMark
          ? partsOf({ name: iif, isBridge: false }).filter((part) => part.family === family)
          : [],
      );
    }),
  );
  return rules.flat();
}

/** What `ip -json rule show` prints. */
interface ShownRule {
  readonly priority: number;
  readonly iif?: string;
  readonly fwmask?: string;
  readonly action?: string;
}

/** Nothing comes in by a bridge that is not there: it lacks no filter. */
async function hasFilter({ interface: name }: GatePart): Promise<boolean> {
  const filters = await readFilters(name, 'ingress');
  return filters === undefined || filters.some(isGateFilter);
}

/** None where there is no `tc`, or nothing to hang a filter on; undefined without the interface. */
async function readFilters(name: string, direction: 'ingress' | 'egress'): Promise<ShownFilter[] | undefined> {
  if (findProgram('tc') === undefined) return [];
  const shown = await showJson(['filter', 'show', 'dev', name, direction], { program: 'tc' });
  return shown as ShownFilter[] | undefined;
}

/**
 * With the last filter goes what it hangs on, which somebody else's filters need too. A `tc` that broke half way may have
 * made that alone.
 */
async function removeFilter(part: GatePart): Promise<void> {
  const name = part.interface;
  const [ingress = [], egress = []] = await Promise.all([readFilters(name, 'ingress'), readFilters(name, 'egress')]);
  const isThere = ingress.some(isGateFilter);
  const isAlone = egress.length === 0 && ingress.every((filter) => isGateFilter(filter) || isHeading(filter));
  if (findProgram('tc') === undefined || (!isThere && !isAlone)) return;
  const lines = [...(isThere ? part.remove : []), ...(isAlone ? [`qdisc del dev ${name} clsact`] : [])];
  await applyBatch(lines, part).catch(unlessMissing);
}

/** `tc` shows a line for each kind of filter at a preference, before the filters. */
function isHeading({ options }: ShownFilter): boolean {
  return options === undefined;
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof BatchError && error.reason === 'missing')) throw error;
}

function noteGate(name: string, lacking: readonly string[]): void {
  const file = noteFile(name);
  try {
    mkdirSync(`${runDir}/gates`, { recursive: true, mode: 0o700 });
    writeFileSync(file, lacking.join('\n'), { mode: 0o600 });
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot write "${file}"`, systemReason(error), { cause: error });
  }
}

/** Says that the gate of an interface may not be there. */
export function forgetGate(name: string): void {
  rmSync(noteFile(name), { force: true });
}

function noteFile(name: string): string {
  return `${runDir}/gates/${encodeURIComponent(name)}`;
}

/** Parts of gates (dataplane/gate.ts) as a host has them: made, found, taken out, each by itself. */
import { gateMark, vethMark } from '../egress/marks.ts';
import {
  everyVeth,
  gatePreference,
  isAnyGateFilter,
  isCommon,
  isGateFilter,
  planGate,
  portFilterLabel,
  ruleMask,
  type GatedInterface,
  type GatePart,
  type ShownFilter,
} from './gate.ts';
import { applyCommands } from '../host/apply.ts';
import { bridgeGateways } from '../host/bridge-ports.ts';
import { listLinks } from '../host/interfaces.ts';
import { showJson } from '../host/ip.ts';
import { readRoutingRules, type RoutingRule } from '../host/routing-rules.ts';
import { LinkError } from '../host/link-error.ts';
import { withLock } from '../host/lock.ts';
import { isMarked, markIncoming, unmarkIncoming } from '../host/netlink/classifier.ts';
import { findProgram } from '../host/run.ts';
import { hasIpv6 } from '../host/sysctl.ts';
import type { LinkCommand } from '../links/command.ts';
import { isOwnTap } from '../links/tap.ts';

/** Makes one part. Returns why the host cannot have it; throws code 100 when it should and does not. */
export async function makePart(part: GatePart): Promise<string | undefined> {
  if (part.mark !== undefined) {
    const { speakers } = part;
    return markIncoming(part.interface, {
      ...filterPlace,
      bits: part.mark,
      ...(speakers === undefined ? {} : { speakers }),
    });
  }
  if (isCommon(part)) return withLock('routing-rules', describePart(part), async () => makeCommonPart(part));
  return makeByProgram(part);
}

const filterPlace = { preference: gatePreference, label: portFilterLabel };

/** Of two who move the rule of table "local" at once, one could take away what the other relies on. */
async function makeCommonPart(part: GatePart): Promise<string | undefined> {
  return (await standingParts([part])).length > 0 ? undefined : makeByProgram(part);
}

async function makeByProgram(part: GatePart): Promise<string | undefined> {
  const program = isFilter(part) ? 'tc' : 'ip';
  if (findProgram(program) === undefined) return `"${program}" is not installed`;
  for (let commands = part.add; commands.length > 0;) {
    try {
      await applyCommands(commands);
      return undefined;
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      if (error.reason === 'unsupported' && isFilter(part)) return error.message;
      const isDone = error.reason === 'exists' || (isCommon(part) && error.reason === 'missing');
      if (!isDone || error.index === undefined) throw error;
      commands = commands.slice(error.index + 1);
    }
  }
  return undefined;
}

/** Whether a filter of a gate marks what comes in by an interface. */
export function isIncomingMarked(name: string): boolean {
  return isMarked(name, filterPlace) === true;
}

/** Takes out one part, if it is there. */
export async function removePart(part: GatePart): Promise<void> {
  if (part.kind === 'veth filter') return unmarkIncoming(part.interface, filterPlace);
  if (isFilter(part)) return removeFilter(part);
  await applyCommands(part.remove).catch(unlessMissing);
}

/**
 * The gates that the host has, whoever needs them: routing rules, and filters at bridges, at gateways in their VLANs
 * and at lone veths.
 */
export async function allStandingParts(): Promise<GatePart[]> {
  const links = listLinks();
  const gateways = new Set(bridgeGateways().map(({ name }) => name));
  const bridges = links.filter(({ name, kind }) => kind === 'bridge' || gateways.has(name));
  const veths = links.filter(
    (link) => (link.kind === 'veth' || isOwnTap(link)) && link.master === undefined && !gateways.has(link.name),
  );
  const filters = [
    ...bridges.flatMap(({ name }) => partsOf({ name, isBridge: true })),
    ...veths.flatMap(({ name }) => partsOf({ name, isBridge: false })),
  ].filter(isFilter);
  const [rules, standing] = await Promise.all([standingRules(), standingParts(filters)]);
  return [...rules, ...standing];
}

export function describePart({ kind, interface: name }: GatePart): string {
  if (name === everyVeth) return `the ${kind} that shuts all veths without our tables`;
  return `the ${kind} that shuts "${name}" without our tables`;
}

/** What is open without a part, should another program flush all rules. */
export const whatFor: Readonly<Record<GatePart['kind'], string>> = {
  'IPv4 routing rule':
    'if another program flushes all rules, containers there reach everything until the rules are back',
  'IPv6 routing rule':
    'if another program flushes all rules, containers there reach everything until the rules are back',
  'bridge filter':
    'if another program flushes all rules, containers there reach what the host itself offers until the rules are back',
  'veth filter':
    'if another program flushes all rules, that container reaches what the host itself offers until the rules are back',
  'IPv4 veth rule': 'if another program flushes all rules, containers reach everything until the rules are back',
  'IPv6 veth rule': 'if another program flushes all rules, containers reach everything until the rules are back',
  'port filter': 'if another program flushes all rules, that container reaches everything until the rules are back',
  'foreign filter':
    'if another program flushes all rules, containers there reach what is behind that port until the rules are back',
};

/** The parts that an interface has on this host. */
export function partsOf(gated: GatedInterface): GatePart[] {
  return planGate(gated, { ipv6: hasIpv6() });
}

/** Whether `tc` makes it. */
export function isFilter({ kind }: GatePart): boolean {
  return kind.endsWith(' filter');
}

/** Tells one part from all others. */
export function identify({ kind, interface: name, sparesForeign }: GatePart): string {
  return `${kind} ${name} ${sparesForeign}`;
}

/** Those of the parts that are there. */
export async function standingParts(parts: readonly GatePart[]): Promise<GatePart[]> {
  const [rules, filters] = await Promise.all([
    parts.every(isFilter) ? [] : standingRules(),
    Promise.all(parts.filter(isFilter).map(async (part) => ((await hasFilter(part)) ? [part] : []))),
  ]);
  const found = new Set(rules.map(identify));
  return [...parts.filter((part) => found.has(identify(part))), ...filters.flat()];
}

async function standingRules(): Promise<GatePart[]> {
  const families = hasIpv6() ? ([4, 6] as const) : ([4] as const);
  const rules = await Promise.all(
    families.map(async (family) => {
      const shown = await readRoutingRules(family);
      const local = shown.findIndex(({ table }) => table === 'local');
      const isShut = shown.slice(0, Math.max(local, 0)).some(isVethRule);
      const single = shown.flatMap((rule) => singleRule(rule, family));
      return isShut ? [...single, ...commonParts().filter(({ kind }) => kind === `IPv${family} veth rule`)] : single;
    }),
  );
  return rules.flat();
}

/** What all lone veths have in common. */
export function commonParts(): GatePart[] {
  return partsOf({ name: everyVeth, isBridge: false })
    .filter(isCommon)
    .filter((part) => !isFilter(part));
}

function isVethRule({ iif, fwmark, fwmask, action }: RoutingRule): boolean {
  const isOurs = Number(fwmark) === vethMark && Number(fwmask) === (vethMark | gateMark);
  return isOurs && iif === undefined && action === 'prohibit';
}

/** The routing rule of one interface, if this is one. */
function singleRule({ priority, iif, fwmask, action }: RoutingRule, family: 4 | 6): GatePart[] {
  const isOurs = (sparesForeign: boolean): boolean => Number(fwmask) === ruleMask(sparesForeign);
  if (priority !== gatePreference || action !== 'prohibit' || iif === undefined) return [];
  if (!isOurs(true) && !isOurs(false)) return [];
  return partsOf({ name: iif, isBridge: true, foreign: isOurs(true) ? ['-'] : [] }).filter(
    ({ kind }) => kind === `IPv${family} routing rule`,
  );
}

/** Nothing comes in by an interface that is not there: it lacks no filter. */
async function hasFilter(part: GatePart): Promise<boolean> {
  const isThere = part.mark === undefined ? undefined : isMarked(part.interface, filterPlace);
  if (isThere !== undefined) return isThere;
  const filters = await readFilters(part.interface, part.kind === 'foreign filter' ? 'egress' : 'ingress');
  return filters === undefined || filters.some((filter) => isGateFilter(filter, part));
}

/** None where there is no `tc`, or nothing to hang a filter on; undefined without the interface. */
async function readFilters(name: string, direction: 'ingress' | 'egress'): Promise<ShownFilter[] | undefined> {
  if (findProgram('tc') === undefined) return [];
  const shown = await showJson(['filter', 'show', 'dev', name, direction], { program: 'tc' });
  return shown as ShownFilter[] | undefined;
}

/**
 * With the last filter goes what it hangs on, which somebody else's filters need too. A `tc` that broke half way may
 * have made that alone.
 */
async function removeFilter(part: GatePart): Promise<void> {
  const name = part.interface;
  const [ingress = [], egress = []] = await Promise.all([readFilters(name, 'ingress'), readFilters(name, 'egress')]);
  const isThere = (part.kind === 'foreign filter' ? egress : ingress).some(isAnyGateFilter);
  const isAlone = [...ingress, ...egress].every((filter) => isAnyGateFilter(filter) || isHeading(filter));
  // On somebody else's interface an empty one may be somebody else's too.
  if (findProgram('tc') === undefined || !(isThere || (isAlone && part.kind !== 'foreign filter'))) return;
  const queue = { kind: 'deleteQueue', name, queue: 'clsact' } as const;
  const commands: LinkCommand[] = [...(isThere ? part.remove : []), ...(isAlone ? [queue] : [])];
  await applyCommands(commands).catch(unlessMissing);
}

/** `tc` shows a line for each kind of filter at a preference, before the filters. */
function isHeading({ options }: ShownFilter): boolean {
  return options === undefined;
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof LinkError && error.reason === 'missing')) throw error;
}

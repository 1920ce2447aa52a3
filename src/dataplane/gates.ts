/**
 * Gates of interfaces (dataplane/gate.ts): made, found, taken out, and noted, so that an ADD need not ask the kernel.
 *
 *   /run/drawbridge/gates/<interface>     written when the gate is there, removed before it goes; a line for each part
 *                                         that this host cannot have, and for each foreign port that it spares
 *   /run/drawbridge/veth-gates/<veth>     the same of a lone veth
 *   /run/drawbridge/gates/*               the same of what all lone veths have in common
 *
 * Who removes a note looks under the lock of the tables whether somebody still needs the gate, and somebody does whose
 * rules are in force; who relies on one looks at it when the own rules are in force. So one of the two sees the other.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { CniError, codes } from '../cni/errors.ts';
import { everyVeth, gateSysctl, isCommon, quietSysctl, type GatedInterface, type GatePart } from './gate.ts';
import { bridgeBehind, otherPorts } from '../host/bridge-ports.ts';
import { listFolder } from '../host/files.ts';
import { isLinkThere } from '../host/interfaces.ts';
import { runDir } from '../host/paths.ts';
import { writeSysctls } from '../host/sysctl.ts';
import { isOwnTap } from '../links/tap.ts';
import {
  commonParts,
  describePart,
  identify,
  isFilter,
  makePart,
  partsOf,
  removePart,
  standingParts,
  whatFor,
} from './gate-parts.ts';
import { readText } from '../host/state-file.ts';
import { systemReason } from '../text/system-error.ts';

export function isGateNoted(name: string): boolean {
  return [noteFile(name), vethNoteFile(name)].some((file) => existsSync(file));
}

/**
 * Makes the gate of a container's interface, or what is missing of it, and notes it; with a note that still fits only
 * what belongs to its port is made. Returns sentences about what this host cannot have: the rules of our tables do not
 * depend on it. `all` tells every interface of the host that has enforced containers behind it.
 *
 * Throws code 100 when a routing rule cannot be made, or anything where the bridge has foreign ports; 5 when the note
 * cannot.
 */
export async function keepGate(own: GatedInterface, all: () => readonly GatedInterface[]): Promise<string[]> {
  if (!own.isBridge) return keepVethGate(own);
  const gated = withForeignPorts(own);
  const note = readText(noteFile(gated.name));
  if (note === undefined || foreignIn(note).join() !== (gated.foreign ?? []).join()) return openGate(gated, all);
  const ports = partsOf(gated).filter(({ kind }) => kind === 'port filter');
  refuseLacking(gated, await makeParts(ports));
  return [];
}

/** Of a lone veth, the filter is made anew each time, in this process. */
async function keepVethGate(own: GatedInterface): Promise<string[]> {
  const [filter, ...rules] = partsOf(own);
  if (filter === undefined) return [];
  const why = await makePart(filter);
  const isNoted = isGateNoted(own.name);
  if (why !== undefined) {
    if (isNoted) return [];
    writeSysctls([gateSysctl]);
    const lacking = [{ part: filter, why }, ...(await makeParts(partsOf({ ...own, isUnmarked: true })))];
    writeNote(vethNoteFile(own.name), kindsOf(lacking));
    return lacking.map(sayLacking);
  }
  const isRuleNoted = isGateNoted(everyVeth);
  if (!isRuleNoted) writeSysctls([gateSysctl]);
  const lacking = isRuleNoted ? [] : await makeParts(rules);
  if (!isRuleNoted) writeNote(noteFile(everyVeth), kindsOf(lacking));
  if (!isNoted) writeNote(vethNoteFile(own.name), []);
  return lacking.map(sayLacking);
}

async function openGate(gated: GatedInterface, all: () => readonly GatedInterface[]): Promise<string[]> {
  writeSysctls([gateSysctl, ...(gated.isBridge && gated.foreign?.length === 0 ? [quietSysctl(gated.name)] : [])]);
  // Ports that are gated already have to be marked as well before only what is marked is stopped.
  const siblings = gated.foreign?.length === 0 ? [] : all();
  const ports = siblings.find(({ name }) => name === gated.name)?.ports ?? [];
  const whole = { ...gated, ports: [...new Set([...(gated.ports ?? []), ...ports.filter(isLinkThere)])] };
  const parts = partsOf(whole);
  const isFirst = ({ kind }: GatePart): boolean => kind === 'port filter' || kind === 'foreign filter';
  const lacking = [
    ...(await makeParts(parts.filter(isFirst))),
    ...(await makeParts(parts.filter((part) => !isFirst(part)))),
  ];
  refuseLacking(gated, lacking);
  await removeOtherRules(whole);
  noteGate(gated, lacking);
  return lacking.map(sayLacking);
}

function sayLacking({ part, why }: LackingPart): string {
  return `Cannot make ${describePart(part)}: ${why}; ${whatFor[part.kind]}`;
}

/** A part that the host cannot have. */
interface LackingPart {
  readonly part: GatePart;
  readonly why: string;
}

async function makeParts(parts: readonly GatePart[]): Promise<LackingPart[]> {
  const outcomes = await Promise.all(parts.map(async (part) => ({ part, why: await makePart(part) })));
  return outcomes.flatMap(({ part, why }) => (why === undefined ? [] : [{ part, why }]));
}

/** Half a gate on such a bridge would shut the foreign port too, or leave a container open to all that is behind it. */
function refuseLacking({ name, foreign = [] }: GatedInterface, [first]: readonly LackingPart[]): void {
  if (first === undefined || foreign.length === 0) return;
  throw new CniError(
    codes.commandFailed,
    `Cannot enforce a policy on the bridge "${name}": it also holds ${foreign.map((port) => `"${port}"`).join(', ')}, and ${describePart(first.part)} cannot be made: ${first.why}`,
    'The gate that stays without our tables has to tell containers from that port: give them a bridge of their own, or a kernel with cls_bpf and bpf(2)',
  );
}

function withForeignPorts(gated: GatedInterface): GatedInterface {
  return gated.isBridge ? { ...gated, foreign: foreignPorts(gated.bridge ?? gated.name) } : gated;
}

/** Ports of a bridge that no attachment is behind. */
function foreignPorts(bridge: string): string[] {
  return otherPorts(bridge)
    .filter((link) => !isOwnTap(link))
    .map(({ name }) => name)
    .toSorted();
}

/** The rules of the other kind: the first foreign port came, or the last one went. */
async function removeOtherRules(gated: GatedInterface): Promise<void> {
  const isSparing = (gated.foreign ?? []).length > 0;
  const others = partsOf({ ...gated, foreign: isSparing ? [] : ['-'] }).filter((part) => !isFilter(part));
  const standing = await standingParts(others);
  await Promise.all(standing.map(removePart));
}

/**
 * Makes what is missing of gates that are noted, and takes out what a foreign port that came or went leaves. Throws
 * code 100.
 */
export async function restoreGates(gated: readonly GatedInterface[]): Promise<GatePart[]> {
  const made: GatePart[] = [];
  for (const part of await missingParts(gated)) if ((await makePart(part)) === undefined) made.push(part);
  const changed = new Set(made.filter(({ mark }) => mark === undefined).map((part) => part.interface));
  for (const one of gated.filter(({ isBridge }) => isBridge).map(withForeignPorts)) {
    const { name, foreign = [] } = one;
    if (![name, ...foreign].some((place) => changed.has(place))) continue;
    await removeOtherRules(one);
    const lacking = (readText(noteFile(name)) ?? '').split('\n').filter((text) => !text.startsWith(foreignWord));
    writeNote(noteFile(name), [
      ...lacking.filter((text) => text !== ''),
      ...foreign.map((port) => `${foreignWord}${port}`),
    ]);
  }
  return made;
}

export interface LookOptions {
  /** Also those that the host cannot have; default false. */
  readonly all?: boolean;
  /** Which are looked for; default all. A filter at a bridge takes a program to see. */
  readonly among?: (part: GatePart) => boolean;
}

/** Parts that are not there. */
export async function missingParts(
  gated: readonly GatedInterface[],
  { all = false, among = () => true }: LookOptions = {},
): Promise<GatePart[]> {
  const complete = gated.map(withForeignPorts);
  const parts = complete.flatMap((one) => {
    const note = readText(one.isBridge ? noteFile(one.name) : vethNoteFile(one.name)) ?? '';
    const lacking = `${note}\n${one.isBridge ? '' : (readText(noteFile(everyVeth)) ?? '')}`.split('\n');
    const isUnmarked = !one.isBridge && lacking.includes('veth filter' satisfies GatePart['kind']);
    const own = isUnmarked ? [...partsOf(one).slice(0, 1), ...partsOf({ ...one, isUnmarked })] : partsOf(one);
    return own.filter((part) => among(part) && (all || !lacking.includes(part.kind)));
  });
  const standing = new Set((await standingParts(parts)).map(identify));
  const missing = parts.filter((part) => !standing.has(identify(part)));
  return [...new Map(missing.map((part) => [identify(part), part])).values()];
}

/** Takes out what is there of a gate, and its note. Throws code 100. */
export async function removeGate(name: string): Promise<void> {
  if (existsSync(vethNoteFile(name))) return removeVethGate(name);
  const spared = foreignIn(readText(noteFile(name)) ?? '');
  forgetGate(name);
  // One that was never finished has no note.
  const foreign = new Set([...spared, ...foreignPorts(bridgeBehind(name)), '-']);
  const [plain, sparing] = [
    partsOf({ name, isBridge: true }),
    partsOf({ name, isBridge: true, foreign: [...foreign] }),
  ];
  const rules = sparing.filter((part) => !isFilter(part));
  const filters = sparing.filter(({ kind, interface: port }) => kind === 'foreign filter' && port !== '-');
  await Promise.all([...plain, ...rules, ...filters].map(removePart));
}

/** With the last one goes what all have in common. */
async function removeVethGate(name: string): Promise<void> {
  const isUnmarked = readText(vethNoteFile(name)) !== '';
  forgetGate(name);
  const own = partsOf({ name, isBridge: false, isUnmarked }).filter((part) => !isCommon(part));
  await Promise.all(own.map(removePart));
  if (listFolder(`${runDir}/veth-gates`).length > 0) return;
  forgetGate(everyVeth);
  await Promise.all(commonParts().map(removePart));
}

function noteGate({ name, foreign = [] }: GatedInterface, lacking: readonly LackingPart[]): void {
  writeNote(noteFile(name), [...kindsOf(lacking), ...foreign.map((port) => `${foreignWord}${port}`)]);
}

function kindsOf(lacking: readonly LackingPart[]): GatePart['kind'][] {
  return lacking.map(({ part }) => part.kind);
}

function writeNote(file: string, lines: readonly string[]): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  } catch (error) {
    throw new CniError(codes.ioFailure, `Cannot write "${file}"`, systemReason(error), { cause: error });
  }
}

/** Before the name of a foreign port, in a note. */
const foreignWord = 'foreign ';

function foreignIn(note: string): string[] {
  return note.split('\n').flatMap((text) => (text.startsWith(foreignWord) ? [text.slice(foreignWord.length)] : []));
}

/** Says that the gate of an interface may not be there. */
export function forgetGate(name: string): void {
  for (const file of [noteFile(name), vethNoteFile(name)]) rmSync(file, { force: true });
}

function noteFile(name: string): string {
  return `${runDir}/gates/${encodeURIComponent(name)}`;
}

function vethNoteFile(name: string): string {
  return `${runDir}/veth-gates/${encodeURIComponent(name)}`;
}

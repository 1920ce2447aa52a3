import { CniError } from '../cni/errors.ts';
import { selectLeftovers } from './clean/select-leftovers.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { showAgain } from './list/again.ts';
import { formatOf, printValue, type ListFormat } from './list/format.ts';
import { selectionOf } from './list/select.ts';
import { findAccepts } from '../repair/orphans/firewalls.ts';
import { findFiles, findOldNames } from '../repair/orphans/files.ts';
import type { Finding, RecordSurvey } from '../repair/orphans/finding.ts';
import { findLeftLeases } from '../repair/orphans/leases.ts';
import { findGates, findInterfaces } from '../repair/orphans/links.ts';
import { findRecords, readKnown } from '../repair/orphans/records.ts';
import { findRules } from '../repair/orphans/rules.ts';
import { makeProgress } from './progress.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { count } from '../repair/survey/words.ts';
import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';
import { systemReason } from '../text/system-error.ts';

/** What became of a finding. */
interface FindingResult extends Finding {
  readonly removed: boolean;
  readonly error?: string;
}

/** Removes what no living container owns. Exit status 1 when something of it could not be removed. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const format = formatOf(invocation);
  if (invocation.options['watch'] === true && invocation.options['dry-run'] !== true)
    throw new UsageError('Cannot watch what is removed: "--watch" goes with "--dry-run"');
  return showAgain(invocation, format, terminal, async (to) => cleanOnce(invocation, format, to));
}

async function cleanOnce(invocation: Invocation, format: ListFormat, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const isDryRun = options['dry-run'] === true;
  const known = readKnown();
  const { findings: all, problems } = await findAll(known, options['orphans'] === true);
  const { sort: _, ...selection } = selectionOf(invocation);
  const findings = await selectLeftovers(all, known, selection, valueOf(invocation, 'sort'));
  for (const problem of problems) terminal.note(`${terminal.paint.warn('!')} ${problem}`);
  const cleaned: FindingResult[] = isDryRun
    ? findings.map((finding) => ({ ...finding, removed: false }))
    : await removeAll(findings, terminal);
  if (format === 'json' || format === 'yaml') await printValue(terminal, cleaned.map(asJson), format);
  else if (format === 'name') for (const { name } of cleaned) terminal.out(name);
  else {
    print(cleaned, { isDryRun, isWide: format === 'wide' }, terminal);
    if (all.length > cleaned.length)
      terminal.out(`${count(all.length - cleaned.length, 'more leftover')} not meant by what was asked for.`);
  }
  const hasFailed = cleaned.some(({ error }) => error !== undefined) || problems.length > 0;
  return hasFailed ? 1 : 0;
}

/** Each search on its own: one that fails (nft is missing, say) does not keep the others from finding. */
export async function findAll(
  known: RecordSurvey,
  orphansOnly: boolean,
): Promise<{ findings: Finding[]; problems: string[] }> {
  const searches: (() => Finding[] | Promise<Finding[]>)[] = [
    () => findRecords(known),
    () => findInterfaces(known),
    findRules,
    async () => findGates(known),
    async () => findLeftLeases(known),
    async () => findAccepts(known),
    () => findFiles(known),
    ...(orphansOnly ? [] : [() => findOldNames()]),
  ];
  const findings: Finding[] = [];
  const problems: string[] = [];
  for (const search of searches) {
    try {
      findings.push(...(await search()));
    } catch (error) {
      problems.push(error instanceof CniError ? error.message : String(error));
    }
  }
  return { findings, problems };
}

async function removeAll(findings: readonly Finding[], terminal: Terminal): Promise<FindingResult[]> {
  const progress = makeProgress('Removing', findings.length, terminal);
  const cleaned: FindingResult[] = [];
  for (const finding of findings) {
    progress(cleaned.length);
    cleaned.push(await removeOne(finding));
  }
  progress(findings.length);
  return cleaned;
}

async function removeOne(finding: Finding): Promise<FindingResult> {
  if (finding.remove === undefined) return { ...finding, removed: false };
  try {
    return { ...finding, removed: await finding.remove() };
  } catch (error) {
    return { ...finding, removed: false, error: systemReason(error) };
  }
}

/** As conf/schema/clean.json has it. */
function asJson({ kind, name, network, containerId, why, removed, error }: FindingResult): object {
  return {
    kind,
    name,
    network: network ?? null,
    containerId: containerId ?? null,
    why: error === undefined ? why : `${why}; ${error}`,
    removed,
  };
}

function print(
  cleaned: readonly FindingResult[],
  { isDryRun, isWide }: { readonly isDryRun: boolean; readonly isWide: boolean },
  terminal: Terminal,
): void {
  const { out, paint, width } = terminal;
  const removable = cleaned.filter(({ remove }) => remove !== undefined);
  const left = cleaned.filter(({ remove }) => remove === undefined);
  if (removable.length > 0) {
    // Many leftovers have one cause, and their names are long.
    const groups = Map.groupBy(removable, (one) => `${one.kind}: ${outcomeWords(one, isDryRun, terminal)}`);
    for (const [title, members] of groups) {
      out(wrap(title, width, '  '));
      for (const { kind, name, network, containerId } of members)
        out(
          `    ${paint.strong(isWide ? name : thingName(kind, name, containerId))}${network === undefined ? '' : paint.faint(` of network ${network}`)}`,
        );
      out('');
    }
  }
  for (const { kind, name, why } of left)
    out(`${paint.warn('!')} ${wrap(`Left the ${kind} ${name}: ${why}`, width - 2, '  ')}`);
  if (removable.length === 0) out('Nothing is left over.');
  else
    out(
      isDryRun
        ? `Would remove ${count(removable.length, 'leftover')}; nothing was changed.`
        : `Removed ${removable.filter(({ removed }) => removed).length} of ${count(removable.length, 'leftover')}.`,
    );
}

function outcomeWords({ why, removed, error }: FindingResult, isDryRun: boolean, { paint }: Terminal): string {
  if (error !== undefined) return paint.bad(`${why}; it could not be removed: ${error}`);
  return isDryRun || removed ? why : paint.warn("it is somebody's by now, and was left");
}

function thingName(kind: string, name: string, containerId: string | undefined): string {
  if (containerId === undefined) return name;
  return kind === 'lease' ? `${name} (${shownName(containerId)})` : name.replace(containerId, shownName(containerId));
}

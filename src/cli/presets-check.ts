import { resolveNames, type Resolution } from '../egress/names-resolve.ts';
import type { PresetDescription } from '../egress/presets.ts';
import { parseEntry } from '../egress/entry.ts';
import { count } from '../repair/survey/words.ts';
import { unknown } from './command.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** What the host's resolver says of a preset's names. */
interface CheckedPreset {
  readonly preset: string;
  /** Names that were asked for. */
  readonly asked: number;
  /** Names without an address of either family. */
  readonly gone: readonly string[];
  /** Names for which no server answered, with the reason. */
  readonly unknown: readonly { readonly name: string; readonly why: string }[];
  /** Patterns such as "*.example.org": nobody can ask for those. */
  readonly patterns: readonly string[];
}

/** Milliseconds for all names of all presets. */
const deadline = 30_000;

/**
 * Asks the host's resolver for each name of presets, prints which are gone, and returns the exit status: 0 when each
 * has an address, 1 when some are gone, 3 when that is not known of some and none is gone.
 */
export async function checkPresets(
  presets: readonly PresetDescription[],
  terminal: Terminal,
  asJson: boolean,
): Promise<number> {
  const names = new Set(presets.flatMap(namesOf).filter((name) => !isPattern(name)));
  const found = new Map((await resolveNames([...names], { deadline })).map((one) => [one.name, one]));
  const checked = presets
    .map((preset) => checkPreset(preset, found))
    .filter(({ asked, patterns }) => asked + patterns.length > 0);
  if (asJson) printJson(terminal, checked);
  else show(checked, names.size, terminal);
  if (checked.some(({ gone }) => gone.length > 0)) return 1;
  return checked.some((one) => one.unknown.length > 0) ? unknown : 0;
}

/** Each name once; a preset lists one for each of its ports. */
function namesOf({ entries }: PresetDescription): string[] {
  const parsed = entries.map((entry) => parseEntry(entry, { key: 'allow', path: 'allow' }));
  return [...new Set(parsed.flatMap((entry) => (entry.kind === 'name' ? [entry.rule.name] : [])))];
}

function isPattern(name: string): boolean {
  return name.startsWith('*.');
}

function checkPreset(preset: PresetDescription, found: ReadonlyMap<string, Resolution>): CheckedPreset {
  const names = namesOf(preset);
  const asked = names.flatMap((name) => found.get(name) ?? []);
  const silent = asked.filter(({ answers }) => answers.length === 0);
  return {
    preset: preset.name,
    asked: asked.length,
    gone: silent.filter(({ failures }) => failures.length === 0).map(({ name }) => name),
    unknown: silent.flatMap(({ name, failures: [first] }) => (first === undefined ? [] : [{ name, why: first.why }])),
    patterns: names.filter(isPattern),
  };
}

function show(checked: readonly CheckedPreset[], asked: number, { out, paint, width }: Terminal): void {
  const gone = new Set(checked.flatMap((one) => one.gone));
  const silent = new Set(checked.flatMap((one) => one.unknown.map(({ name }) => name)));
  for (const { preset, gone: missing, unknown: unsure } of checked) {
    for (const name of missing) out(wrap(`${paint.strong(preset)}: ${name} has no address`, width));
    for (const { name, why } of unsure) out(wrap(`${paint.strong(preset)}: ${name}: could not tell, ${why}`, width));
  }
  const patterns = count(
    checked.reduce((sum, one) => sum + one.patterns.length, 0),
    'pattern',
    'patterns',
  );
  out(
    wrap(
      `${asked - gone.size - silent.size} of ${count(asked, 'name', 'names')} have an address, ${gone.size} have none, ${silent.size} could not be asked for; ${patterns} cannot be asked for`,
      width,
    ),
  );
}

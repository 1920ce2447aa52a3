import { nearestTo } from '../cni/nearest.ts';
import { loadOwnPresets } from '../egress/load-presets.ts';
import { describePreset, presetNames, shippedPresets, type PresetDescription } from '../egress/presets.ts';
import { count } from '../repair/survey/words.ts';
import { UsageError, type Invocation } from './command.ts';
import { checkPresets } from './presets-check.ts';
import { printJson, type Terminal } from './terminal.ts';
import { hang, wrap } from './wrap.ts';

/** The presets and what they open; with `--check` which of their names the host's resolver does not know. */
export async function run({ operands: [asked], options }: Invocation, terminal: Terminal): Promise<number> {
  const own = loadOwnPresets();
  const known = presetNames(own);
  if (asked !== undefined && !known.includes(asked)) {
    const near = nearestTo(asked, known);
    throw new UsageError(
      `There is no preset "${asked}"${near === undefined ? '' : `: the nearest one is "${near}"`}\nThe presets are ${known.join(', ')}`,
    );
  }
  const presets = (asked === undefined ? known : [asked]).map((name) => describePreset(name, own));
  if (options['check'] === true) return checkPresets(presets, terminal, options['json'] === true);
  if (options['json'] === true) {
    printJson(terminal, presets);
    return 0;
  }
  if (asked === undefined) showAll(presets, terminal);
  else presets.forEach((preset) => showOne(preset, terminal));
  const hidden = [...own.keys()].filter((name) => shippedPresets.includes(name));
  for (const name of hidden)
    terminal.note(
      `/etc/drawbridge/presets/${name}.json has no effect: a preset of that name is shipped. Rename the file`,
    );
  return 0;
}

function showAll(presets: readonly PresetDescription[], { out, paint, width }: Terminal): void {
  const column = Math.max(...presets.map(({ name }) => name.length)) + 4;
  for (const { name, about, entries } of presets) {
    const words = `${about}${entries.length === 0 ? '' : ` (${count(entries.length, 'entry', 'entries')})`}`;
    out(`${paint.strong(name)}${' '.repeat(column - name.length)}${hang(words, width, column)}`);
  }
  out('');
  out(
    wrap(
      '"drawbridge presets NAME" shows the entries of one. In a policy: { "mode": "allowlist", "preset": ["registries"] }',
      width,
    ),
  );
}

function showOne({ name, about, entries, checked }: PresetDescription, { out, paint, width }: Terminal): void {
  out(`${paint.strong(name)}    ${hang(about, width, name.length + 4)}`);
  for (const entry of entries) out(`  ${entry}`);
  if (checked === undefined) return;
  out('');
  out(wrap(`Compared on ${checked.on} with ${checked.against}.`, width));
}

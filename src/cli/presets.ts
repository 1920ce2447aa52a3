import { describePreset, presetNames } from '../egress/presets.ts';
import { UsageError, type Invocation } from './command.ts';
import { nearestTo } from '../cni/nearest.ts';
import { count } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { hang, wrap } from './wrap.ts';

/** The presets, and what they open. */
export async function run({ operands: [asked], options }: Invocation, terminal: Terminal): Promise<number> {
  if (asked !== undefined && !presetNames.includes(asked)) {
    const near = nearestTo(asked, presetNames);
    throw new UsageError(
      `There is no preset "${asked}"${near === undefined ? '' : `: the nearest one is "${near}"`}\nThe presets are ${presetNames.join(', ')}`,
    );
  }
  const presets = (asked === undefined ? presetNames : [asked]).map(describePreset);
  if (options['json'] === true) {
    printJson(terminal, presets);
    return 0;
  }
  const { out, paint, width } = terminal;
  const column = Math.max(...presets.map(({ name }) => name.length)) + 4;
  for (const { name, about, entries } of presets) {
    const words = `${about}${asked === undefined && entries.length > 0 ? ` (${count(entries.length, 'entry', 'entries')})` : ''}`;
    out(`${paint.strong(name)}${' '.repeat(column - name.length)}${hang(words, width, column)}`);
    if (asked !== undefined) for (const entry of entries) out(`  ${entry}`);
  }
  if (asked === undefined) {
    out('');
    out(
      wrap(
        '"drawbridge presets NAME" shows the entries of one. In a policy: { "mode": "allowlist", "preset": ["registries"] }',
        width,
      ),
    );
  }
  return 0;
}

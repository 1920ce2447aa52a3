import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { isMissing, listReadable } from '../host/files.ts';
import { systemReason } from '../text/system-error.ts';
import { NotReadableError, readRegularFile } from './load-file.ts';
import { parseOwnPreset, type OwnPreset, type OwnPresets } from './presets/own.ts';

/** Where an operator's own presets are kept. */
export const presetsFolder = '/etc/drawbridge/presets';

/** Longest file of a preset in bytes, as of a policy. */
const longestPreset = 1 << 20;

/** Reads the operator's own presets; none when there is no folder, or when it cannot be read. Never throws. */
export function loadOwnPresets(folder = presetsFolder): OwnPresets {
  const names = listReadable(folder)
    .filter((file) => /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}\.json$/.test(file))
    .map((file) => file.slice(0, -'.json'.length))
    .toSorted();
  return new Map(names.map((name) => [name, loadPreset(name, `${folder}/${name}.json`)]));
}

function loadPreset(name: string, file: string): OwnPreset | CniError {
  try {
    return parseOwnPreset(readRegularFile(file, longestPreset), `preset ${quote(name)} (${file})`);
  } catch (error) {
    if (error instanceof CniError) return error;
    const code = error instanceof NotReadableError || isMissing(error) ? codes.invalidConfig : codes.ioFailure;
    const reason = error instanceof NotReadableError ? error.message : systemReason(error);
    return new CniError(code, `Cannot use preset ${quote(name)}: ${file}: ${reason}`, undefined, { cause: error });
  }
}

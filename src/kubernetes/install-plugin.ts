import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { replaceFile, replaceLink } from '../host/files.ts';

/** Where runtimes look for plugins. */
const pluginFolder = '/opt/cni/bin';

/**
 * Puts this executable where the runtime of the node finds it, under another name first: a plugin that runs meanwhile
 * is the old one or the new one, whole. `loopback` is made where the node has none. Returns whether anything changed;
 * throws what the system says.
 */
export function installPlugin(executable = process.execPath, folder = pluginFolder): boolean {
  const file = `${folder}/drawbridge`;
  const isChanged = !isSameFile(executable, file);
  if (isChanged) replaceFile(file, readFileSync(executable), { mode: 0o755, folderMode: 0o755 });
  if (linkTarget(`${folder}/egress-policy`) !== 'drawbridge') replaceLink(`${folder}/egress-policy`, 'drawbridge');
  if (!existsSync(`${folder}/loopback`)) replaceLink(`${folder}/loopback`, 'drawbridge');
  return isChanged;
}

/** A copy keeps no time of its source, so that one which is older than the file that it was made of is another one. */
function isSameFile(executable: string, file: string): boolean {
  const [own, there] = [executable, file].map((path) => statSync(path, { throwIfNoEntry: false }));
  if (own === undefined || there === undefined) return false;
  return own.ino === there.ino || (own.size === there.size && there.mtimeMs >= own.mtimeMs);
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

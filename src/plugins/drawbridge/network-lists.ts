import { listReadable } from '../../host/files.ts';
import { readFileSync, statSync } from 'node:fs';

/** The configuration of one plugin, decoded. */
export type Plugin = Readonly<Record<string, unknown>>;

/** A network's list of plugins, as a runtime loads it. */
export interface NetworkList {
  readonly file: string;
  readonly plugins: readonly Plugin[];
}

/** Files of these libcni loads; Go's filepath.Ext is what follows the last dot. */
const listEnding = '.conflist';
const singleEndings = ['.conf', '.json'];

/**
 * The lists of a network in one folder, in the order in which libcni 1.3 looks for them (LoadNetworkConf): files
 * "*.conflist" by their names, and only without one of that name single plugins "*.conf" and "*.json". The first is
 * the one that it takes; runtimes that load files by themselves may take another.
 *
 * A list is followed by the plugins of the folder NAME/ beside its file, unless "loadOnlyInlinedPlugins" is true. What
 * cannot be read is passed over: its runtime complains of it.
 */
export function listsIn(folder: string, network: string): NetworkList[] {
  const files = filesIn(folder);
  const lists = files
    .filter((file) => endingOf(file) === listEnding)
    .flatMap((file) => listOf(file, network, folder) ?? []);
  if (lists.length > 0) return lists;
  return files
    .filter((file) => singleEndings.includes(endingOf(file)))
    .flatMap((file): NetworkList[] => {
      const plugin = readObject(file);
      return plugin?.['name'] === network && typeOf(plugin) !== '' ? [{ file, plugins: [plugin] }] : [];
    });
}

/** Folders inside a folder, by their names, links followed: nerdctl has one for each of its namespaces. */
export function foldersIn(folder: string): string[] {
  return listReadable(folder)
    .toSorted()
    .map((name) => `${folder}/${name}`)
    .filter((path) => isFolder(path));
}

/** Type of a plugin, its key in any case of letters, as Go reads it. */
export function typeOf(plugin: Plugin): string {
  const type = plugin['type'] ?? Object.entries(plugin).find(([key]) => key.toLowerCase() === 'type')?.[1];
  return typeof type === 'string' ? type : '';
}

/** The plugins of a list in memory or in a file; undefined when the value is no list of this network. */
export function pluginsOf(list: unknown, network: string): readonly Plugin[] | undefined {
  if (!isObject(list) || list['name'] !== network) return undefined;
  const { plugins } = list;
  return Array.isArray(plugins) ? (plugins as unknown[]).filter(isObject) : [];
}

function listOf(file: string, network: string, folder: string): NetworkList | undefined {
  const list = readObject(file);
  const inlined = pluginsOf(list, network);
  if (list === undefined || inlined === undefined) return undefined;
  const whole = list['loadOnlyInlinedPlugins'];
  const isWhole = whole === true || (typeof whole === 'string' && whole.toLowerCase() === 'true');
  const others = isWhole
    ? []
    : filesIn(`${folder}/${network}`)
        .filter((name) => endingOf(name) === '.conf')
        .map((name) => readObject(name))
        .filter((plugin) => plugin !== undefined);
  const plugins = [...inlined, ...others];
  return plugins.length === 0 ? undefined : { file, plugins };
}

function filesIn(folder: string): string[] {
  return listReadable(folder)
    .toSorted()
    .map((name) => `${folder}/${name}`)
    .filter((path) => !isFolder(path));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function endingOf(file: string): string {
  return /\.[^./]*$/.exec(file)?.[0] ?? '';
}

function readObject(file: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

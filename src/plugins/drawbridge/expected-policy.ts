import { readdirSync, readFileSync } from 'node:fs';

/** Where runtimes keep their network configurations, unless NETCONFPATH (cnitool, nerdctl) says otherwise. */
const usualFolder = '/etc/cni/net.d';

/**
 * Whether the network's configuration chains `egress-policy`. A plugin is told only its own part of a list, so the
 * list is looked for where runtimes keep them: in the folder, in one below it for each namespace (nerdctl), and as
 * single plugins in a folder of the network's name (libcni, unless "loadOnlyInlinedPlugins").
 *
 * It matters between the ADDs of the two plugins, and between their DELs: the interface is there and its policy is
 * not. When the list cannot be found, an attachment counts as without a policy until its policy comes.
 */
export function expectsPolicy(network: string, folder = process.env['NETCONFPATH'] ?? usualFolder): boolean {
  const lists = [folder, ...subfolders(folder)].flatMap((place) => filesIn(place, '.conflist'));
  if (lists.some((file) => chainsPolicy(file, network))) return true;
  return filesIn(`${folder}/${network}`, '.conf').some((file) => read(file)?.['type'] === policyType);
}

const policyType = 'egress-policy';

function subfolders(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => (entry.isDirectory() ? [`${folder}/${entry.name}`] : []));
}

function filesIn(folder: string, ending: string): string[] {
  return entriesOf(folder).flatMap(({ name }) => (name.endsWith(ending) ? [`${folder}/${name}`] : []));
}

function entriesOf(folder: string): { name: string; isDirectory(): boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
}

function chainsPolicy(file: string, network: string): boolean {
  const list = read(file);
  if (list?.['name'] !== network || !Array.isArray(list['plugins'])) return false;
  return list['plugins'].some((plugin: { type?: unknown } | null) => plugin?.type === policyType);
}

/** A file that holds no object says nothing: its runtime will complain of it. */
function read(file: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

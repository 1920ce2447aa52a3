import { readdirSync, readFileSync } from 'node:fs';

/** Where runtimes keep their network configurations, unless NETCONFPATH (cnitool, nerdctl) says otherwise. */
const usualFolder = '/etc/cni/net.d';

/**
 * Whether the network's configuration chains `egress-policy`. A plugin is told only its own part of a list, so the
 * list is looked for where runtimes keep them.
 *
 * It matters between the ADDs of the two plugins, and between their DELs: the interface is there and its policy is
 * not. When the list cannot be found, an attachment counts as without a policy until its policy comes.
 */
export function expectsPolicy(network: string, folder = process.env['NETCONFPATH'] ?? usualFolder): boolean {
  return confFiles(folder).some((file) => chainsPolicy(file, network));
}

function confFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.conflist'))
      .map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}

/** A file that is no list says nothing: its runtime will complain of it. */
function chainsPolicy(file: string, network: string): boolean {
  try {
    const { name, plugins } = JSON.parse(readFileSync(file, 'utf8')) as {
      name?: unknown;
      plugins?: { type?: unknown }[];
    };
    if (name !== network || !Array.isArray(plugins)) return false;
    return plugins.some(({ type }) => type === 'egress-policy');
  } catch {
    return false;
  }
}

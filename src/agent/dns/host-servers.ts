import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { parseResolvConf } from '../../ipam/resolv-conf.ts';

/**
 * Servers that the host itself asks, out of its resolv.conf, without those of `ours`: asking ourselves would
 * never end. Empty when there is no such file, so that names fail and nothing else is asked.
 */
export async function hostServers(ours: readonly string[], file = '/etc/resolv.conf'): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const { nameservers = [] } = parseResolvConf(text);
  // A link-local server needs its interface, which the proxy does not pass on.
  return nameservers.filter((server) => isIP(server) !== 0 && !server.includes('%') && !ours.includes(server));
}

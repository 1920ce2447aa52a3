import { CniError, codes } from '../../cni/errors.ts';
import type { Result } from '../../cni/result.ts';
import type { PluginIo } from '../../cni/serve.ts';
import { isOwnNetns, netnsExists } from '../../host/netns.ts';
import { jsonReason } from '../../text/json-problem.ts';
import { systemReason } from '../../text/system-error.ts';
import { interfaceDefaults } from '../drawbridge/defaults.ts';
import { attachmentRequest } from './attachment.ts';
import type { Network } from './network.ts';

/** Version of netavark's plugin protocol (its plugin-API.md). */
const apiVersion = '1.0.0';

/**
 * Runs as a network driver of podman once, as its words and stdin ask, and returns the exit status: 0 with the answer
 * on stdout, or 1 with `{"error": …}`, which podman shows.
 */
export async function serveNetavark(
  words: readonly string[],
  version: string,
  { readStdin, stdout, stderr }: Pick<PluginIo, 'readStdin' | 'stdout' | 'stderr'>,
): Promise<number> {
  try {
    const answer = await perform(words, version, readStdin);
    if (answer !== undefined) stdout(`${JSON.stringify(answer)}\n`);
    return 0;
  } catch (error) {
    if (error instanceof Error && !(error instanceof CniError)) stderr(`${error.stack ?? error.message}\n`);
    stdout(`${JSON.stringify({ error: wordsOf(error) })}\n`);
    return 1;
  }
}

async function perform(
  [command, netns = '']: readonly string[],
  version: string,
  readStdin: PluginIo['readStdin'],
): Promise<object | undefined> {
  if (command === 'info') return { version, api_version: apiVersion };
  const input = decode(await readStdin());
  if (command === 'create') return (await import('./create.ts')).create(input);
  if (command === 'setup') {
    requireOther(netns);
    const { request, network } = attachmentRequest('ADD', netns, input);
    const { add } = await import('../drawbridge/add.ts');
    return statusOf(await add(request, interfaceDefaults.drawbridge), request.id.ifname, network);
  }
  const { del } = await import('../drawbridge/del.ts');
  await del(attachmentRequest('DEL', netns, input).request);
  return undefined;
}

/** Throws for a path that is no namespace's, or this host's own: its interfaces are not a container's. */
function requireOther(netns: string): void {
  if (!netnsExists(netns))
    throw new CniError(codes.invalidNetns, `Cannot connect a container: there is no network namespace at "${netns}"`);
  if (isOwnNetns(netns))
    throw new CniError(
      codes.invalidNetns,
      `Cannot connect a container: "${netns}" is the network namespace of the host`,
      'Give the container a namespace of its own',
    );
}

function decode(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`Cannot decode what stdin brings: ${text.trim() === '' ? 'it is empty' : jsonReason(text)}`);
  }
}

/**
 * What podman keeps of a connected container. Names of containers are not answered for these networks: netavark makes
 * no entries in its DNS server for a driver's networks.
 */
function statusOf({ interfaces, ips }: Result, ifname: string, { dnsServers }: Network): object {
  const inside = interfaces.findIndex(({ name, sandbox }) => name === ifname && sandbox !== undefined);
  return {
    dns_search_domains: [],
    dns_server_ips: dnsServers,
    interfaces: {
      [ifname]: {
        mac_address: interfaces[inside]?.mac ?? '',
        subnets: ips.map(({ address, gateway }) => ({ ipnet: address, ...(gateway === undefined ? {} : { gateway }) })),
      },
    },
  };
}

function wordsOf(error: unknown): string {
  if (error instanceof CniError)
    return error.details === undefined ? error.message : `${error.message}; ${error.details}`;
  return error instanceof Error ? systemReason(error) : String(error);
}

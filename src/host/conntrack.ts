import { isIP } from 'node:net';
import { CommandError, findProgram, run } from './run.ts';

/** A published UDP port, by the address and port that a client sends to. */
export interface UdpDestination {
  readonly families: readonly (4 | 6)[];
  readonly hostIp?: string;
  readonly hostPort: number;
}

/**
 * Forgets the UDP flows to published ports. conntrack goes on sending the packets of such a flow where the
 * first one went, be that a container that is gone or, before the port was published, nowhere (plugins#123,
 * plugins#1190). TCP needs none of this: its flows end with their connections.
 *
 * Returns warnings; a flow that stays is no reason to fail.
 */
export function forgetUdpFlows(ports: readonly UdpDestination[]): Promise<string[]> {
  return deleteAll(
    ports.flatMap(({ families, hostIp, hostPort }) =>
      families.map((family) => [
        ...familyOf(family),
        '-p',
        'udp',
        ...(hostIp === undefined ? [] : ['--orig-dst', hostIp]),
        '--orig-port-dst',
        String(hostPort),
      ]),
    ),
  );
}

/** Forgets every flow that an address began, or that was translated to lead to it. Returns warnings. */
export function forgetFlowsOf(addresses: readonly string[]): Promise<string[]> {
  return deleteAll(
    addresses.flatMap((address) => {
      const family = familyOf(isIP(address) === 6 ? 6 : 4);
      return [
        [...family, '--orig-src', address],
        [...family, '--reply-src', address],
      ];
    }),
  );
}

function familyOf(family: 4 | 6): string[] {
  return ['-f', family === 4 ? 'ipv4' : 'ipv6'];
}

async function deleteAll(filters: readonly (readonly string[])[]): Promise<string[]> {
  if (filters.length === 0) return [];
  if (findProgram('conntrack') === undefined) {
    return [
      'Cannot forget old flows: the program "conntrack" is not installed; install the package "conntrack" (Debian, Ubuntu) or "conntrack-tools" (others)',
    ];
  }
  const warnings = await Promise.all(filters.map(deleteFlows));
  return warnings.filter((warning) => warning !== undefined);
}

async function deleteFlows(filter: readonly string[]): Promise<string | undefined> {
  try {
    await run('conntrack', ['-D', ...filter], { deadline: 5000 });
    return undefined;
  } catch (error) {
    // Exit status 1 with this line says that there was none, which is what was wanted.
    if (error instanceof CommandError && /\b0 flow entries have been deleted/.test(error.stderr)) return undefined;
    return `Cannot forget old flows: ${error instanceof Error ? error.message : String(error)}`;
  }
}

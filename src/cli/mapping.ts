import { formatAddress, readAnyAddress } from '../ip/address.ts';
import type { PortMapping } from '../ports/mapping.ts';
import { UsageError } from './command.ts';

/** "8080:80", "8080:80/udp", "127.0.0.1:8080:80", "[::1]:8080:80", or one port for both. Throws {@link UsageError}. */
export function parseMapping(text: string): PortMapping {
  const match =
    /^(?:(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)):)?(\d{1,5})(?::(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text);
  const [, six, four, host = '', inside = host, protocol = 'tcp'] = match ?? [];
  const address = readAnyAddress(six ?? four ?? '');
  const numbers = [Number(host), Number(inside)];
  if (
    match === null ||
    numbers.some((port) => port < 1 || port > 65_535) ||
    ((six ?? four) !== undefined && address === undefined)
  )
    throw new UsageError(
      `Cannot read the port "${text}"\nIt is written [ADDRESS:]HOSTPORT[:CONTAINERPORT][/PROTOCOL]: "8080:80", "127.0.0.1:5353:53/udp", "[::1]:8080:80"`,
    );
  const [hostPort = 0, containerPort = 0] = numbers;
  const base = { protocol: protocol as PortMapping['protocol'], hostPort, containerPort };
  if (address === undefined) return { ...base, families: [4, 6] };
  if (address.value === 0n) return { ...base, families: [address.family] };
  return { ...base, hostIp: formatAddress(address), families: [address.family] };
}

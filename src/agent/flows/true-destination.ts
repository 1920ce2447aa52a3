import type { LoggedPacket } from '../../host/netlink/packet-log.ts';
import { portsOf } from '../../records/sections.ts';
import { readDenied, type Denial } from '../../repair/survey/denials.ts';
import type { TrueDestination } from './denied-packet.ts';
import type { Parties } from './parties.ts';

/** Milliseconds for which the lists are not read again: packets of one attempt come together. */
const lasting = 500;

let latest: { readonly denied: Promise<readonly Denial[]>; readonly readAt: number } | undefined;

/**
 * What a packet asked for whose destination was translated, by a published port or the redirection of DNS. The kernel's
 * lists of denials have it; the packet has what it became. What it became, where they do not tell.
 */
export async function findTrueDestination(packet: LoggedPacket, parties: Parties): Promise<TrueDestination> {
  const { destination, destinationPort, protocol, source } = packet;
  const target = parties.at(destination);
  const published = new Set(
    target === undefined
      ? []
      : portsOf(target)
          .filter((port) => port.protocol === protocol && port.containerPort === destinationPort)
          .map(({ hostPort }) => hostPort),
  );
  const found = (await denied()).find(
    (one) =>
      one.source === source &&
      one.protocol === protocol &&
      (target === undefined ? one.port === destinationPort : one.port !== undefined && published.has(one.port)) &&
      parties.at(one.destination) === undefined,
  );
  return { destination: found?.destination ?? destination, port: found === undefined ? destinationPort : found.port };
}

async function denied(): Promise<readonly Denial[]> {
  const now = performance.now();
  if (latest === undefined || now - latest.readAt > lasting)
    latest = { denied: readDenied().catch(() => []), readAt: now };
  return latest.denied;
}

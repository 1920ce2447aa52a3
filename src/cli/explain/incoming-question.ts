import { formatAddress, readAnyAddress } from '../../ip/address.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf } from '../../records/sections.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { findAttachments } from '../../repair/survey/find.ts';
import { hostAddresses, surroundingsOf } from '../../repair/survey/surroundings.ts';
import { UsageError, valueOf, type Invocation } from '../command.ts';
import { parseDestination } from './destination.ts';

/** Stands for any address of the public internet. */
export const internet = 'internet';

/** Who asks for a port of the host or of a container. */
export interface IncomingQuestion {
  /** An address, or {@link internet}. */
  readonly from: string;
  /** The address of the host that is asked for; absent for any of them, and where a container is asked for. */
  readonly host?: string;
  /** The container that is asked for. */
  readonly record?: AttachmentRecord;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** As it is to be shown: ":8080/tcp", "web:80/tcp". */
  readonly text: string;
}

/** "--from ADDRESS TARGET", or "internet TARGET", unless a container is called so. */
export function incomingOf(invocation: Invocation, records: readonly AttachmentRecord[]): IncomingQuestion | undefined {
  const [first = '', second] = invocation.operands;
  const from = valueOf(invocation, 'from');
  if (from !== undefined && second !== undefined)
    throw new UsageError(`Cannot tell what is asked: with "--from" one destination is expected, ":8080" or "web:80"`);
  if (from !== undefined) return readIncoming(from, first, records);
  const isContainer = records.some(
    ({ containerId }) => containerId === internet || shownName(containerId) === internet,
  );
  if (first !== internet || isContainer || second === undefined) return undefined;
  return readIncoming(internet, second, records);
}

/**
 * Reads who comes in ("internet", an address) and what for: ":8080" is a port of the host, "192.0.2.1:8080" that of one
 * of its addresses, "web:80" a port of a container. Throws {@link UsageError}, and code 3 for a container that is not
 * there.
 */
function readIncoming(from: string, target: string, records: readonly AttachmentRecord[]): IncomingQuestion {
  const source = sourceOf(from, records);
  const [, ownPort, ownProtocol = 'tcp'] = /^:(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(target) ?? [];
  if (ownPort !== undefined) {
    const port = Number(ownPort);
    if (port < 1 || port > 65_535) throw new UsageError(`Cannot read "${target}": port ${port} is not from 1 to 65535`);
    const protocol = ownProtocol as IncomingQuestion['protocol'];
    return { from: source, port, protocol, text: `port ${port}/${protocol} of this host` };
  }
  const { host, isName, port, protocol, text } = parseDestination(target);
  if (protocol === 'icmp' || port === undefined)
    throw new UsageError(`Cannot tell who answers "${target}": ask for a port, ":8080", "web:80/udp"`);
  if (isName || records.some((record) => addressesOf(record).includes(host))) {
    const [record] = findAttachments(host, records);
    if (record !== undefined) return { from: source, record, port, protocol, text };
  }
  if (!hostAddresses().includes(host))
    throw new UsageError(
      `Cannot tell who answers "${target}": ${host} is no address of this host, and of no container`,
    );
  return { from: source, host, port, protocol, text };
}

function sourceOf(from: string, records: readonly AttachmentRecord[]): string {
  if (from === internet) return from;
  const address = readAnyAddress(from);
  if (address === undefined)
    throw new UsageError(`Cannot use "--from ${from}": an address, or "internet", is expected`);
  const text = formatAddress(address);
  const own = records.find((record) => addressesOf(record).includes(text));
  if (own === undefined) return text;
  const gateway = surroundingsOf(own, records).gateways[0] ?? 'ADDRESS';
  throw new UsageError(
    `${text} is the container "${shownName(own.containerId)}", which its own policy decides for: "drawbridge explain ${shownName(own.containerId)} ${gateway}:PORT"`,
  );
}

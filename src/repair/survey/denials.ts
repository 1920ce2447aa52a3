import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, hostInterfacesOf, ingressInterfaceOf } from '../../records/sections.ts';
import { formatAddress } from '../../ip/address.ts';
import { readSet, type HeldElement } from '../../host/held-tables.ts';

/** How many packets of each attachment were denied since it was attached, by the record's key. */
export async function readDenials(records: readonly AttachmentRecord[]): Promise<Map<string, number>> {
  const [four, six, ports] = await Promise.all([
    readSet('denials4'),
    readSet('denials6'),
    readSet('guard_denials', 'bridge drawbridge'),
  ]);
  const counts = new Map(
    [...(four ?? []), ...(six ?? []), ...(ports ?? [])].map(({ parts, packets }) => [parts.join(' '), packets ?? 0]),
  );
  return new Map(
    records.map((record) => {
      const own = addressesOf(record).map((address) => counts.get(`${ingressInterfaceOf(record)} ${address}`) ?? 0);
      const between = hostInterfacesOf(record).reduce((sum, port) => sum + (counts.get(port) ?? 0), 0);
      return [record.key, own.reduce((sum, packets) => sum + packets, between)];
    }),
  );
}

/** A destination that was denied, and how often; the kernel forgets it ten minutes after the last time. */
export interface Denial {
  readonly source: string;
  readonly destination: string;
  /** "arp" and "ndp": a container asked its bridge for a sibling that it is kept apart from, and got no answer. */
  readonly protocol: string;
  readonly port?: number;
  readonly packets: number;
}

/** Reads what was denied lately, of all containers: what left their bridge, and what was for one another. */
export async function readDenied(): Promise<Denial[]> {
  const [routed, bridged, asked4, asked6] = await Promise.all([
    Promise.all(['denied4', 'denied6', 'denied4_portless', 'denied6_portless'].map((name) => readSet(name))),
    Promise.all(
      ['guard_denied4', 'guard_denied6', 'guard_denied4_portless', 'guard_denied6_portless'].map((name) =>
        readSet(name, 'bridge drawbridge'),
      ),
    ),
    readSet('guard_asked4', 'bridge drawbridge'),
    readSet('guard_asked6', 'bridge drawbridge'),
  ]);
  return [
    ...[...routed, ...bridged].flatMap((set) => set ?? []).map(denialOf),
    ...(asked4 ?? []).map(({ parts: [source = '', destination = ''], packets = 0 }) => ({
      source,
      destination,
      protocol: 'arp',
      packets,
    })),
    ...(asked6 ?? []).map(({ parts: [source = '', upper = '0', lower = '0'], packets = 0 }) => ({
      source,
      destination: formatAddress({ family: 6, value: (BigInt(upper) << 64n) | BigInt(lower) }),
      protocol: 'ndp',
      packets,
    })),
  ];
}

function denialOf({ parts: [source = '', destination = '', protocol = '', port], packets = 0 }: HeldElement): Denial {
  return {
    source,
    destination,
    protocol: protocol === 'ipv6-icmp' ? 'icmp' : protocol,
    ...(port === undefined ? {} : { port: Number(port) }),
    packets,
  };
}

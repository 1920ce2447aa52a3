import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, ingressInterfaceOf } from '../../records/sections.ts';
import { readSet } from '../../host/held-tables.ts';

/** How many packets of each attachment were denied since it was attached, by the record's key. */
export async function readDenials(records: readonly AttachmentRecord[]): Promise<Map<string, number>> {
  const [four, six] = await Promise.all([readSet('denials4'), readSet('denials6')]);
  const counts = new Map(
    [...(four ?? []), ...(six ?? [])].map(({ parts, packets }) => [parts.join(' '), packets ?? 0]),
  );
  return new Map(
    records.map((record) => {
      const own = addressesOf(record).map((address) => counts.get(`${ingressInterfaceOf(record)} ${address}`) ?? 0);
      return [record.key, own.reduce((sum, packets) => sum + packets, 0)];
    }),
  );
}

/** A destination that was denied, and how often; the kernel forgets it ten minutes after the last time. */
export interface Denial {
  readonly source: string;
  readonly destination: string;
  readonly protocol: string;
  readonly port?: number;
  readonly packets: number;
}

/** Reads what was denied lately, of all containers. */
export async function readDenied(): Promise<Denial[]> {
  const sets = await Promise.all(['denied4', 'denied6', 'denied4_portless', 'denied6_portless'].map(readSet));
  return sets
    .flatMap((set) => set ?? [])
    .map(({ parts: [source = '', destination = '', protocol = '', port], packets = 0 }) => ({
      source,
      destination,
      protocol: protocol === 'ipv6-icmp' ? 'icmp' : protocol,
      ...(port === undefined ? {} : { port: Number(port) }),
      packets,
    }));
}

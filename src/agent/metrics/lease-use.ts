import { Fields } from '../../cni/fields.ts';
import { familyOf } from '../../ip/family.ts';
import { list } from '../../ipam/ledger.ts';
import { defaultDataDir, parseIpam } from '../../ipam/ranges.ts';
import type { AttachmentRecord } from '../../records/record.ts';

/** How much of a network's range is leased. */
export interface LeaseUse {
  readonly network: string;
  /** The range as the conf has it. */
  readonly subnet: string;
  readonly used: number;
  readonly size: number;
}

/** Lease use of the networks that have containers, by the conf of one of them. Never throws. */
export function leaseUse(records: readonly AttachmentRecord[]): LeaseUse[] {
  const networks = new Map(
    records.flatMap(({ network, link }) => (link?.ipam.type === 'host-local' ? [[network, link] as const] : [])),
  );
  return [...networks].flatMap(([network, { conf, ipam }]) => {
    try {
      const fields = new Fields(conf).object('ipam');
      if (fields === undefined) return [];
      const { sets } = parseIpam(fields, { onePerFamily: false });
      const leased = list(ipam.dataDir ?? defaultDataDir, network);
      return sets.map(({ family, text, size }) => ({
        network,
        subnet: text,
        used: leased.filter(({ address }) => familyOf(address) === family).length,
        size: Number(size),
      }));
    } catch {
      return [];
    }
  });
}

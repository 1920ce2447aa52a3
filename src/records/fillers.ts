import { grantElements } from '../dataplane/elements/grants.ts';
import { uptime } from '../host/uptime.ts';
import type { Element } from '../nft/element.ts';
import type { AttachmentRecord } from './record.ts';
import { rememberedElements } from './remembered-elements.ts';

/**
 * Who fills sets while containers run (FilledBy of nft/declaration.ts: "expiring" and "peers"), and can say again what
 * they hold. Asks nobody, so that the tables can be written anew at any time.
 */
interface Filler {
  /** Of sets that all containers under the record's policy share. */
  readonly elements: (record: AttachmentRecord) => Promise<readonly Element[]>;
}

/** All of them: a set that somebody else fills has one entry here. What is granted, the record alone knows. */
const fillers: { readonly names: Filler; readonly grants: Filler } = {
  names: { elements: rememberedElements },
  grants: { elements: async (record) => grantElements(record, uptime()) },
};

/** What names have open by the id of the policy that they belong to, from who knows better than the filler. */
export type FilledByPolicy = ReadonlyMap<string, readonly Element[]>;

/** What the sets hold that somebody fills for the policies of records, each policy asked for once. */
export async function filledElements(
  records: readonly AttachmentRecord[],
  known: FilledByPolicy = new Map(),
): Promise<Element[]> {
  const policies = new Map(
    records.flatMap((record) => (record.egress === undefined ? [] : [[record.egress.policyId, record] as const])),
  );
  const filled = await Promise.all(
    [...policies].map(async ([id, record]) => [
      ...(known.get(id) ?? (await fillers.names.elements(record))),
      ...(await fillers.grants.elements(record)),
    ]),
  );
  return filled.flat();
}

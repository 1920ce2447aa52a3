import { familyOf } from '../../ip/family.ts';
import { run } from '../run.ts';
import { parseNatTable } from './nat-json.ts';
import { parseNatListing } from './nat-listing.ts';
import { translationOf, type AskedPacket, type Translation } from './nat-rule.ts';
import { findNatTables } from './present.ts';

/**
 * What rules of others (Docker's, podman's, an operator's) make of a packet of a container to an address of the host,
 * before it is routed; undefined when none that we can read translates it. Rules that look into maps or sets, or ask
 * for more than interface, protocol, address and port, are passed over.
 */
export async function findTranslation(packet: AskedPacket): Promise<Translation | undefined> {
  const family = familyOf(packet.destination);
  const { programs, chains } = await findNatTables(family);
  for (const program of programs) {
    const { stdout } = await run(program, ['-w', '5', '-t', 'nat', '-S']);
    const found = translationOf(parseNatListing(stdout), 'PREROUTING', packet);
    if (found !== undefined) return { ...found, rule: `${found.rule} (${program} -t nat)` };
  }
  for (const chain of chains) {
    const { stdout } = await run('nft', ['-j', 'list', 'table', chain.family, chain.table]);
    const found = translationOf(parseNatTable(stdout, family), chain.name, packet);
    if (found !== undefined) return { ...found, rule: `table ${chain.family} ${chain.table}, ${found.rule}` };
  }
  return undefined;
}

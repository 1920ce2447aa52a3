import { run } from '../run.ts';
import { list } from './foreign.ts';
import { findFirewalls } from './present.ts';

/**
 * Programs of those whose filter table has rules in a chain of this name, whether a packet gets there or not:
 * "iptables-nft".
 */
export async function programsWithRulesIn(chain: string): Promise<string[]> {
  const { backends } = await findFirewalls();
  const legacy = backends.filter(({ kind }) => kind === 'legacy');
  const [tables, ...listings] = await Promise.all([nftTablesWithRulesIn(chain), ...legacy.map(list)]);
  return [
    ...tables,
    ...listings.flatMap(({ chains }, at) => ((chains.get(chain)?.length ?? 0) > 0 ? [legacy[at]?.program ?? ''] : [])),
  ];
}

async function nftTablesWithRulesIn(chain: string): Promise<string[]> {
  // What nft would not read as a name, iptables-nft has not put there.
  if (!/^[a-z][\w./-]*$/iu.test(chain)) return [];
  const found = await Promise.all(
    (
      [
        ['ip', 'iptables-nft'],
        ['ip6', 'ip6tables-nft'],
      ] as const
    ).map(async ([family, program]) => {
      const listed = await run('nft', ['-j', 'list', 'chain', family, 'filter', chain]).catch(() => undefined);
      return listed?.stdout.includes('"rule"') === true ? [program] : [];
    }),
  );
  return found.flat();
}

import { tableNames } from '../../nft/element.ts';
import { readRoutingRules, type RoutingRule } from '../routing-rules.ts';
import { findProgram, run } from '../run.ts';
import { nftUsers, xtablesUsers, type MarkUser } from './mark-users.ts';

/** Tables of nft that iptables fills: it lists them in words that nft has not. */
const ofXtables = /^ip6? (?:filter|nat|mangle|raw|security)$/;

/**
 * Rules of others that read or write marks of packets or connections: in nft, in both kinds of iptables, and routing
 * rules. Throws code 100 when a program that is there cannot be run.
 */
export async function findMarkUsers(): Promise<MarkUser[]> {
  const programs = ['iptables', 'ip6tables'].flatMap((name) => {
    const kinds = ['nft', 'legacy'].map((kind) => `${name}-${kind}-save`).filter(isThere);
    return kinds.length > 0 ? kinds : [`${name}-save`].filter(isThere);
  });
  const isListed = programs.some((program) => !program.includes('legacy'));
  const [saved, listed, rules] = await Promise.all([
    Promise.all(programs.map(async (program) => (await run(program, [])).stdout)),
    run('nft', ['--stateless', '--terse', 'list', 'ruleset']),
    Promise.all(([4, 6] as const).map(readRoutingRules)),
  ]);
  const isOurs = (table: string): boolean => tableNames.some((own) => own === table);
  return [
    ...saved.flatMap(xtablesUsers).filter(({ rule }) => !/--comment "?drawbridge/.test(rule)),
    ...nftUsers(listed.stdout, (table) => isOurs(table) || (isListed && ofXtables.test(table))),
    ...rules.flat().flatMap(routingUser),
  ];
}

function isThere(program: string): boolean {
  return findProgram(program) !== undefined;
}

/** Those that forbid by a mark are ours. */
function routingUser({ priority, fwmark, fwmask, action, table }: RoutingRule): MarkUser[] {
  if (fwmark === undefined || action === 'prohibit') return [];
  const mask = fwmask === undefined ? '' : `/${fwmask}`;
  const rule = `ip rule ${priority}: from all fwmark ${fwmark}${mask} lookup ${table ?? action ?? ''}`.trim();
  return [{ rule, packet: Number(fwmask ?? 0xffffffff), connection: 0 }];
}

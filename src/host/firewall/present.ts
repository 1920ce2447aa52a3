import { findProgram, run } from '../run.ts';
import { isLegacyTableInUse } from './ruleset-state.ts';

/** A filter table that only iptables may edit. */
export interface Backend {
  readonly kind: 'nft' | 'legacy';
  readonly family: 4 | 6;
  /** For listing, and for a transaction: "iptables-nft", "iptables-nft-restore". */
  readonly program: string;
  readonly restore: string;
}

/** A base chain of a table that is neither ours nor that of a firewall that we know how to ask. */
export interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: string;
  /** "filter", "nat", "route". */
  readonly type?: string;
  readonly policy: string;
}

/** The foreign firewalls of a host. */
export interface ForeignFirewalls {
  readonly backends: readonly Backend[];
  readonly firewalld: boolean;
  /** Those with policy drop, through which our traffic has to go. */
  readonly closedChains: readonly BaseChain[];
}

/** Finds what could drop our traffic: two reads of /proc and one call of nft. No table is made by looking. */
export async function findFirewalls(): Promise<ForeignFirewalls> {
  const chains = await baseChains();
  const backends: Backend[] = [];
  const closed = chains.filter(
    ({ table, hook, policy }) =>
      table !== 'drawbridge' && table !== 'firewalld' && policy === 'drop' && (hook === 'forward' || hook === 'input'),
  );
  const unhandled = new Set(closed);
  for (const family of [4, 6] as const) {
    const nftTable = (chain: BaseChain) =>
      chain.table === 'filter' && chain.family === (family === 4 ? 'ip' : 'ip6') && /^[A-Z]+$/.test(chain.name);
    if (chains.some(nftTable)) {
      const backend = await findBackend('nft', family);
      if (backend !== undefined) {
        backends.push(backend);
        for (const chain of closed.filter(nftTable)) unhandled.delete(chain);
      }
    }
    if (isLegacyTableInUse(family)) {
      const backend = await findBackend('legacy', family);
      if (backend !== undefined) backends.push(backend);
    }
  }
  return { backends, firewalld: chains.some(({ table }) => table === 'firewalld'), closedChains: [...unhandled] };
}

/** Where others translate what comes in: programs that list a table "nat" of iptables, and chains of nft. */
export async function findNatTables(
  family: 4 | 6,
): Promise<{ readonly programs: readonly string[]; readonly chains: readonly BaseChain[] }> {
  const families = ['inet', family === 4 ? 'ip' : 'ip6'];
  const chains = (await baseChains()).filter(
    ({ family: own, table, hook, type }) =>
      type === 'nat' && hook === 'prerouting' && table !== 'drawbridge' && families.includes(own),
  );
  const isOfIptables = ({ table, name }: BaseChain): boolean => table === 'nat' && name === 'PREROUTING';
  const found = [
    ...(chains.some(isOfIptables) ? [await findBackend('nft', family)] : []),
    ...(isLegacyTableInUse(family, 'nat') ? [await findBackend('legacy', family)] : []),
  ];
  return {
    programs: found.flatMap((backend) => (backend === undefined ? [] : [backend.program])),
    chains: chains.filter((chain) => !isOfIptables(chain)),
  };
}

async function baseChains(): Promise<BaseChain[]> {
  const { stdout } = await run('nft', ['-j', 'list', 'chains']);
  const { nftables } = JSON.parse(stdout) as { nftables: { chain?: Partial<BaseChain> }[] };
  return nftables.flatMap(({ chain }) =>
    chain?.hook === undefined
      ? []
      : [{ family: '', table: '', name: '', hook: chain.hook, policy: 'accept', ...chain }],
  );
}

/** Undefined: there is no program for it, so that nobody can have put rules there with one either. */
async function findBackend(kind: 'nft' | 'legacy', family: 4 | 6): Promise<Backend | undefined> {
  const plain = family === 4 ? 'iptables' : 'ip6tables';
  const program = `${plain}-${kind}`;
  if (findProgram(program) !== undefined && findProgram(`${program}-restore`) !== undefined)
    return { kind, family, program, restore: `${program}-restore` };
  if (findProgram(plain) === undefined) return undefined;
  // A distribution with one kind alone: "iptables v1.8.9 (nf_tables)"; what is older than 1.8 names no kind and is
  // legacy.
  const { stdout } = await run(plain, ['-V']);
  return stdout.includes('nf_tables') === (kind === 'nft')
    ? { kind, family, program: plain, restore: `${plain}-restore` }
    : undefined;
}

/** Which bits of marks rules of others read or write. Pure. */

/** A rule of somebody else's with the bits that it reads or writes. */
export interface MarkUser {
  /** As its program lists it. */
  readonly rule: string;
  readonly packet: number;
  readonly connection: number;
}

const allBits = 0xffffffff;

/** Reads what `iptables-save` or `ip6tables-save` printed. */
export function xtablesUsers(text: string): MarkUser[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('-A ')) return [];
    let [packet, connection] = [0, 0];
    let isConnection = false;
    for (const [, module, target, option, value, mask] of line.matchAll(xtablesWord)) {
      if (module !== undefined) isConnection = module === 'connmark';
      else if (target !== undefined) isConnection = target === 'CONNMARK';
      else if (option === 'nfmask') packet |= Number(value);
      else if (option === 'ctmask') connection |= Number(value);
      else if (option !== undefined) {
        const bits = mask === undefined ? allBits : Number(mask);
        if (isConnection) connection |= bits;
        else packet |= bits;
      }
    }
    return usersOf(line, packet, connection);
  });
}

const xtablesWord =
  /-m ((?:conn)?mark)\b|-[jg] ((?:CONN)?MARK)\b|--(mark|set-x?mark|nfmask|ctmask) (0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?/g;

/** Reads what `nft list ruleset` printed, without the tables that `isOurs` names ("inet drawbridge"). */
export function nftUsers(text: string, isOurs: (table: string) => boolean): MarkUser[] {
  let table = '';
  return text.split('\n').flatMap((raw) => {
    const line = raw.trim();
    const [, opened] = /^table (\w+ \S+) \{$/.exec(line) ?? [];
    if (opened !== undefined) table = opened;
    if (isOurs(table) || line.startsWith('#')) return [];
    return usersOf(`${table}: ${line}`, nftBits(line, 'meta mark'), nftBits(line, 'ct mark'));
  });
}

/** `meta mark & 0xff == 0x1`, `meta mark 0x1`, `meta mark set 0x1`, `meta mark set meta mark & 0xff | 0x100`. */
function nftBits(line: string, key: 'meta mark' | 'ct mark'): number {
  let bits = 0;
  for (const [, rest = ''] of line.matchAll(new RegExp(`(?:^| )${key}( [^]*)`, 'g'))) {
    const set = /^ set (?:((?:meta |ct )?mark) )?([^]*)/.exec(rest);
    const [, , words = ''] = set ?? [undefined, undefined, rest];
    if (set !== null && set[1] !== key && set[1] !== 'mark') bits |= allBits;
    const [, kept] = /^\s*(?:&|and) (0x[0-9a-f]+)/.exec(words) ?? [];
    const [, added] = /^\s*(?:(?:&|and) 0x[0-9a-f]+ )?(?:\||or) (0x[0-9a-f]+)/.exec(words) ?? [];
    if (set === null) bits |= kept === undefined ? allBits : Number(kept);
    else bits |= (kept === undefined ? 0 : ~Number(kept)) | Number(added ?? 0);
  }
  return bits >>> 0;
}

function usersOf(rule: string, packet: number, connection: number): MarkUser[] {
  return packet === 0 && connection === 0 ? [] : [{ rule, packet: packet >>> 0, connection: connection >>> 0 }];
}

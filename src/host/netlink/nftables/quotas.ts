import { netfilterHere, RefusedError } from '../conversation.ts';
import { attribute, decodeAttributes, flag, readNumber, readText, text, u8 } from '../message.ts';

/** Of linux/netfilter/nf_tables.h: NFT_MSG_GETRULE of subsystem 10, and what rules are told as. */
const getRule = (10 << 8) | 7;
const NFPROTO_INET = 1;
const rule = { table: 1, chain: 2, expressions: 4 } as const;
const expression = { name: 1, data: 2 } as const;
const NFTA_QUOTA_CONSUMED = 4;
/** Of an attribute. */
const headerLength = 4;

/**
 * Bytes that the quotas of the chains of a table of family inet have counted, by the chain's name; of chains whose name
 * ends so. Undefined where this process cannot ask.
 */
export function readQuotas(table: string, ending: string): Map<string, number> | undefined {
  const conversation = netfilterHere();
  if (conversation === undefined) return undefined;
  try {
    const rules = conversation.read({
      type: getRule,
      flags: flag.dump,
      head: u8(NFPROTO_INET, 0, 0, 0),
      attributes: [attribute(rule.table, text(table))],
    });
    return new Map(
      rules.flatMap(({ payload }) => {
        const attributes = decodeAttributes(payload.subarray(4));
        const chain = readText(attributes.get(rule.chain) ?? u8());
        if (!chain.endsWith(ending)) return [];
        const used = consumedIn(attributes.get(rule.expressions) ?? u8());
        return used === undefined ? [] : [[chain, used] as const];
      }),
    );
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

/** The quota is the first expression of its rule; all are attributes of one type. */
function consumedIn(expressions: Uint8Array): number | undefined {
  if (expressions.length < headerLength) return undefined;
  const parts = decodeAttributes(expressions.subarray(headerLength, readNumber(expressions, 0, 2)));
  if (readText(parts.get(expression.name) ?? u8()) !== 'quota') return undefined;
  const consumed = decodeAttributes(parts.get(expression.data) ?? u8()).get(NFTA_QUOTA_CONSUMED);
  return consumed === undefined
    ? undefined
    : Number(new DataView(consumed.buffer, consumed.byteOffset).getBigUint64(0));
}

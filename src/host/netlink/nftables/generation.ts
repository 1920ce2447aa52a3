import { netfilterHere, RefusedError } from '../conversation.ts';
import { decodeAttributes } from '../message.ts';

/** Subsystem and message of linux/netfilter/nf_tables.h: NFT_MSG_GETGEN. */
const getGeneration = (10 << 8) | 16;
const NFTA_GEN_ID = 1;

/**
 * The number of the ruleset of this namespace, which every transaction that is committed makes one higher, whoever
 * commits it. Undefined where this process cannot ask.
 */
export function readGeneration(): number | undefined {
  const conversation = netfilterHere();
  if (conversation === undefined) return undefined;
  try {
    // struct nfgenmsg: every family, version 0.
    const [answer] = conversation.read({ type: getGeneration, flags: 0, head: new Uint8Array(4), attributes: [] });
    const id = answer === undefined ? undefined : decodeAttributes(answer.payload.subarray(4)).get(NFTA_GEN_ID);
    return id === undefined ? undefined : new DataView(id.buffer, id.byteOffset).getUint32(0);
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  }
}

import { netfilterHere, RefusedError, type Conversation } from '../conversation.ts';
import { errnos } from '../errno.ts';
import {
  attribute,
  decodeAttributes,
  decodeList,
  encodeAttributes,
  flag,
  readText,
  text,
  u8,
  type Answer,
  type Request,
} from '../message.ts';
import { elementAttribute, readElement, type WireElement } from './batch.ts';
import { attributes, messages, numberOfFamily, subsystem } from './numbers.ts';

/** A table by its family and name. */
export interface TableAddress {
  readonly family: string;
  readonly table: string;
}

/** A chain without its rules: what it hangs on, as bytes that differ where that differs. */
export interface WireChain {
  readonly name: string;
  readonly shape: Uint8Array;
}

export interface WireRule {
  readonly chain: string;
  /** In their order. */
  readonly expressions: readonly WireExpression[];
  /** What nft keeps with a rule, its comment for instance. */
  readonly note: Uint8Array;
}

export interface WireExpression {
  readonly name: string;
  readonly data: Uint8Array;
}

/**
 * Asks the kernel what of the rules is there. Every answer is of one moment; two answers may be of two. What is not
 * there, its table or its set included, is undefined or empty. Throws {@link RefusedError}.
 */
export class RulesetReader {
  readonly #conversation: Conversation;

  private constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** Undefined where this process cannot ask. */
  static open(): RulesetReader | undefined {
    const conversation = netfilterHere();
    return conversation === undefined ? undefined : new RulesetReader(conversation);
  }

  hasSet(address: TableAddress, name: string): boolean {
    return this.#read(messages.set.asked, address, [attribute(attributes.name, text(name))]).length > 0;
  }

  /** The element with the key of `element`; of an interval set one whose interval has that key. */
  findElement(address: TableAddress, set: string, element: WireElement): WireElement | undefined {
    const { key, lastKey, isEnd } = element;
    const bare = { key, ...(lastKey === undefined ? {} : { lastKey }), ...(isEnd === true ? { isEnd } : {}) };
    const wanted = attribute(attributes.elements, [elementAttribute(bare)]);
    return this.#readElements(address, set, [wanted], 0)[0];
  }

  listElements(address: TableAddress, set: string): WireElement[] {
    return this.#readElements(address, set, [], flag.dump);
  }

  listChains(address: TableAddress): WireChain[] {
    return this.#read(messages.chain.asked, address, [], flag.dump).flatMap((answer) => {
      const found = attributesOf(answer);
      if (readText(found.get(attributes.table) ?? u8()) !== address.table) return [];
      const parts = shapeAttributes.map((number) => attribute(number, found.get(number) ?? u8()));
      return [{ name: readText(found.get(attributes.chainName) ?? u8()), shape: encodeAttributes(parts) }];
    });
  }

  /** In the order of each chain. */
  listRules(address: TableAddress): WireRule[] {
    return this.#read(messages.rule.asked, address, [], flag.dump).flatMap((answer) => {
      const found = attributesOf(answer);
      if (readText(found.get(attributes.table) ?? u8()) !== address.table) return [];
      return [
        {
          chain: readText(found.get(attributes.ruleChain) ?? u8()),
          expressions: decodeList(found.get(attributes.ruleExpressions) ?? u8()).map(readExpression),
          note: found.get(attributes.ruleUserdata) ?? u8(),
        },
      ];
    });
  }

  #readElements(address: TableAddress, set: string, more: Request['attributes'], flags: number): WireElement[] {
    const answers = this.#read(
      messages.element.asked,
      address,
      [attribute(attributes.name, text(set)), ...more],
      flags,
    );
    return answers.flatMap((answer) =>
      decodeList(attributesOf(answer).get(attributes.elements) ?? u8()).flatMap((bytes) => readElement(bytes) ?? []),
    );
  }

  #read(message: number, { family, table }: TableAddress, more: Request['attributes'], flags = 0): Answer[] {
    try {
      return this.#conversation.read({
        type: (subsystem << 8) | message,
        flags,
        head: u8(numberOfFamily(family), 0, 0, 0),
        attributes: [attribute(attributes.table, text(table)), ...more],
      });
    } catch (error) {
      if (error instanceof RefusedError && error.errno === errnos.ENOENT) return [];
      throw error;
    }
  }
}

/** NFTA_CHAIN_HOOK, _POLICY, _TYPE and _FLAGS; the others count who uses it. */
const shapeAttributes = [4, 5, 7, 10] as const;

function attributesOf({ payload }: Answer): Map<number, Uint8Array> {
  return decodeAttributes(payload.subarray(4));
}

/** NFTA_EXPR_NAME and NFTA_EXPR_DATA. */
function readExpression(bytes: Uint8Array): WireExpression {
  const found = decodeAttributes(bytes);
  return { name: readText(found.get(1) ?? u8()), data: found.get(2) ?? u8() };
}

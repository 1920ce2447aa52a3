/** Messages as the kernel sends them to those who watch. */
import { attribute, concat, encode, text, u16, u32, u8, type Attribute } from '../../../src/host/netlink/message.ts';
import { attributes, messages, subsystem } from '../../../src/host/netlink/nftables/numbers.ts';
import type { RulesetEvent } from '../../../src/host/netlink/nftables/event.ts';

/** "inet" unless another number of a family is given, and "drawbridge". */
export function rulesetMessage({
  kind,
  isRemoval,
  family = 1,
  table = 'drawbridge',
  name = '',
  keys = [],
  isDestroy = false,
}: Pick<RulesetEvent, 'kind' | 'isRemoval'> & {
  readonly family?: number;
  readonly table?: string;
  readonly name?: string;
  readonly keys?: readonly Uint8Array[];
  readonly isDestroy?: boolean;
}): Uint8Array {
  const { added, deleted, destroyed } = messages[kind];
  const list = keys.map((key) =>
    attribute(attributes.listElement, [attribute(attributes.elementKey, [attribute(attributes.dataValue, key)])]),
  );
  return encode(
    {
      type: (subsystem << 8) | (isDestroy ? destroyed : isRemoval ? deleted : added),
      flags: 0,
      head: u8(family, 0, 0, 0),
      attributes: [
        attribute(attributes.table, text(table)),
        ...(name === '' ? [] : [attribute(kind === 'chain' ? attributes.chainName : attributes.name, text(name))]),
        ...(keys.length === 0 ? [] : [attribute(attributes.elements, list)]),
      ],
    },
    0,
  );
}

/** An interface that came, went, or changed. */
export function linkMessage({
  index,
  name,
  isRemoval = false,
  family = 0,
}: {
  readonly index: number;
  readonly name?: string;
  readonly isRemoval?: boolean;
  readonly family?: number;
}): Uint8Array {
  const head = concat([u8(family, 0), u16(1), u32(index), u32(0), u32(0)]);
  return routeMessage(isRemoval ? 17 : 16, head, name === undefined ? [] : [attribute(3, text(name))]);
}

export function routeMessage(type: number, head: Uint8Array, rest: readonly Attribute[] = []): Uint8Array {
  return encode({ type, flags: 0, head, attributes: rest }, 0);
}

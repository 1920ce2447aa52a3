import type { LinkCommand } from '../../links/command.ts';
import { attribute, concat, flag, text, u32, u8, type Attribute, type Request } from './message.ts';
import { everyProtocolAt, filterQueueHandle, parent, tca, tcType } from './traffic-control.ts';

type RequestPlan = (lookup: { readonly index: (name: string) => number }) => Request;

/** A queue that holds nothing: filters hang on it. */
export function planFilterQueue({ name, queue }: LinkCommand<'addFilterQueue'>): RequestPlan {
  return ({ index }) => ({
    type: tcType.newQueue,
    flags: flag.create | flag.exclusive,
    head: tcHead(index(name), { handle: filterQueueHandle, parent: parent.beforeAll }),
    attributes: [attribute(tca.kind, text(queue))],
  });
}

export function planQueueRemoval({ name, queue }: LinkCommand<'deleteQueue'>): RequestPlan {
  const isRoot = queue === 'root';
  return ({ index }) => ({
    type: tcType.deleteQueue,
    flags: 0,
    head: tcHead(index(name), {
      handle: isRoot ? 0 : filterQueueHandle,
      parent: isRoot ? parent.root : parent.beforeAll,
    }),
    attributes: isRoot ? [] : [attribute(tca.kind, text(queue))],
  });
}

/** A filter of kind u32 that every packet matches, and its one action, mirred. */
export function planRedirection({ name, to, preference }: LinkCommand<'redirectIncoming'>): RequestPlan {
  return ({ index }) => ({
    type: tcType.newFilter,
    flags: flag.create | flag.exclusive,
    head: tcHead(index(name), { parent: parent.ingress, info: everyProtocolAt(preference) }),
    attributes: [
      attribute(tca.kind, text('u32')),
      attribute(tca.options, [
        attribute(u32Filter.classId, u32(0x10001)),
        attribute(u32Filter.selector, everyPacket),
        attribute(u32Filter.actions, [attribute(1, redirectTo(index(to)))]),
      ]),
    ],
  });
}

export function planRedirectionRemoval({ name, preference }: LinkCommand<'deleteRedirection'>): RequestPlan {
  return ({ index }) => ({
    type: tcType.deleteFilter,
    flags: 0,
    head: tcHead(index(name), { parent: parent.ingress, info: preference << 16 }),
    attributes: [],
  });
}

/** struct tcmsg. */
function tcHead(
  index: number,
  {
    handle = 0,
    parent: above,
    info = 0,
  }: { readonly handle?: number; readonly parent: number; readonly info?: number },
): Uint8Array {
  return concat([0, index, handle, above, info].map(u32));
}

/** Attributes of linux/pkt_cls.h. */
export const u32Filter = { classId: 1, selector: 5, actions: 7 } as const;
const TC_U32_TERMINAL = 1;

/** struct tc_u32_sel with one key, whose mask leaves nothing to compare. */
const everyPacket = concat([u8(TC_U32_TERMINAL, 0, 1, 0), new Uint8Array(12), new Uint8Array(16)]);

export const action = { kind: 1, options: 2 } as const;
export const TCA_MIRRED_PARMS = 2;
const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;

/** struct tc_mirred: index, capabilities, what becomes of the packet, two counts, what is done, and where it goes. */
function redirectTo(index: number): Attribute[] {
  const parameters = concat([0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, index].map(u32));
  return [attribute(action.kind, text('mirred')), attribute(action.options, [attribute(TCA_MIRRED_PARMS, parameters)])];
}

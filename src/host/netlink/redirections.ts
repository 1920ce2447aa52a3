import type { Conversation } from './conversation.ts';
import { concat, decodeAttributes, decodeList, flag, readNumber, readText, u32 } from './message.ts';
import { action, TCA_MIRRED_PARMS, u32Filter } from './queue-request.ts';
import { parent, tca, tcType } from './traffic-control.ts';

/** Indexes of the interfaces that what comes in by another one is sent to. */
export function redirectionsOf(conversation: Conversation, index: number): number[] {
  const filters = conversation.read({
    type: tcType.getFilter,
    flags: flag.dump,
    head: concat([0, index, 0, parent.ingress, 0].map(u32)),
    attributes: [],
  });
  // Behind struct tcmsg.
  return filters.flatMap(({ payload }) => targetsOf(decodeAttributes(payload.subarray(20)).get(tca.options)));
}

function targetsOf(options: Uint8Array | undefined): number[] {
  const actions = options && decodeAttributes(options).get(u32Filter.actions);
  return (actions === undefined ? [] : decodeList(actions)).flatMap((bytes) => {
    const one = decodeAttributes(bytes);
    const [kind, settings] = [one.get(action.kind), one.get(action.options)];
    const parameters = settings && decodeAttributes(settings).get(TCA_MIRRED_PARMS);
    const isRedirection = kind !== undefined && readText(kind) === 'mirred' && parameters !== undefined;
    return isRedirection ? [readNumber(parameters, parameters.length - 4, 4)] : [];
  });
}

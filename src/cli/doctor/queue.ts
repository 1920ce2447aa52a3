import { checksNames } from '../../egress/checked-names.ts';
import { heldQueue } from '../../egress/marks.ts';
import { findQueueForm, notedQueueForm, putQueueRule, standingQueueForm } from '../../host/queue-rule.ts';
import { readQueueState } from '../../host/queue-state.ts';
import { findProgram } from '../../host/run.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import type { Check, Trouble } from './check.ts';

/** Whether first bytes of connections can be read, where a policy asks for it. */
export const queueCheck: Check = {
  name: 'queue',
  about: 'the queue of connections whose names are checked',
  run: checkQueue,
};

async function checkQueue({ attachments }: Survey): Promise<Trouble[]> {
  const isNeeded = attachments.some(({ record: { egress } }) => egress !== undefined && checksNames(egress.policy));
  if (!isNeeded || findProgram('nft') === undefined) return [];
  if ((await findQueueForm()) === undefined) return [lacking];
  const form = notedQueueForm();
  const state = readQueueState(heldQueue);
  return [
    ...(form === undefined || (await standingQueueForm()) === undefined ? [withoutRule(form)] : []),
    ...(state === undefined ? [unread] : state.overruns > 0 ? [overrun(state.overruns)] : []),
  ];
}

const lacking: Trouble = {
  severity: 'problem',
  found: 'this host has neither the queue of nft nor NFQUEUE of iptables, and a policy checks names',
  why: 'connections that a name opens are refused',
  remedy: 'modprobe nft_queue || modprobe xt_NFQUEUE',
};

const words = {
  nft: 'a rule of table inet drawbridge_queue',
  xtables: 'rules of iptables and ip6tables, table mangle',
};

function withoutRule(form: keyof typeof words | undefined): Trouble {
  return {
    severity: 'problem',
    found: `what leads to the queue of checked names is not there${form === undefined ? '' : ` (${words[form]})`}`,
    why: 'connections that a name opens get no further than their handshake; those that stand go on',
    remedy: 'systemctl restart drawbridge-agent   # it puts the rule back by itself within ten seconds',
    fix: async () => {
      await putQueueRule();
    },
  };
}

const unread: Trouble = {
  severity: 'problem',
  found: `nobody reads queue ${heldQueue}, in which connections wait that a name opens`,
  why: 'they go no further until the agent reads their first bytes; those that stand go on',
  remedy: 'systemctl enable --now drawbridge-agent',
};

function overrun(count: number): Trouble {
  return {
    severity: 'warning',
    found: `${count} packets of connections to names found no room in the queue since the agent reads it`,
    why: 'clients send them again a second later: new connections take that longer',
    remedy: 'find the container that opens so many connections: drawbridge top',
    isAdvice: true,
  };
}

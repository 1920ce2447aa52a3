/** A filter of tc(8) that marks what comes in by an interface: what no text of `tc` can say on every kernel. */
import { closeSync } from 'node:fs';
import { Conversation, RefusedError } from './conversation.ts';
import { errnos } from './errno.ts';
import { openLibrary } from './libc.ts';
import {
  attribute,
  concat,
  decodeAttributes,
  flag,
  readNumber,
  readText,
  text,
  u32,
  type Answer,
  type Attribute,
} from './message.ts';
import { everyProtocolAt, filterQueueHandle, parent, tca, tcType } from './traffic-control.ts';
import { markingProgram, type FilterMark } from './marking-program.ts';

/** How a filter is told from others of its interface. */
export interface FilterLabel {
  readonly preference: number;
  readonly label: string;
}

export type MarkOptions = FilterMark & FilterLabel;

/**
 * Sets bits of the mark of every packet that comes in by an interface, whoever sends it. Returns why that cannot be
 * had, also where the interface is gone.
 */
export async function markIncoming(name: string, options: MarkOptions): Promise<string | undefined> {
  const kernel = openLibrary();
  const conversation = kernel && Conversation.open(kernel);
  if (kernel === undefined || conversation === undefined) return 'this program cannot speak to the kernel itself';
  try {
    const program = kernel.loadClassifier(options.label, markingProgram(options));
    if (program === undefined) return 'the kernel takes no eBPF program (CONFIG_BPF_SYSCALL, CAP_BPF)';
    try {
      const index = indexOf(conversation, name);
      if (index === 0) return 'the interface is gone';
      attach(conversation, { ...options, index, program });
    } finally {
      closeSync(program);
    }
    return undefined;
  } catch (error) {
    if (error instanceof RefusedError) return error.message;
    throw error;
  } finally {
    conversation.close();
  }
}

/**
 * Whether a filter of {@link markIncoming} is there; true also when the interface is not, since nothing comes in by it.
 * Undefined where the kernel cannot be asked from here.
 */
export function isMarked(name: string, place: FilterLabel): boolean | undefined {
  return converse((conversation) => {
    const index = indexOf(conversation, name);
    return index === 0 || filtersAt(conversation, index, parent.ingress).some((filter) => isAt(filter, place));
  });
}

/** Takes that filter out, if it is there, and what it hung on if nothing else does. */
export function unmarkIncoming(name: string, place: FilterLabel): void {
  converse((conversation) => {
    const index = indexOf(conversation, name);
    const filters = filtersAt(conversation, index, parent.ingress);
    if (index === 0 || !filters.some((filter) => isAt(filter, place))) return;
    const change = (kind: number, words: readonly number[]): void =>
      conversation.change({ type: kind, flags: 0, head: concat([0, index, ...words].map(u32)), attributes: [] });
    change(tcType.deleteFilter, [0, parent.ingress, everyProtocolAt(place.preference)]);
    const left = [parent.ingress, parent.egress].flatMap((parent) => filtersAt(conversation, index, parent));
    if (left.length === 0) change(tcType.deleteQueue, [filterQueueHandle, parent.beforeAll, 0]);
  });
}

/** Undefined where the kernel cannot be asked, or refuses. */
function converse<T>(talk: (conversation: Conversation) => T): T | undefined {
  const kernel = openLibrary();
  const conversation = kernel && Conversation.open(kernel);
  if (conversation === undefined) return undefined;
  try {
    return talk(conversation);
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  } finally {
    conversation.close();
  }
}

function filtersAt(conversation: Conversation, index: number, parent: number): Answer[] {
  return conversation.read({
    type: tcType.getFilter,
    flags: flag.dump,
    head: concat([0, index, 0, parent, 0].map(u32)),
    attributes: [],
  });
}

/** Of struct tcmsg, preference and protocol are the last word. */
function isAt({ payload }: Answer, { preference, label }: FilterLabel): boolean {
  const options = decodeAttributes(payload.subarray(20)).get(tca.options);
  const own = options && decodeAttributes(options).get(tcaBpf.name);
  return readNumber(payload, 16, 4) >>> 16 === preference && own !== undefined && readText(own) === label;
}

const RTM_GETLINK = 18;
const tcaBpf = { fd: 6, name: 7, flags: 8 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const IFLA_IFNAME = 3;

function attach(
  conversation: Conversation,
  { index, program, preference, label }: MarkOptions & { readonly index: number; readonly program: number },
): void {
  const change = (kind: number, flags: number, words: readonly number[], attributes: readonly Attribute[]): void =>
    conversation.change({ type: kind, flags, head: concat([u32(0), u32(index), ...words.map(u32)]), attributes });
  try {
    change(
      tcType.newQueue,
      flag.create | flag.exclusive,
      [filterQueueHandle, parent.beforeAll, 0],
      [attribute(tca.kind, text('clsact'))],
    );
  } catch (error) {
    // It may be there already, with filters of others.
    if (!(error instanceof RefusedError && error.errno === errnos.EEXIST)) throw error;
  }
  change(
    tcType.newFilter,
    flag.create | flag.replace,
    [1, parent.ingress, everyProtocolAt(preference)],
    [
      attribute(tca.kind, text('bpf')),
      attribute(tca.options, [
        attribute(tcaBpf.fd, u32(program)),
        attribute(tcaBpf.name, text(label)),
        attribute(tcaBpf.flags, u32(TCA_BPF_FLAG_ACT_DIRECT)),
      ]),
    ],
  );
}

/** 0 when it is gone. */
function indexOf(conversation: Conversation, name: string): number {
  try {
    const [link] = conversation.read({
      type: RTM_GETLINK,
      flags: 0,
      head: new Uint8Array(16),
      attributes: [attribute(IFLA_IFNAME, text(name))],
    });
    return link === undefined ? 0 : readNumber(link.payload, 4, 4);
  } catch (error) {
    if (error instanceof RefusedError && error.errno === errnos.ENODEV) return 0;
    throw error;
  }
}

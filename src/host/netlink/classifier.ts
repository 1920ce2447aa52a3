/** A filter of tc(8) that marks what comes in by an interface: what no text of `tc` can say on every kernel. */
import { closeSync } from 'node:fs';
import { Conversation, RefusedError } from './conversation.ts';
import { openLibrary } from './libc.ts';
import { attribute, concat, flag, readNumber, text, u16, u32, u8, type Attribute } from './message.ts';

/**
 * Sets bits of the mark of every packet that comes in by an interface, whoever sends it. Returns why that cannot be
 * had, also where the interface is gone.
 */
export async function markIncoming(
  name: string,
  { bits, preference, label }: { readonly bits: number; readonly preference: number; readonly label: string },
): Promise<string | undefined> {
  const kernel = openLibrary();
  const conversation = kernel && Conversation.open(kernel);
  if (kernel === undefined || conversation === undefined) return 'this program cannot speak to the kernel itself';
  try {
    const program = kernel.loadClassifier(label, marking(bits));
    if (program === undefined) return 'the kernel takes no eBPF program (CONFIG_BPF_SYSCALL, CAP_BPF)';
    try {
      attach(conversation, { index: indexOf(conversation, name), program, preference, label });
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

/** mark |= bits; then the next filter is asked. Registers and fields of linux/bpf.h, __sk_buff.mark at 8. */
function marking(bits: number): Uint8Array {
  const instruction = (code: number, registers: number, offset: number, immediate: number): Uint8Array =>
    concat([
      u8(code, isLittleEndian ? registers : ((registers & 0xf) << 4) | (registers >> 4)),
      u16(offset),
      u32(immediate >>> 0),
    ]);
  const [r0, r2] = [0, 2];
  const context = 1;
  return concat([
    instruction(LOAD_WORD, (context << 4) | r2, markOffset, 0),
    instruction(OR_CONSTANT, r2, 0, bits),
    instruction(STORE_WORD, (r2 << 4) | context, markOffset, 0),
    instruction(MOVE_CONSTANT, r0, 0, TC_ACT_UNSPEC),
    instruction(EXIT, 0, 0, 0),
  ]);
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const markOffset = 8;
const [LOAD_WORD, OR_CONSTANT, STORE_WORD, MOVE_CONSTANT, EXIT] = [0x61, 0x47, 0x63, 0xb7, 0x95];
const TC_ACT_UNSPEC = -1;

/** Of linux/rtnetlink.h and linux/pkt_sched.h. */
const [RTM_NEWQDISC, RTM_NEWTFILTER, RTM_GETLINK] = [36, 44, 18];
const TC_H_CLSACT = 0xfffffff1;
const clsactHandle = 0xffff0000;
const ingressParent = 0xfffffff2;
const everyProtocol = isLittleEndian ? 0x0300 : 0x0003;
const tca = { kind: 1, options: 2 } as const;
const tcaBpf = { fd: 6, name: 7, flags: 8 } as const;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
const IFLA_IFNAME = 3;
const EEXIST = 17;

function attach(
  conversation: Conversation,
  { index, program, preference, label }: { index: number; program: number; preference: number; label: string },
): void {
  const change = (kind: number, flags: number, words: readonly number[], attributes: readonly Attribute[]): void =>
    conversation.change({ type: kind, flags, head: concat([u32(0), u32(index), ...words.map(u32)]), attributes });
  try {
    change(
      RTM_NEWQDISC,
      flag.create | flag.exclusive,
      [clsactHandle, TC_H_CLSACT, 0],
      [attribute(tca.kind, text('clsact'))],
    );
  } catch (error) {
    // It may be there already, with filters of others.
    if (!(error instanceof RefusedError && error.errno === EEXIST)) throw error;
  }
  change(
    RTM_NEWTFILTER,
    flag.create | flag.replace,
    [1, ingressParent, ((preference << 16) | everyProtocol) >>> 0],
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

function indexOf(conversation: Conversation, name: string): number {
  const [link] = conversation.read({
    type: RTM_GETLINK,
    flags: 0,
    head: new Uint8Array(16),
    attributes: [attribute(IFLA_IFNAME, text(name))],
  });
  return link === undefined ? 0 : readNumber(link.payload, 4, 4);
}

/** The eBPF program of a filter that marks packets. Pure. */
import { addressBytes } from '../../ip/bytes.ts';
import { concat, u16, u32, u8 } from './message.ts';

/** What a filter does with what comes in by its interface. */
export interface FilterMark {
  readonly bits: number;
  /**
   * Addresses of who is behind the interface. Then IP alone is marked, since no table of ours sees ARP and could judge
   * it; ARP is let in as far as it speaks for one of them, or for nobody yet, and frames of other kinds are dropped.
   */
  readonly speakers?: readonly string[];
}

/** mark |= bits; then the next filter is asked. Fields of __sk_buff: mark at 8, protocol at 16. */
export function markingProgram({ bits, speakers }: FilterMark): Uint8Array {
  const marking: Instruction[] = [
    { code: LOAD_WORD, target: r2, source: r6, offset: 8 },
    { code: OR_CONSTANT, target: r2, immediate: bits },
    { code: STORE_WORD, target: r6, source: r2, offset: 8 },
  ];
  const saying = (verdict: number): Instruction[] => [
    { code: MOVE_CONSTANT, target: r0, immediate: verdict },
    { code: EXIT },
  ];
  const isKind = (etherType: number, to: Place): Instruction => ({
    code: JUMP_IF_EQUAL,
    target: r2,
    immediate: inNetworkOrder(etherType),
    to,
  });
  const sorting: Instruction[] = [
    { code: LOAD_WORD, target: r2, source: r6, offset: 16 },
    isKind(0x0800, 'mark'),
    isKind(0x86dd, 'mark'),
    isKind(0x0806, 'arp'),
    { code: JUMP, to: 'drop' },
  ];
  const own = (speakers ?? []).map((address) => new DataView((addressBytes(address) ?? u32(0)).slice().buffer));
  // Sender's address of ARP: 14 bytes behind a header of Ethernet.
  const arp: Instruction[] = [
    { code: LOAD_FROM_PACKET, immediate: 28 },
    ...[0, ...own.map((view) => view.getInt32(0))].map((immediate): Instruction => ({
      code: JUMP_IF_EQUAL,
      target: r0,
      immediate,
      to: 'next',
    })),
    { code: JUMP, to: 'drop' },
  ];
  const isSorting = speakers !== undefined;
  const parts: readonly (readonly [Place | undefined, readonly Instruction[]])[] = [
    [undefined, [{ code: MOVE, target: r6, source: r1 }]],
    ...(isSorting
      ? ([
          [undefined, sorting],
          ['arp', arp],
        ] as const)
      : []),
    ['mark', marking],
    ['next', saying(TC_ACT_UNSPEC)],
    ...(isSorting ? ([['drop', saying(TC_ACT_SHOT)]] as const) : []),
  ];
  return assemble(parts);
}

/** One instruction of linux/bpf.h; `to` is the place that a jump leads to. */
interface Instruction {
  readonly code: number;
  readonly target?: number;
  readonly source?: number;
  readonly offset?: number;
  readonly immediate?: number;
  readonly to?: Place;
}

type Place = 'arp' | 'mark' | 'next' | 'drop';

function assemble(parts: readonly (readonly [Place | undefined, readonly Instruction[]])[]): Uint8Array {
  const places = new Map<Place, number>();
  const all: Instruction[] = [];
  for (const [place, instructions] of parts) {
    if (place !== undefined) places.set(place, all.length);
    all.push(...instructions);
  }
  return concat(
    all.map(({ code, target = 0, source = 0, offset = 0, immediate = 0, to }, at) => {
      const registers = isLittleEndian ? (source << 4) | target : (target << 4) | source;
      const distance = to === undefined ? offset : (places.get(to) ?? 0) - at - 1;
      return concat([u8(code, registers), u16(distance), u32(immediate >>> 0)]);
    }),
  );
}

const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function inNetworkOrder(value: number): number {
  return isLittleEndian ? ((value & 0xff) << 8) | (value >> 8) : value;
}

const [r0, r1, r2, r6] = [0, 1, 2, 6];
const [LOAD_WORD, OR_CONSTANT, STORE_WORD, MOVE_CONSTANT, MOVE, EXIT] = [0x61, 0x47, 0x63, 0xb7, 0xbf, 0x95];
/** A jump that compares 32 bits; a word of the packet, made a number of the host's order, goes into r0. */
const [JUMP_IF_EQUAL, JUMP, LOAD_FROM_PACKET] = [0x16, 0x05, 0x20];
const [TC_ACT_UNSPEC, TC_ACT_SHOT] = [-1, 2];

import { InvalidValueError } from '../cni/errors.ts';

/** Bits of marks that are ours; all others are somebody else's. */
export interface MarkBits {
  /** Of packets: {@link packetMarks} of them, the lowest first. */
  readonly packet: readonly number[];
  /** Of connections: {@link connectionMarks}. */
  readonly connection: readonly number[];
}

const packetMarks = 11;
const connectionMarks = 2;

/** Bit 31 is the sign of a number of 32 bits. */
const widest = 0x7fffffff;

/**
 * Those that nobody is known for among kube-proxy (0x4000, 0x8000), Cilium (0x0f00), Docker's swarm (0x1 and up) and
 * firewalls that mark uplinks (the lowest byte). Calico (0xffff0000), Tailscale (0xff0000) and Weave (0x60000) use some
 * of them.
 */
export const usualMarks = 'packet 0x19ff0000\nconnection 0x6000000\n';

/**
 * Reads marks as they stand in a file: lines "packet MASK" and "connection MASK", masks in hexadecimal, "#" before
 * remarks; a line that is not there is the usual one. Throws code 7 for anything else, and for masks with too few bits.
 */
export function parseMarks(text: string, file: string): MarkBits {
  const masks = new Map(readLines(usualMarks, file));
  for (const [kind, mask] of readLines(text, file)) masks.set(kind, mask);
  return {
    packet: bitsOf(masks.get('packet') ?? 0, packetMarks, `${file}: packet`),
    connection: bitsOf(masks.get('connection') ?? 0, connectionMarks, `${file}: connection`),
  };
}

/** The file that says these bits. */
export function marksText({ packet, connection }: MarkBits): string {
  const mask = (bits: readonly number[]): string => `0x${bits.reduce((sum, bit) => sum + bit, 0).toString(16)}`;
  return `packet ${mask(packet)}\nconnection ${mask(connection)}\n`;
}

/** The file that takes bits which are not among these, the highest ones first; undefined where too few are left. */
export function freeMarks(used: { readonly packet: number; readonly connection: number }): string | undefined {
  const free = (taken: number, count: number): number[] =>
    Array.from({ length: 31 }, (_, place) => 2 ** (30 - place))
      .filter((bit) => (taken & bit) === 0)
      .slice(0, count);
  const [packet, connection] = [free(used.packet, packetMarks), free(used.connection, connectionMarks)];
  if (packet.length < packetMarks || connection.length < connectionMarks) return undefined;
  return marksText({ packet, connection });
}

function readLines(text: string, file: string): (readonly [string, number])[] {
  return text.split('\n').flatMap((raw, at) => {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') return [];
    const [, kind, mask] = /^(packet|connection)\s+(0x[0-9a-f]{1,8})$/i.exec(line) ?? [];
    if (kind === undefined || mask === undefined || Number(mask) > widest)
      throw new InvalidValueError(
        `${file}:${at + 1}`,
        `"${line}" is not understood`,
        'Expected "packet MASK" or "connection MASK", with a mask from 0x1 to 0x7fffffff',
      );
    return [[kind.toLowerCase(), Number(mask)] as const];
  });
}

function bitsOf(mask: number, count: number, path: string): number[] {
  const bits = Array.from({ length: 31 }, (_, place) => 2 ** place).filter((bit) => (mask & bit) !== 0);
  if (bits.length >= count) return bits.slice(0, count);
  throw new InvalidValueError(
    path,
    `0x${mask.toString(16)} has ${bits.length} bits`,
    `Expected a mask of at least ${count}`,
  );
}

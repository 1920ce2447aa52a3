/** A section header's fields that matter here, and where the header itself is in the file. */
interface Section {
  readonly header: number;
  readonly name: string;
  readonly type: number;
  readonly flags: bigint;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
}

const noBits = 8;
const allocated = 2n;
const word = 8;

/**
 * Changes an executable of Bun, in place, so that `strip` leaves it whole; throws when it is not as expected.
 *
 * Bun keeps the program in the section ".bun" and finds it by a word of its data segment which holds the section's
 * address. No section header reaches over that word, and strip writes zeros where no section is: what is left is plain
 * Bun. The section before the word is made to reach over it. Nothing of what is loaded changes.
 *
 * Fields of ELF: System V ABI, "Object Files", for 64 bits, little-endian.
 */
export function makeStrippable(elf: Buffer): void {
  const sections = sectionsOf(elf).filter(({ flags, type }) => (flags & allocated) !== 0n && type !== noBits);
  const program = sections.find(({ name }) => name === '.bun');
  if (program === undefined) throw new Error('the executable has no section ".bun"');
  const inOrder = sections.toSorted((one, other) => one.offset - other.offset);
  const found = inOrder.flatMap((section, index) => {
    const end = section.offset + section.size;
    const next = inOrder[index + 1]?.offset ?? end;
    return placesOf(elf, program.address, end, next).map((place) => ({ section, end: place + word }));
  });
  const [only, ...others] = found;
  if (only === undefined || others.length > 0)
    throw new Error(`the executable has ${found.length} words outside of sections that hold the program's address`);
  elf.writeBigUInt64LE(BigInt(only.end - only.section.offset), only.section.header + 32);
}

function sectionsOf(elf: Buffer): Section[] {
  const table = Number(elf.readBigUInt64LE(0x28));
  const entry = elf.readUInt16LE(0x3a);
  const headers = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => table + index * entry);
  const names = Number(elf.readBigUInt64LE(headers[elf.readUInt16LE(0x3e)]! + 24));
  return headers.map((header) => {
    const name = names + elf.readUInt32LE(header);
    return {
      header,
      name: elf.toString('latin1', name, elf.indexOf(0, name)),
      type: elf.readUInt32LE(header + 4),
      flags: elf.readBigUInt64LE(header + 8),
      address: elf.readBigUInt64LE(header + 16),
      offset: Number(elf.readBigUInt64LE(header + 24)),
      size: Number(elf.readBigUInt64LE(header + 32)),
    };
  });
}

/** Where aligned words of this value are, from one offset up to another. */
function placesOf(elf: Buffer, value: bigint, from: number, to: number): number[] {
  const places: number[] = [];
  for (let place = Math.ceil(from / word) * word; place + word <= to; place += word)
    if (elf.readBigUInt64LE(place) === value) places.push(place);
  return places;
}

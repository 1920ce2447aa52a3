import { nameBytes, readName } from './codec.ts';

/** Keys of service parameters (RFC 9460, section 14.3). */
const mandatoryKey = 0;
const hintKeys: ReadonlySet<number> = new Set([4, 6]);
/** Key of the configuration of encrypted hellos (RFC 9848). */
const helloKey = 5;

/**
 * RDATA of an HTTPS or SVCB record without its address index entries, which would send clients to addresses that
 * were never opened (RFC 9460, section 7.3); the other parameters stay, `ech` where `keepsEch`. Undefined when
 * the record leads to another name that `isOpen` does not know: clients that are left without such a
 * record go to the name itself. Throws when it is malformed.
 */
export function withoutIndex(
  rdata: Buffer,
  owner: string,
  { isOpen, keepsEch }: { readonly isOpen: (name: string) => boolean; readonly keepsEch: boolean },
): Buffer | undefined {
  const taken = keepsEch ? hintKeys : new Set([...hintKeys, helloKey]);
  const { name, end } = readName(rdata, 2);
  const target = name.toLowerCase();
  if (target !== '' && target !== owner && !isOpen(target)) return undefined;
  const kept = readParameters(rdata.subarray(end)).filter(({ key }) => !taken.has(key));
  const parts = kept.flatMap(({ key, value }) => {
    const rest = key === mandatoryKey ? withoutKeys(value, taken) : value;
    return key === mandatoryKey && rest.length === 0 ? [] : [word(key), word(rest.length), rest];
  });
  return Buffer.concat([rdata.subarray(0, 2), nameBytes(name), ...parts]);
}

function readParameters(bytes: Buffer): { key: number; value: Buffer }[] {
  const parameters: { key: number; value: Buffer }[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const length = bytes.readUInt16BE(offset + 2);
    const value = bytes.subarray(offset + 4, offset + 4 + length);
    if (value.length < length) throw new RangeError('a service parameter is longer than its record');
    parameters.push({ key: bytes.readUInt16BE(offset), value });
    offset += 4 + length;
  }
  return parameters;
}

/** A client must ignore a record whose mandatory parameters are not all there. */
function withoutKeys(keys: Buffer, taken: ReadonlySet<number>): Buffer {
  const pairs = Array.from({ length: keys.length >> 1 }, (_, index) => keys.subarray(index * 2, index * 2 + 2));
  return Buffer.concat(pairs.filter((pair) => !taken.has(pair.readUInt16BE(0))));
}

function word(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

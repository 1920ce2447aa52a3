/** Text of addresses, and their bytes, for the kernel's requests and answers; ip-address is not needed for it. */
import { familyOf } from './family.ts';

/** Undefined for what is no address. */
export function addressBytes(text: string): Uint8Array | undefined {
  return familyOf(text) === 6 ? ipv6Bytes(text) : ipv4Bytes(text);
}

/** Canonical (RFC 5952), except that nothing is written with dots inside of an IPv6 address. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0));
  const { at, length } = longestZeros(groups);
  const write = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? write(groups) : `${write(groups.slice(0, at))}::${write(groups.slice(at + length))}`;
}

/** The first of the longest runs. */
function longestZeros(groups: readonly number[]): { at: number; length: number } {
  let longest = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at += 1) {
    let end = at;
    while (groups[end] === 0) end += 1;
    if (end - at > longest.length) longest = { at, length: end - at };
  }
  return longest;
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/u.test(part) && Number(part) < 256)
    ? Uint8Array.from(parts, Number)
    : undefined;
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  const [front = [], back = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - front.length - back.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const groups = [...front, ...Array.from({ length: missing }, () => '0'), ...back];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/iu.test(group))) return undefined;
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]),
  );
}

import { CniError, codes } from '../../../cni/errors.ts';
import type { Fields } from '../../../cni/fields.ts';
import type { SysctlValue } from '../../../links/sysctl-value.ts';

/**
 * Reads the values of "sysctl". Keys are written as sysctl(8) has them: when the first separator is a dot, a dot
 * separates and a slash stands for a dot in a name; otherwise the reverse. "IFNAME" as a part of the key is the
 * container's interface.
 *
 * Throws code 7 for a key outside net/ (a network namespace has no other of its own), for a key that none of the
 * patterns of `allowed` matches, and for two spellings of one key.
 */
export function parseSysctls(fields: Fields, ifname: string, allowed: readonly RegExp[] | undefined): SysctlValue[] {
  const seen = new Map<string, string>();
  return [...(fields.stringMap('sysctl') ?? [])].map(([key, value]) => {
    const file = fileOf(key, ifname);
    if (file === undefined)
      throw fields.invalid(
        'sysctl',
        `keys of the form "net.ipv4.conf.IFNAME.arp_filter" and not ${JSON.stringify(key)}`,
      );
    if (allowed?.some((pattern) => pattern.test(key)) === false) throw notAllowed(key, allowed);
    const twin = seen.get(file);
    if (twin !== undefined)
      throw fields.invalid('sysctl', `each key once and not ${JSON.stringify(twin)} and ${JSON.stringify(key)}`);
    seen.set(file, key);
    return { file, value };
  });
}

/** Reads a list of patterns, one a line; empty lines count for nothing. Throws code 7 for one that is no pattern. */
export function parseAllowlist(text: string, file: string): RegExp[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return new RegExp(line, 'u');
      } catch (cause) {
        throw new CniError(
          codes.invalidConfig,
          `Invalid pattern ${JSON.stringify(line)} in "${file}": ${(cause as Error).message}`,
          'Each line is a regular expression',
          { cause },
        );
      }
    });
}

/** The file below /proc/sys/net/; undefined for a key that leads to none. */
function fileOf(key: string, ifname: string): string | undefined {
  const separator = /[./]/u.exec(key)?.[0] ?? '.';
  const [first, ...parts] = key.split(separator).map((part) => (separator === '.' ? part.replaceAll('/', '.') : part));
  const isSafe = parts.length > 0 && parts.every((part) => part !== '' && part !== '.' && part !== '..');
  return first === 'net' && isSafe ? parts.map((part) => part.replaceAll('IFNAME', ifname)).join('/') : undefined;
}

function notAllowed(key: string, allowed: readonly RegExp[]): CniError {
  return new CniError(
    codes.invalidConfig,
    `Sysctl ${JSON.stringify(key)} is not allowed on this host`,
    `Allowed is what matches one of: ${allowed.map(({ source }) => source).join(', ')}`,
  );
}

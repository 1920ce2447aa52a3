import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';

/**
 * Reads a MAC address that was asked for, in any of the forms "02:42:ac:11:00:02", "02-42-AC-11-00-02".
 *
 * Throws code 7 when it is none, is a group's (the lowest bit of the first byte is set) or is all zeros: the
 * kernel gives neither to an interface.
 */
export function parseMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/u.test(mac))
    throw invalid(text, 'six bytes in hexadecimal such as "02:42:ac:11:00:02" are expected');
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) === 1)
    throw invalid(text, 'it is a multicast address, that of one interface is expected');
  if (mac === '00:00:00:00:00:00') throw invalid(text, 'it is all zeros');
  return mac;
}

function invalid(text: string, why: string): CniError {
  return new CniError(
    codes.invalidConfig,
    `Invalid MAC address ${quote(text)}: ${why}`,
    'The address comes from CNI_ARGS "MAC", "args.cni.mac" or "runtimeConfig.mac"',
  );
}

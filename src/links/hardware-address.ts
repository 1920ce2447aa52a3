import { sha256 } from '../digest/sha256.ts';

/**
 * Makes a MAC address out of text, always the same one for the same text: locally administered, unicast,
 * beginning with 02.
 *
 * A link whose address is set when it is made keeps it: a bridge does not take over the lowest address of its
 * ports (cni#285), and udev's MACAddressPolicy, which touches random addresses only, leaves it alone (systemd#21185).
 */
export function hardwareAddressOf(text: string): string {
  const digits = sha256(text).slice(0, 10);
  return `02:${digits.replace(/..(?=.)/gu, '$&:')}`;
}

/**
 * The link-local address, with prefix length, that RFC 4291 (appendix A, modified EUI-64) derives from a MAC address.
 */
export function linkLocalAddressOf(mac: string): string {
  const bytes = mac.split(':').map((part) => Number.parseInt(part, 16));
  const eui64 = [(bytes[0] ?? 0) ^ 2, ...bytes.slice(1, 3), 0xff, 0xfe, ...bytes.slice(3)];
  const groups = [0, 2, 4, 6].map((at) => ((eui64[at] ?? 0) * 256 + (eui64[at + 1] ?? 0)).toString(16));
  return `fe80::${groups.join(':')}/64`;
}

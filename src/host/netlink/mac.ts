/** Text of MAC addresses, and their bytes. Pure. */

/** Undefined for what is no MAC address. */
export function macBytes(text: string): Uint8Array | undefined {
  const parts = text.split(':');
  return parts.length === 6 && parts.every((part) => /^[0-9a-f]{2}$/iu.test(part))
    ? Uint8Array.from(parts, (part) => Number.parseInt(part, 16))
    : undefined;
}

export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

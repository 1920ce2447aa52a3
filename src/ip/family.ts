export type Family = 4 | 6;

/**
 * The family of what is known to be an IP address or a prefix, by its text alone. Whether a text is an address is what
 * `ipVersion()` says.
 */
export function familyOf(addressOrPrefix: string): Family {
  return addressOrPrefix.includes(':') ? 6 : 4;
}

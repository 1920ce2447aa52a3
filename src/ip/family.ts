export type Family = 4 | 6;

/**
 * The family of what is known to be an IP address or a prefix, by its text alone. Whether a text is an address is what
 * `ipVersion()` says.
 */
export function familyOf(addressOrPrefix: string): Family {
  return addressOrPrefix.includes(':') ? 6 : 4;
}

/** Families of addresses or prefixes, each once, IPv4 first. */
export function familiesOf(addresses: readonly string[]): (4 | 6)[] {
  return ([4, 6] as const).filter((family) => addresses.some((address) => familyOf(address) === family));
}

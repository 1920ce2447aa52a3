/** One entry of the catalogue for IPv4, with the type of its addresses, and the same for IPv6. */
export function perFamily<T>(entry: (n: 4 | 6, address: 'ipv4_addr' | 'ipv6_addr') => T): [T, T] {
  return [entry(4, 'ipv4_addr'), entry(6, 'ipv6_addr')];
}

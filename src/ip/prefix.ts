/** The address in front of "/length", or the whole text where there is no length. It may have host bits. */
export function addressOf(prefix: string): string {
  return splitPrefix(prefix).address;
}

/** "10.88.0.2/16" in its two parts, neither of them read. The length is undefined where there is no slash. */
export function splitPrefix(prefix: string): { readonly address: string; readonly length: string | undefined } {
  const slash = prefix.indexOf('/');
  return slash === -1
    ? { address: prefix, length: undefined }
    : { address: prefix.slice(0, slash), length: prefix.slice(slash + 1) };
}

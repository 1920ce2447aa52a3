/**
 * SHA-256 (FIPS 180-4) of a text, in hexadecimal digits.
 *
 * Names of links, records, sets and policies are digests of what they belong to, so every run makes about ten. The
 * executable's runtime has a hasher built in; node:crypto, which takes 4 to 8 ms to load there, serves under Node.
 */
export function sha256(text: string): string {
  const { Bun: runtime } = globalThis as { Bun?: Runtime };
  if (runtime !== undefined) return runtime.SHA256.hash(text, 'hex');
  // oxlint-disable-next-line no-restricted-globals
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(text).digest('hex');
}

/** What this uses of Bun (bun.com/docs/runtime/hashing). */
interface Runtime {
  readonly SHA256: { hash(text: string, encoding: 'hex'): string };
}

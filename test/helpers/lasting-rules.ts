/**
 * What of nft's listing stays the same while packets pass: without the elements of sets that packets fill, which run
 * out by themselves. nft 1.1.7 writes "# count 3" behind the size of a set.
 */
export function lastingRules(listing: string): string {
  return listing
    .replaceAll(/[ \t]+# count \d+$/gm, '')
    .replaceAll(/(flags dynamic[^}]*?)\s+elements = \{[^}]*\}/g, '$1')
    .replaceAll(/\n\s*\n/g, '\n');
}

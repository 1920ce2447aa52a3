import { createScanner } from 'jsonc-parser';

/** Kinds of tokens (SyntaxKind of jsonc-parser), which has no values for them at run time. */
const comments: readonly number[] = [12, 13];
const end = 17;

/**
 * A JSON text with spaces in the place of its comments, so that everything else stays where it is. The library's own
 * `stripComments` makes a block comment longer by one.
 */
export function withoutComments(text: string): string {
  const scanner = createScanner(text);
  const parts: string[] = [];
  let at = 0;
  for (let kind: number = scanner.scan(); kind !== end; kind = scanner.scan()) {
    if (!comments.includes(kind)) continue;
    const start = scanner.getTokenOffset();
    parts.push(text.slice(at, start));
    at = start + scanner.getTokenLength();
    parts.push(text.slice(start, at).replaceAll(/[^\r\n]/g, ' '));
  }
  return [...parts, text.slice(at)].join('');
}

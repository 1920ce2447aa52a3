import { stripComments } from 'jsonc-parser';

/** A JSON text with spaces in the place of its comments, so that everything else stays where it is. */
export function withoutComments(text: string): string {
  return stripComments(text, ' ');
}

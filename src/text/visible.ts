/**
 * Text of others (processes, containers, DNS, files, arguments) as it may be shown: what would steer a terminal, turn
 * the direction of the line or break it stands there as an escape of JSON, "\u001b". Text of JSON stays JSON.
 *
 * Steering characters are C0, DEL and C1 (ECMA-48), the marks of direction of Unicode (UAX #9), the separators of lines
 * and paragraphs, the byte order mark, the noncharacters that {@link file://../cli/paint.ts} marks colours with, and
 * halves of surrogate pairs.
 */
export function visible(text: string): string {
  return text.replaceAll(steering, escapeOf);
}

/** As {@link visible}, for text that we composed: its lines stay lines. */
export function visibleLines(text: string): string {
  return text.replaceAll(steering, (character) => (character === '\n' ? character : escapeOf(character)));
}

const steering =
  /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

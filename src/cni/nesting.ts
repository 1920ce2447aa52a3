/**
 * Whether JSON text has lists and objects inside one another deeper than `limit` levels. A decoder may take such text,
 * and whatever walks through the value afterwards runs out of stack. Looks at each character once.
 */
export function isNestedDeeperThan(limit: number, text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let index = 0; index < text.length; index++) {
    const character = text[index];
    if (inString) {
      if (character === '\\') index++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if (depth > limit) return true;
  }
  return false;
}

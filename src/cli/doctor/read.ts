import { readFileSync } from 'node:fs';

/** Text of a small file, trimmed; undefined when it cannot be read. */
export function readTrimmed(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

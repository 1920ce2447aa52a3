import { readdirSync, readFileSync } from 'node:fs';

/** Text of a small file, trimmed; undefined when it cannot be read. */
export function readTrimmed(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** Names in a folder; none when there is no folder. */
export function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

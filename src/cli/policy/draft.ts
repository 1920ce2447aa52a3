/** A raw policy that things are taken out of, and the paths that they have in the file. */
export interface Draft {
  readonly value: unknown;
  readonly original: (path: string) => string;
  readonly without: (path: string) => Draft | undefined;
}

/**
 * A draft of a raw policy or of the configuration of a plugin, without what was `removed`: top-level keys, "allow[3]".
 */
export function draftOf(raw: unknown, removed: ReadonlySet<string> = new Set()): Draft {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw))
    return { value: raw, original: (path) => path, without: () => undefined };
  const kept = Object.entries(raw).filter(([key]) => !removed.has(key));
  const indexes = (key: string, list: readonly unknown[]): number[] =>
    [...list.keys()].filter((index) => !removed.has(`${key}[${index}]`));
  return {
    value: Object.fromEntries(
      kept.map(([key, value]) => [
        key,
        Array.isArray(value) ? indexes(key, value).map((index) => value[index] as unknown) : value,
      ]),
    ),
    original: (path) => {
      const [, key = '', index] = /^([a-zA-Z]+)\[(\d+)\]$/.exec(path) ?? [];
      const list: unknown = (raw as Record<string, unknown>)[key];
      return Array.isArray(list) ? `${key}[${indexes(key, list)[Number(index)] ?? index}]` : path;
    },
    without: (path) => {
      const top = path.split('.', 1)[0] ?? '';
      return top === '' || removed.has(top) ? undefined : draftOf(raw, new Set([...removed, top]));
    },
  };
}

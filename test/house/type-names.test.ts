import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const src = join(import.meta.dirname, '../../src');

/** Participles that do not end in "ed" or "ing", and adjectives that need a noun behind them as much. */
const irregular =
  /^(Begun|Bound|Broken|Built|Chosen|Done|Drawn|Found|Given|Gone|Got|Held|Kept|Known|Learnt|Left|Lost|Made|Meant|Met|Present|Put|Read|Said|Seen|Sent|Shown|Spent|Stood|Taken|Thrown|Told|Unreadable|Written)$/;

/** Nouns that look like participles. */
const nouns = new Set([
  'Binding',
  'Embed',
  'Feed',
  'Finding',
  'Listing',
  'Mapping',
  'Need',
  'Opening',
  'Seed',
  'Setting',
  'Shaping',
  'Sibling',
  'Speed',
  'String',
  'Thing',
  'Tuning',
  'Warning',
]);

/** Whether the last word of a type's name is a participle, so that nobody knows what thing it is. */
function lacksNoun(name: string): boolean {
  const last = /[A-Z][a-z0-9]*$/.exec(name)?.[0] ?? name;
  return !nouns.has(last) && (/(ed|ing)$/.test(last) || irregular.test(last));
}

describe('the name of a type', () => {
  test('of src is a noun, not a participle alone', () => {
    const names = globSync('**/*.ts', { cwd: src }).flatMap((file) =>
      [...readFileSync(join(src, file), 'utf8').matchAll(/^(?:export )?(?:interface|type|class) (\w+)/gm)].map(
        ([, name = '']) => ({ file, name }),
      ),
    );
    expect(names.length).toBeGreaterThan(200);
    expect(names.filter(({ name }) => lacksNoun(name))).toEqual([]);
  });

  test.for(['Known', 'Found', 'Told', 'Committed', 'Waiting', 'NotFound', 'SessionEnded'])('is refused: %s', (name) => {
    expect(lacksNoun(name)).toBe(true);
  });

  test.for(['KnownName', 'Finding', 'PortMapping', 'BrokenRecord', 'RefusedError', 'Policy'])(
    'is taken: %s',
    (name) => {
      expect(lacksNoun(name)).toBe(false);
    },
  );
});

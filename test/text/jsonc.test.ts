import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withoutComments } from '../../src/text/jsonc.ts';

test('withoutComments() leaves everything else where it is, and what stands in strings', () => {
  const text = '// a\n{ "a": /* b\n */ "//c", "d": "/* e */" } // f';
  expect(withoutComments(text)).toBe('    \n{ "a":     \n    "//c", "d": "/* e */" }     ');
});

test('withoutComments() changes no length and no line of any text', () => {
  const piece = fc.constantFrom(
    '//',
    '/*',
    '*/',
    '"',
    '\\',
    '\n',
    '\r',
    '{',
    'a',
    ' ',
    ':',
    '\u2028',
    '1',
    '-',
    '😀',
    '\0',
  );
  fc.assert(
    fc.property(
      fc.array(piece).map((pieces) => pieces.join('')),
      (text) => {
        const plain = withoutComments(text);
        expect(plain).toHaveLength(text.length);
        expect(plain.split('\n').map(({ length }) => length)).toEqual(text.split('\n').map(({ length }) => length));
      },
    ),
  );
});

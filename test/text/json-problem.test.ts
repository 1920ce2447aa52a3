import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findJsonProblem } from '../../src/text/json-problem.ts';

test.each([
  ['', 1, 1, 'it is empty'],
  [' \n', 1, 1, 'it is empty'],
  ['[', 1, 2, 'a value is expected, and there is the end'],
  ['{', 1, 2, 'a string in double quotes is expected, and there is the end'],
  ['{"a":1,}', 1, 7, 'the comma before "}" is one too many'],
  ['{\n  "a": [1,\n  ]\n}', 2, 10, 'the comma before "]" is one too many'],
  ['{"a": [1,,2]}', 1, 10, 'a value is expected, and there is ","'],
  ['{,}', 1, 2, 'a string in double quotes is expected, and there is ","'],
  ['{\n  "a": 1\n  "b": 2\n}', 3, 3, '"," or "}" is expected, and there is "\\""'],
  ['{"a" 1}', 1, 6, '":" is expected, and there is "1"'],
  ['[1, 2', 1, 6, '"," or "]" is expected, and there is the end'],
  ['{"a": tru}', 1, 7, 'a value is expected, and there is "tru"'],
  ["{'a': 1}", 1, 2, `a string in double quotes is expected, and there is "'a'"`],
  ['{"a": "b\n"}', 1, 7, 'the string does not end on its line'],
  ['{"a": "\\x"}', 1, 7, 'has a wrong escape in it'],
  ['{} {}', 1, 4, 'the end is expected, and there is "{"'],
  ['{"a": 01}', 1, 7, 'a value is expected, and there is "01"'],
  ['// mine\n{}', 1, 1, 'there is a comment'],
  ['{\n  "a": 1, /* mine */\n  "b": 2\n}', 2, 11, 'there is a comment'],
  ['{\n  "a": 1 // mine\n}', 2, 10, 'there is a comment'],
  ['{\n  # mine\n  "a": 1\n}', 2, 3, 'there is a comment'],
  ['{"a": "http://x/#y"} # z', 1, 22, 'there is a comment'],
  ['\uFEFF{}', 1, 1, 'a byte order mark stands before the text'],
  ['\uFFFD\uFFFD{\0}\0', 1, 1, 'it is not UTF-8'],
  ['mode: open\nallow:\n  - github.com\n', 1, 1, 'this is YAML'],
  ['# mine\n\nmode: open\n', 1, 1, 'this is YAML'],
  ['---\nmode: open\n', 1, 1, 'this is YAML'],
  ['- type: drawbridge\n', 1, 1, 'this is YAML'],
  ['{mode: "open"}', 1, 2, 'a string in double quotes is expected, and there is "mode"'],
  ['{\u201Ca\u201D: 1}', 1, 2, 'whose quotes are not JSON'],
  ['{"a": 1, "b": {"a": 1}, "\\u0061": 2}', 1, 25, 'the key "a" is there a second time'],
  ['['.repeat(5000), 1, 102, 'nested more than 100 deep'],
])('findJsonProblem() finds the problem of %j', (text, line, column, problem) => {
  expect(findJsonProblem(text)).toMatchObject({ line, column, problem: expect.stringContaining(problem) });
});

test('findJsonProblem() finds nothing in what JSON.stringify wrote', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.constantFrom(0, 2), (value, space) => {
      expect(findJsonProblem(JSON.stringify(value, undefined, space))).toBeUndefined();
    }),
  );
});

test('findJsonProblem() finds something whenever JSON.parse does', () => {
  const shuffled = fc
    .array(fc.constantFrom('{', '}', '[', ']', ':', ',', '"a"', '1', '-', 'true', ' ', '\n', '"', '\\'), {
      maxLength: 12,
    })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(shuffled, (text) => {
      expect(parses(text) || findJsonProblem(text) !== undefined).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { findPlaces } from '../../src/text/json-places.ts';
import { readYaml } from '../../src/text/yaml.ts';

test.each([
  ['a: 1\nb: 2\na: 3\n', 3, 1, 'the key is there a second time'],
  ['allow:\n  - *.example.org\n', 2, 5, /alias/],
  ['allow: &all [a]\ndeny: *all\n', 2, 7, /alias/],
  ['a: !mine 1\n', 1, 4, /tag/],
  ['a: "b\n', 2, 1, /quote/],
  ['a: 1\n---\nb: 2\n', 2, 1, /document/],
  ['? [a]\n: 1\n', 1, 1, /a key that is no text/],
])('readYaml() says where %j is wrong', (text, line, column, problem) => {
  expect(readYaml(text)).toEqual({ line, column, problem: expect.stringMatching(problem) });
});

test('readYaml() takes words of YAML 1.1 and addresses for the text that they are', () => {
  const read = readYaml('mode: no\nallow: [8.8.8.8, "*.example.org:443", 203.0.113.0/24:5432/tcp]\ndeny: # none\n');
  expect(read).toMatchObject({
    value: { mode: 'no', allow: ['8.8.8.8', '*.example.org:443', '203.0.113.0/24:5432/tcp'], deny: null },
  });
});

test('readYaml() has the places of its entries, by line and column', () => {
  const read = readYaml(
    '# mine\nmode: allowlist\nallow:\n  - github.com:443\n  - 8.8.8.8\ndns:\n  upstream: [9.9.9.9]\n',
  );
  const places = 'places' in read ? read.places : new Map();
  const at = (path: string) => [places.get(path)?.line, places.get(path)?.column, places.get(path)?.valueAt.column];
  expect(at('mode')).toEqual([2, 1, 7]);
  expect(at('allow[1]')).toEqual([5, 5, 5]);
  expect(at('dns.upstream[0]')).toEqual([7, 14, 14]);
  expect(places.get('allow')?.value).toEqual(['github.com:443', '8.8.8.8']);
});

test('readYaml() says what JSON says, with the same paths', () => {
  fc.assert(
    fc.property(
      fc.object({ key: fc.stringMatching(/^[a-z]{1,8}$/), values: [fc.string(), fc.integer(), fc.boolean()] }),
      (value) => {
        const read = readYaml(stringify(value));
        expect(read).toMatchObject({ value });
        const paths = 'places' in read ? [...read.places.keys()] : [];
        expect(paths.toSorted()).toEqual([...findPlaces(JSON.stringify(value)).keys()].toSorted());
      },
    ),
  );
});

test('readYaml() throws for no text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(readYaml(text)).toBeDefined();
    }),
  );
});

test('readYaml() refuses what is nested deeper than a stack is', () => {
  expect(readYaml(`a: ${'['.repeat(100_000)}`)).toMatchObject({
    line: 1,
    problem: 'objects and lists are nested too deep',
  });
});

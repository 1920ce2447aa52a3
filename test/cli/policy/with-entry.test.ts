import { describe, expect, test } from 'vitest';
import { withEntry } from '../../../src/cli/policy/with-entry.ts';

const added = { key: 'allow', entry: 'api.example.org:443' };

describe('a policy with one entry more', () => {
  test.each([
    ['in a list of one line', '{ "allow": ["a.example"] }', '{ "allow": ["a.example", "api.example.org:443"] }'],
    [
      'in a list of several lines, with its comments',
      '{\n  // ours\n  "allow": [\n    "a.example" // first\n  ]\n}\n',
      '{\n  // ours\n  "allow": [\n    "a.example", // first\n    "api.example.org:443"\n  ]\n}\n',
    ],
    [
      'where the list is not there yet',
      '{\n  "mode": "allowlist"\n}\n',
      '{\n  "mode": "allowlist",\n  "allow": [\n    "api.example.org:443"\n  ]\n}\n',
    ],
  ])('is JSON that was left as it was but for the entry, %s', (_where, before, after) => {
    expect(withEntry(before, { ...added, format: 'json' })).toBe(after);
  });

  test.each([
    [
      'in a list',
      '# ours\nallow:\n  - a.example # first\n',
      '# ours\nallow:\n  - a.example # first\n  - api.example.org:443\n',
    ],
    ['where the list is not there yet', 'mode: allowlist\n', 'mode: allowlist\nallow:\n  - api.example.org:443\n'],
  ])('is YAML that was left as it was but for the entry, %s', (_where, before, after) => {
    expect(withEntry(before, { ...added, format: 'yaml' })).toBe(after);
  });

  test.each([
    ['json', '{ "allow": "everything" }'],
    ['yaml', 'allow: everything\n'],
  ] as const)('is not made of a key that holds no list, %s', (format, text) => {
    expect(() => withEntry(text, { ...added, format })).toThrow('Cannot add to "allow": it is no list');
  });
});

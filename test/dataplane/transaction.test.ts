import { describe, expect, test } from 'vitest';
import type { Element } from '../../src/nft/element.ts';
import type { RuleGroup } from '../../src/nft/group.ts';
import { groupMark, layoutMark } from '../../src/dataplane/layout.ts';
import { quotedComment, quotedInterface } from '../../src/nft/quote.ts';
import { changeText, comparisonTexts, isEmpty, rebuildText, type Change } from '../../src/dataplane/transaction.ts';

const nothing: Change = { drop: [], undeclare: [], declare: [], assert: [], put: [] };
const port: Element = { table: 'inet drawbridge', set: 'published4', key: ['tcp', '80'], value: ['10.0.0.2', '8080'] };
const group: RuleGroup = {
  id: 'ab12',
  sets: [],
  chains: [{ table: 'inet drawbridge', name: 'p', rules: [] }],
};

const assertion = ['inet', 'bridge', 'ip', 'ip6'].map(
  (family) => `add element ${family} drawbridge ${layoutMark} { "in-force" }`,
);

describe('changeText()', () => {
  test.for<[string, Partial<Change>, string[]]>([
    ['puts a map element', { put: [port] }, ['add element inet drawbridge published4 { tcp . 80 : 10.0.0.2 . 8080 }']],
    ['drops a map element by its key', { drop: [port] }, ['delete element inet drawbridge published4 { tcp . 80 }']],
    [
      'writes the elements of one set in one command',
      { put: [port, { ...port, key: ['tcp', '81'] }] },
      ['add element inet drawbridge published4 { tcp . 80 : 10.0.0.2 . 8080, tcp . 81 : 10.0.0.2 . 8080 }'],
    ],
    [
      'drops before it puts',
      { drop: [port], put: [{ ...port, value: ['10.0.0.3', '1'] }] },
      [
        'delete element inet drawbridge published4 { tcp . 80 }',
        'add element inet drawbridge published4 { tcp . 80 : 10.0.0.3 . 1 }',
      ],
    ],
    [
      'puts a comment before the value',
      { put: [{ ...port, comment: 'net eth0 c1' }] },
      ['add element inet drawbridge published4 { tcp . 80 comment "net eth0 c1" : 10.0.0.2 . 8080 }'],
    ],
    [
      'renews the time of a expiring element on every kernel',
      { put: [{ table: 'inet drawbridge', set: 'names4', key: ['192.0.2.1'], timeout: 59.2 }] },
      [
        'add element inet drawbridge names4 { 192.0.2.1 timeout 60s }',
        'delete element inet drawbridge names4 { 192.0.2.1 }',
        'add element inet drawbridge names4 { 192.0.2.1 timeout 60s }',
      ],
    ],
    [
      'marks the group that it declares',
      { declare: [group], put: [port] },
      [
        `create set inet drawbridge ${groupMark('ab12')} { type ifname; }`,
        'add chain inet drawbridge p',
        'flush chain inet drawbridge p',
        'add element inet drawbridge published4 { tcp . 80 : 10.0.0.2 . 8080 }',
      ],
    ],
    [
      'removes a group after the elements that lead to it',
      { undeclare: [group], drop: [port] },
      [
        'delete element inet drawbridge published4 { tcp . 80 }',
        'flush chain inet drawbridge p',
        'delete chain inet drawbridge p',
        `delete set inet drawbridge ${groupMark('ab12')}`,
      ],
    ],
    [
      'asserts the group that must be there',
      { assert: [group] },
      [`add element inet drawbridge ${groupMark('ab12')} { "in-force" }`],
    ],
  ])('%s', ([, change, lines]) => {
    expect(
      changeText({ ...nothing, ...change })
        .trimEnd()
        .split('\n'),
    ).toEqual([...assertion, ...lines]);
  });
});

describe('rebuildText()', () => {
  test('replaces all tables before it adds groups and elements', () => {
    const lines = rebuildText({ groups: [group], elements: [port] }).split('\n');
    const places = [
      'delete table inet drawbridge',
      'table bridge drawbridge {',
      'add chain inet drawbridge p',
      'add element inet drawbridge published4 { tcp . 80 : 10.0.0.2 . 8080 }',
    ].map((line) => lines.indexOf(line));
    expect(places).not.toContain(-1);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});

test('comparisonTexts() asks for values and keys apart', () => {
  const plain: Element = { table: 'inet drawbridge', set: 'bridges', key: [{ interface: 'br0' }] };
  const { values, keys } = comparisonTexts([port, plain], []);
  expect(values).not.toContain('bridges');
  expect(keys).toContain('delete element inet drawbridge bridges { "br0" }');
  expect(keys).not.toContain('add element inet drawbridge published4');
});

test('isEmpty() is true for a change that only asserts', () => {
  expect(isEmpty({ ...nothing, assert: [group] })).toBe(true);
  expect(isEmpty({ ...nothing, drop: [port] })).toBe(false);
});

describe('quotedComment()', () => {
  test.for([
    ['c1', '"c1"'],
    ['a";flush ruleset;"', '"a_;flush ruleset;_"'],
    ['a\nb\r\0c\td', '"a_b__c_d"'],
    ['$var `id` \\ # ; { }', '"$var `id` \\ # ; { }"'],
    ['ünïcode 🚪', '"_n_code _"'],
    ['x'.repeat(300), `"${'x'.repeat(127)}"`],
  ] as const)('makes data of %j', ([text, quoted]) => {
    expect(quotedComment(text)).toBe(quoted);
  });
});

describe('quotedInterface()', () => {
  test.for(['veth0', 'br-1.100', 'a_b@c', '123456789012345'])('takes %j', (name) => {
    expect(quotedInterface(name)).toBe(`"${name}"`);
  });
  test.for(['', '.', '..', 'a b', 'a/b', 'a:b', 'a"b', 'veth*', 'a\\b', 'a\nb', 'ü', '1234567890123456'])(
    'refuses %j',
    (name) => {
      expect(() => quotedInterface(name)).toThrow(RangeError);
    },
  );
});

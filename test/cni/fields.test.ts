import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError } from '../../src/cni/errors.ts';
import { Fields } from '../../src/cni/fields.ts';

describe('keys', () => {
  test('string() finds a key in another case when the exact one is absent', () => {
    expect(new Fields({ HostPort: 'a' }).string('hostPort')).toBe('a');
  });

  test('string() prefers the exact key when both spellings are there', () => {
    expect(new Fields({ hostPort: 'exact', HostPort: 'other' }).string('hostPort')).toBe('exact');
  });

  test('string() takes the last of two spellings when neither is exact', () => {
    expect(new Fields({ HOSTPORT: 'first', HostPort: 'last' }).string('hostPort')).toBe('last');
  });

  test('string() treats null as absent', () => {
    expect(new Fields({ name: null }).string('name')).toBeUndefined();
  });

  test('has() tells a null value from an absent key', () => {
    const fields = new Fields({ list: null });
    expect([fields.has('list'), fields.has('other')]).toEqual([true, false]);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('raw() finds no inherited %j', (key) => {
    expect(new Fields({}).raw(key)).toBeUndefined();
  });

  test('raw() finds "__proto__" when the JSON has it as a key of its own', () => {
    const fields = new Fields(JSON.parse('{"__proto__": {"name": "x"}}'));
    expect([fields.raw('__proto__'), fields.string('name')]).toEqual([{ name: 'x' }, undefined]);
  });
});

describe('types', () => {
  const fields = new Fields(
    {
      dataDir: 5,
      flag: 'yes',
      port: 70000,
      part: 1.5,
      dns: [],
      routes: [{}, 3],
      ips: ['a', null],
      ranges: [[{ subnet: 4 }], {}],
      labels: { a: 'b', c: 1 },
      text: 'x'.repeat(200),
    },
    'ipam',
  );

  test.each<[string, () => unknown, string]>([
    [
      'string() refuses a number',
      () => fields.string('dataDir'),
      'Invalid "ipam.dataDir": it is 5, a string is expected',
    ],
    [
      'boolean() refuses a string',
      () => fields.boolean('flag'),
      'Invalid "ipam.flag": it is "yes", true or false is expected',
    ],
    [
      'integer() refuses what is above the range',
      () => fields.integer('port', { min: 1, max: 65535 }),
      'Invalid "ipam.port": it is 70000, a whole number from 1 to 65535 is expected',
    ],
    [
      'integer() refuses what is below the minimum',
      () => fields.integer('dataDir', { min: 6 }),
      'Invalid "ipam.dataDir": it is 5, a whole number of at least 6 is expected',
    ],
    [
      'integer() refuses what is above the maximum',
      () => fields.integer('dataDir', { max: 4 }),
      'Invalid "ipam.dataDir": it is 5, a whole number of at most 4 is expected',
    ],
    [
      'integer() refuses a fraction',
      () => fields.integer('part'),
      'Invalid "ipam.part": it is 1.5, a whole number is expected',
    ],
    ['object() refuses a list', () => fields.object('dns'), 'Invalid "ipam.dns": it is a list, an object is expected'],
    [
      'objects() names the entry that is none',
      () => fields.objects('routes'),
      'Invalid "ipam.routes[1]": it is 3, an object is expected',
    ],
    [
      'objects() refuses a string',
      () => fields.objects('flag'),
      'Invalid "ipam.flag": it is "yes", a list is expected',
    ],
    [
      'strings() refuses null in a list',
      () => fields.strings('ips'),
      'Invalid "ipam.ips[1]": it is null, a string is expected',
    ],
    [
      'objectLists() refuses an object in the outer list',
      () => fields.objectLists('ranges'),
      'Invalid "ipam.ranges[1]": it is an object, a list of objects is expected',
    ],
    [
      'stringMap() names the key whose value is none',
      () => fields.stringMap('labels'),
      'Invalid "ipam.labels.c": it is 1, a string is expected',
    ],
    [
      'string() cuts a long value short',
      () => new Fields({ a: ['x'], t: 'y'.repeat(200) }).integer('t'),
      `Invalid "t": it is "${'y'.repeat(79)}..., a whole number is expected`,
    ],
    [
      'a constructor refuses a list',
      () => new Fields([1], 'args'),
      'Invalid "args": it is a list, an object is expected',
    ],
    [
      'a constructor refuses null',
      () => new Fields(null),
      'Invalid "configuration": it is null, an object is expected',
    ],
  ])('%s', (_, read, message) => {
    expect(read).toThrow(expect.objectContaining({ code: 7, message }));
  });

  test('a nested object is named by its whole path', () => {
    const nested = new Fields({ ipam: { ranges: [[{ subnet: 4 }]] } });
    expect(() => nested.object('ipam')?.objectLists('ranges')?.[0]?.[0]?.string('subnet')).toThrow(
      'Invalid "ipam.ranges[0][0].subnet": it is 4, a string is expected',
    );
  });

  test('a code given to the constructor is that of nested errors', () => {
    const result = new Fields({ ips: [{ address: 1 }] }, 'result', 6);
    expect(() => result.objects('ips')?.[0]?.string('address')).toThrow(expect.objectContaining({ code: 6 }));
  });

  test('every reader returns undefined for an absent key', () => {
    const empty = new Fields({});
    const readers = [
      'string',
      'boolean',
      'integer',
      'object',
      'objects',
      'objectLists',
      'strings',
      'list',
      'stringMap',
      'raw',
    ] as const;
    expect(readers.map((reader) => empty[reader]('x'))).toEqual(readers.map(() => undefined));
  });

  test('stringMap() keeps the case of its keys', () => {
    expect(new Fields({ m: { A: '1', a: '2' } }).stringMap('m')).toEqual(
      new Map([
        ['A', '1'],
        ['a', '2'],
      ]),
    );
  });
});

describe('only()', () => {
  const known = ['mode', 'allow', 'allowPrivate', 'deny'];

  test('accepts known keys in any case', () => {
    expect(new Fields({ Mode: 'open', allow: [] }, 'egress').only(known).string('mode')).toBe('open');
  });

  test('suggests the nearest key for a typo', () => {
    expect(() => new Fields({ alow: [] }, 'egress').only(known)).toThrow(
      expect.objectContaining({
        code: 7,
        message: 'Invalid "egress.alow": it is not a known key, the nearest one is "allow"',
        details: 'The known keys are "mode", "allow", "allowPrivate", "deny"',
      }),
    );
  });

  test('suggests nothing for a key that resembles none', () => {
    expect(() => new Fields({ bandwidth: 1 }, 'egress').only(known)).toThrow(
      'Invalid "egress.bandwidth": it is not a known key',
    );
  });

  test('refuses an unknown key whose value is null', () => {
    expect(() => new Fields({ alow: null }).only(known)).toThrow(CniError);
  });

  test('refuses "__proto__"', () => {
    expect(() => new Fields(JSON.parse('{"__proto__": 1}')).only(known)).toThrow('Invalid "__proto__"');
  });

  test('refuses a key in two spellings', () => {
    expect(() => new Fields({ deny: ['10.0.0.1'], Deny: [] }, 'egress').only(known)).toThrow(
      'Invalid "egress": keys "deny" and "Deny" are the same key',
    );
  });
});

test('no reader throws anything but CniError whatever the JSON is', () => {
  const readers = [
    'string',
    'boolean',
    'integer',
    'object',
    'objects',
    'objectLists',
    'strings',
    'list',
    'stringMap',
  ] as const;
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(...readers), fc.string(), (json, reader, path) => {
      const error = thrownBy(() => {
        const fields = new Fields(JSON.parse(json), path);
        for (const key of [...fields.keys(), 'x']) fields[reader](key);
        fields.only(['x']);
      });
      expect(error === undefined || error instanceof CniError).toBe(true);
    }),
  );
});

function thrownBy(act: () => void): unknown {
  try {
    act();
    return undefined;
  } catch (error) {
    return error;
  }
}

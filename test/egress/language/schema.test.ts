/** The JSON Schema that editors complete by, held against the parser. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { schemaFiles } from '../../../src/cli/install/pages.ts';
import { CniError } from '../../../src/cni/errors.ts';
import { parsePluginConf } from '../../../src/egress/conf.ts';
import { policyTable, type KeyShape } from '../../../src/egress/key-table.ts';
import { parsePolicy } from '../../../src/egress/parse.ts';
import { randomPolicy } from '../random-policy.ts';

const root = join(import.meta.dirname, '../../..');
const ajv = new Ajv2020({ strict: false });
const [policy, network] = ['policy.json', 'network.json'].map((file) =>
  ajv.compile(JSON.parse(readFileSync(join(root, 'conf/schema', file), 'utf8')) as object),
);

function isParsed(raw: unknown): boolean {
  try {
    parsePolicy(raw, '');
    return true;
  } catch (error) {
    if (error instanceof CniError) return false;
    throw error;
  }
}

/** Values that a key of a shape does not take, whatever else the policy says. */
function mistakesOf(shape: KeyShape): unknown[] {
  const others = [null, {}, 1.5, true, ['x', 1]];
  switch (shape.is) {
    case 'word':
      return [...others, 'nothing', ''];
    case 'flag':
      return [null, {}, 1, 'true', []];
    case 'number':
      return [null, {}, '5', shape.min - 1, shape.max + 1, 2.5];
    case 'entries':
      return [null, {}, 'github.com', true, [1], [''], [null]];
    case 'ports':
      return [null, {}, '53', true, [0], [65_536], [''], [null]];
    case 'names':
      return [null, {}, 1, true, [1], [null]];
    case 'amount':
      return [null, {}, [], true, '', 'much', '10 XB', 0, -1];
    case 'time':
      return [null, {}, [], 5, true, '', 'soon'];
    case 'object':
      return [
        null,
        'x',
        [],
        1,
        { nothing: 1 },
        ...Object.entries(shape.keys).flatMap(([key, inner]) => mistakesOf(inner).map((value) => ({ [key]: value }))),
      ];
  }
}

describe('the schema of a policy', () => {
  test('is in conf/schema as the table of keys makes it', () => {
    for (const { name, text } of schemaFiles())
      expect(readFileSync(join(root, 'conf/schema', name), 'utf8')).toBe(text);
  });

  test('takes what the parser takes', () => {
    fc.assert(
      fc.property(randomPolicy, (raw) => {
        expect([isParsed(raw), policy?.(raw)]).toEqual([true, true]);
      }),
    );
    const whole = {
      $schema: 'policy.json',
      preset: ['none'],
      quota: { bytes: '1.5GiB', per: 'week' },
      dns: { upstream: ['9.9.9.9'], denied: 'nxdomain', maxQueriesPerMinute: 5 },
      record: 'all',
      exclusive: true,
      refreshIntervalMinutes: 0,
    };
    const { $schema, ...keys } = whole;
    expect([$schema, isParsed(keys), policy?.(whole)]).toEqual(['policy.json', true, true]);
  });

  test.each(Object.entries(policyTable))('refuses what the parser refuses of "%s"', (key, shape) => {
    const mistakes = mistakesOf(shape);
    expect(mistakes.length).toBeGreaterThan(4);
    for (const value of mistakes) {
      const raw = { mode: 'allowlist', allow: ['8.8.8.8'], [key]: value };
      // A quota of a period has bytes too.
      if (key === 'quota' && typeof value === 'object' && value !== null && 'per' in value)
        Object.assign(value, { bytes: 5 });
      expect([raw, isParsed(raw), policy?.(raw)]).toEqual([raw, false, false]);
    }
  });

  test('refuses a key that no policy has, as the parser does', () => {
    for (const key of ['alow', 'allows', 'policy', 'egress', '', '__proto__x', 'type']) {
      const raw = { mode: 'restricted', [key]: [] };
      expect([key, isParsed(raw), policy?.(raw)]).toEqual([key, false, false]);
    }
  });
});

describe('the schema of a network', () => {
  const lists = globSync('conf/*.conflist', { cwd: root });

  test.each(lists)('takes %s', (file) => {
    expect(network?.(JSON.parse(readFileSync(join(root, file), 'utf8')))).toBe(true);
  });

  const listOf = (plugin: object) => ({ cniVersion: '1.1.0', name: 'n', plugins: [plugin] });

  test('holds a policy in it to the keys of a policy, as the plugin does', () => {
    for (const [keys, isGood] of [
      [{ mode: 'restricted' }, true],
      [{ policy: 'work', selectable: ['other'] }, true],
      [{ mode: 'restricted', 'cni.dev/valid-attachments': [] }, true],
      [{ mode: 'wide' }, false],
      [{ alow: ['8.8.8.8'] }, false],
      [{ selectable: 'other' }, false],
      [{ policy: 5 }, false],
    ] as const) {
      const plugin = { type: 'egress-policy', ...keys };
      const isTaken = (() => {
        try {
          parsePluginConf(plugin);
          return true;
        } catch (error) {
          if (error instanceof CniError) return false;
          throw error;
        }
      })();
      expect([keys, isTaken, network?.(listOf(plugin))]).toEqual([keys, isGood, isGood]);
    }
  });

  test('refuses keys of a policy beside "egress" of "drawbridge", and an unknown one inside', () => {
    expect(network?.(listOf({ type: 'drawbridge', bridge: 'b', egress: { mode: 'open' } }))).toBe(true);
    expect(network?.(listOf({ type: 'drawbridge', bridge: 'b', allow: ['8.8.8.8'] }))).toBe(false);
    expect(network?.(listOf({ type: 'drawbridge', bridge: 'b', egress: { mod: 'open' } }))).toBe(false);
    expect(network?.({ ...listOf({ type: 'drawbridge' }), egress: {} })).toBe(false);
  });
});

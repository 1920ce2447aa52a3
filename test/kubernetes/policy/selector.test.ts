import { expect, test } from 'vitest';
import { selects, type Requirement } from '../../../src/kubernetes/policy/selector.ts';

const requirement = (operator: Requirement['operator'], ...values: string[]): Requirement => ({
  key: 'role',
  operator,
  values,
});

test.for<[Requirement, labels: Record<string, string>, boolean]>([
  [requirement('In', 'web', 'db'), { role: 'db' }, true],
  [requirement('In', 'web'), { role: 'db' }, false],
  [requirement('In', 'web'), {}, false],
  [requirement('NotIn', 'web'), { role: 'db' }, true],
  [requirement('NotIn', 'web'), { role: 'web' }, false],
  [requirement('NotIn', 'web'), {}, true],
  [requirement('Exists'), { role: '' }, true],
  [requirement('Exists'), {}, false],
  [requirement('DoesNotExist'), {}, true],
  [requirement('DoesNotExist'), { role: '' }, false],
  [{ key: 'toString', operator: 'Exists', values: [] }, {}, false],
])('%j of %j is %s', ([one, labels, outcome]) => {
  expect(selects({ requirements: [one] }, labels)).toBe(outcome);
});

test('all requirements have to hold, and none selects everything', () => {
  const both = { requirements: [requirement('In', 'web'), { key: 'tier', operator: 'Exists', values: [] } as const] };
  expect(selects(both, { role: 'web' })).toBe(false);
  expect(selects(both, { role: 'web', tier: 'front' })).toBe(true);
  expect(selects({ requirements: [] }, {})).toBe(true);
});

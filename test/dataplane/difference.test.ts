import { describe, expect, test } from 'vitest';
import { resolve, transition, type Claim, type Transition } from '../../src/dataplane/difference.ts';
import { dataText, type Element } from '../../src/nft/element.ts';
import type { RuleGroup } from '../../src/nft/group.ts';

const table = 'inet drawbridge';
const group: RuleGroup = { id: 'p1', sets: [], chains: [] };

function claim(key: string, createdAt: string, elements: Partial<Element>[] = [], groups: RuleGroup[] = []): Claim {
  const madeAt = 0;
  return {
    key,
    createdAt,
    madeAt,
    groups,
    elements: elements.map((element) => ({ table, set: 's', key: ['k'], ...element })),
  };
}

function keysOf(step: Partial<Transition>): Record<string, string[]> {
  const { drop, put, declare, undeclare, assert } = transition({
    previous: undefined,
    next: undefined,
    rivals: [],
    isShared: () => false,
    ...step,
  });
  const text = ({ key, value }: Element): string =>
    [key, value].flatMap((data) => (data === undefined ? [] : dataText(data))).join('=');
  const lists = {
    drop: drop.map(text),
    put: put.map(text),
    declare: declare.map(({ id }) => id),
    undeclare: undeclare.map(({ id }) => id),
    assert: assert.map(({ id }) => id),
  };
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0));
}

describe('transition()', () => {
  test.for<[string, Partial<Transition>, Record<string, string[]>]>([
    ['puts what comes', { next: claim('a', '1', [{}]) }, { put: ['k'] }],
    ['drops what goes', { previous: claim('a', '1', [{}]) }, { drop: ['k'] }],
    ['puts again what stays', { previous: claim('a', '1', [{}]), next: claim('a', '1', [{}]) }, { put: ['k'] }],
    [
      'replaces a value',
      { previous: claim('a', '1', [{ value: ['x'] }]), next: claim('a', '1', [{ value: ['y'] }]) },
      { drop: ['k=x'], put: ['k=y'] },
    ],
    [
      'leaves a newer attachment its element',
      { previous: claim('a', '1', [{ value: ['x'] }]), rivals: [claim('b', '2', [{ value: ['y'] }])] },
      {},
    ],
    [
      'gives an element back to an older one',
      { previous: claim('b', '2', [{ value: ['y'] }]), rivals: [claim('a', '1', [{ value: ['x'] }])] },
      { drop: ['k=y'], put: ['k=x'] },
    ],
    [
      'takes an element from an older one',
      { next: claim('b', '2', [{ value: ['y'] }]), rivals: [claim('a', '1', [{ value: ['x'] }])] },
      { drop: ['k=x'], put: ['k=y'] },
    ],
    ['drops what is shared with the last', { previous: claim('a', '1', [{ shared: 'bridge-b' }]) }, { drop: ['k'] }],
    [
      'keeps what others share',
      { previous: claim('a', '1', [{ shared: 'bridge-b' }]), isShared: (name) => name === 'bridge-b' },
      {},
    ],
    ['declares a group with its first attachment', { next: claim('a', '1', [], [group]) }, { declare: ['p1'] }],
    [
      'asserts a group that others use',
      { next: claim('a', '1', [], [group]), isShared: (name) => name === 'policy-p1' },
      { assert: ['p1'] },
    ],
    [
      'asserts a group that the attachment has',
      { previous: claim('a', '1', [], [group]), next: claim('a', '1', [], [group]) },
      { assert: ['p1'] },
    ],
    ['removes a group with its last attachment', { previous: claim('a', '1', [], [group]) }, { undeclare: ['p1'] }],
    ['keeps a group that others use', { previous: claim('a', '1', [], [group]), isShared: () => true }, {}],
  ])('%s', ([, step, expected]) => {
    expect(keysOf(step)).toEqual(expected);
  });
});

test('resolve() takes the newest attachment whatever the order of the list', () => {
  const old = claim('a', '1', [{ value: ['x'] }]);
  const young = claim('b', '2', [{ value: ['y'] }]);
  const values = [
    [old, young],
    [young, old],
  ].map((claims) => [...resolve(claims).values()].map(({ value }) => value));
  expect(values).toEqual([[['y']], [['y']]]);
});

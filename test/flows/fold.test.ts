import { expect, test } from 'vitest';
import { FlowFold } from '../../src/flows/fold.ts';
import type { FlowRecord } from '../../src/flows/flow-record.ts';

const minute = 60_000;

function foldInto(): { fold: FlowFold; said: string[] } {
  const said: string[] = [];
  const fold = new FlowFold({
    begin: ({ id, count }) => void said.push(`begin ${id} ${count}`),
    update: ({ id, count }, whole) => void said.push(`update ${id} ${count} of ${whole.destination}`),
  });
  return { fold, said };
}

function noteAt(
  fold: FlowFold,
  steady: number,
  { destination = '9.9.9.9', container = 'web', wall = steady } = {},
): boolean {
  const record = fold.note(
    { key: `${container} ${destination}`, container, count: 1 },
    (at) => ({ id: `${destination}@${at}`, container, destination, count: 1 }) as FlowRecord,
    { steady, wall },
  );
  return record !== undefined;
}

test('what is alike within a minute is one record, whose count is told when the minute is over', () => {
  const { fold, said } = foldInto();
  for (let at = 0; at < 5; at += 1) noteAt(fold, at);
  fold.tick(minute - 1);
  expect(said).toEqual(['begin 9.9.9.9@0 1']);
  fold.tick(minute);
  expect(said).toEqual(['begin 9.9.9.9@0 1', 'update 9.9.9.9@0 5 of 9.9.9.9']);
});

test('the next minute has a record of its own, also when nobody ticked between', () => {
  const { fold, said } = foldInto();
  noteAt(fold, 0);
  noteAt(fold, minute);
  fold.close();
  expect(said).toEqual(['begin 9.9.9.9@0 1', `begin 9.9.9.9@${minute} 1`]);
});

test('whoever asks in the middle of a minute is told the count so far', () => {
  const { fold, said } = foldInto();
  noteAt(fold, 0);
  noteAt(fold, 1);
  fold.tell();
  fold.tell();
  noteAt(fold, 2);
  fold.close();
  expect(said.slice(1)).toEqual(['update 9.9.9.9@0 2 of 9.9.9.9', 'update 9.9.9.9@0 3 of 9.9.9.9']);
});

test('a container that had its share leaves the others theirs, and what it did besides is counted as lost', () => {
  const { fold, said } = foldInto();
  for (let at = 0; at < 1200; at += 1) noteAt(fold, 0, { destination: `d${at}`, container: 'scanner' });
  expect(said).toHaveLength(1000);
  expect(fold.lost).toBe(200);
  expect(noteAt(fold, 0, { container: 'other' })).toBe(true);
  fold.tick(minute);
  expect(noteAt(fold, minute, { container: 'scanner' })).toBe(true);
});

for (const [how, step] of [
  ['back', -3_600_000],
  ['forward', 3_600_000],
] as const)
  test(`a clock that is set ${how} in the middle of a minute neither splits nor joins records`, () => {
    const ends: FlowRecord[] = [];
    const begun: FlowRecord[] = [];
    const fold = new FlowFold({
      begin: (record) => void begun.push(record),
      update: () => {},
      end: (record) => void ends.push(record),
    });
    const wall = Date.parse('2026-11-27T08:00:00Z');
    noteAt(fold, 0, { wall });
    noteAt(fold, 30_000, { wall: wall + 30_000 + step });
    noteAt(fold, minute, { wall: wall + minute + step });
    noteAt(fold, minute + 1, { wall: wall + minute + 1 + step });
    fold.close();
    expect(begun).toHaveLength(2);
    expect(ends.map(({ count }) => count)).toEqual([2, 2]);
    expect(ends[0]?.until).toBe('2026-11-27T08:00:30.000Z');
  });

test('the end of a minute is told once, with its whole count, also when somebody asked in the middle', () => {
  const ends: number[] = [];
  const fold = new FlowFold({ begin: () => {}, update: () => {}, end: ({ count }) => void ends.push(count) });
  noteAt(fold, 0);
  noteAt(fold, 1);
  fold.tell();
  fold.tick(minute);
  noteAt(fold, minute);
  fold.close();
  expect(ends).toEqual([2]);
});

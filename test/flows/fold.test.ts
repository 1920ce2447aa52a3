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

function noteAt(fold: FlowFold, now: number, { destination = '9.9.9.9', container = 'web' } = {}): boolean {
  const record = fold.note(
    { key: `${container} ${destination}`, container, count: 1 },
    (at) => ({ id: `${destination}@${at}`, container, destination, count: 1 }) as FlowRecord,
    now,
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

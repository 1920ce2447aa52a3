import type { FlowRecord } from '../../flows/flow-record.ts';
import { count } from '../../repair/survey/words.ts';
import { ownerWords } from './line.ts';

export const flowSortKeys = ['time', 'container', 'destination', 'count'] as const;
export type FlowSortKey = (typeof flowSortKeys)[number];

/** Records by what is asked for; by time, as they were recorded, unless told otherwise. */
export function sortFlows(records: readonly FlowRecord[], key: FlowSortKey = 'time'): readonly FlowRecord[] {
  const text = (words: (record: FlowRecord) => string) => (one: FlowRecord, other: FlowRecord) =>
    words(one).localeCompare(words(other), 'en', { numeric: true });
  switch (key) {
    case 'time':
      return records;
    case 'container':
      return records.toSorted(text(ownerWords));
    case 'destination':
      return records.toSorted(text(({ name, destination }) => name ?? destination));
    case 'count':
      return records.toSorted((one, other) => other.count - one.count);
  }
}

/** "5 records of 2 containers: 3 denied, 1 would be denied, 1 allowed; 41 times in all." */
export function flowTotals(records: readonly FlowRecord[]): string {
  const having = (verdict: FlowRecord['verdict']): number => records.filter((one) => one.verdict === verdict).length;
  const containers = new Set(records.map(({ container }) => container)).size;
  const times = records.reduce((sum, one) => sum + one.count, 0);
  return `${count(records.length, 'record')} of ${count(containers, 'container')}: ${having('deny')} denied, ${having('audit')} would be denied, ${having('allow')} allowed; ${count(times, 'time')} in all.`;
}

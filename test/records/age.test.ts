import { describe, expect, test } from 'vitest';
import { byAge } from '../../src/records/age.ts';

describe('byAge()', () => {
  test('calls two records of one wall time equally old, whenever it is asked', () => {
    const record = { createdAt: '2026-01-01T00:00:00.000Z' };
    const orders = Array.from({ length: 20_000 }, () => byAge(record, { ...record }));
    expect(new Set(orders)).toEqual(new Set([0]));
  });

  test('compares by wall time where no record tells the uptime', () => {
    const [older, newer] = [{ createdAt: '2026-01-01T00:00:00.000Z' }, { createdAt: '2026-01-01T00:00:00.001Z' }];
    expect([byAge(older, newer), byAge(newer, older)]).toEqual([-1, 1]);
  });

  test('compares by uptime where both tell it, whatever the clock said', () => {
    const older = { createdAt: '2026-01-02T00:00:00.000Z', createdUptime: 1 };
    const newer = { createdAt: '2026-01-01T00:00:00.000Z', createdUptime: 2 };
    expect([byAge(older, newer), byAge(newer, older)]).toEqual([-1, 1]);
  });

  test('calls a record that an earlier version dated in the future the oldest', () => {
    const future = { createdAt: '9999-01-01T00:00:00.000Z' };
    expect(byAge(future, { createdAt: '2026-01-01T00:00:00.000Z', createdUptime: 1 })).toBe(-1);
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Repairer, type Repair, type RepairReport } from '../../src/repair/repairer.ts';

const nothing: Repair = async () => [];

function make(tables: Repair): { repairer: Repairer; reports: RepairReport[] } {
  const reports: RepairReport[] = [];
  const repairs = { tables, expiring: nothing, chains: nothing, networks: nothing, links: nothing, firewalls: nothing };
  return { repairer: new Repairer({ repairs, report: (report) => reports.push(report) }), reports };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What a look takes. */
const work = async (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Lets time go by. */
const pause = async (milliseconds: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(milliseconds));

describe('notice()', () => {
  test('looks once for many changes that come together', async () => {
    let looks = 0;
    const { repairer } = make(async () => {
      looks += 1;
      return [];
    });
    for (let change = 0; change < 100; change += 1) repairer.notice([{ resource: 'tables' }]);
    await pause(150);
    expect(looks).toBe(1);
    await repairer.stop();
  });

  test('never looks twice at a time, and looks again for what came meanwhile', async () => {
    let looks = 0;
    let atOnce = 0;
    let most = 0;
    const { repairer } = make(async () => {
      looks += 1;
      most = Math.max(most, (atOnce += 1));
      await work(60);
      atOnce -= 1;
      return [];
    });
    repairer.notice([{ resource: 'tables' }]);
    await pause(40);
    repairer.notice([{ resource: 'tables' }]);
    await pause(300);
    expect([looks, most]).toEqual([2, 1]);
    await repairer.stop();
  });

  test('waits longer and longer while somebody undoes every repair', async () => {
    let looks = 0;
    const { repairer } = make(async () => {
      looks += 1;
      // The repair is undone at once.
      repairer.notice([{ resource: 'tables' }]);
      return ['a rule was missing'];
    });
    repairer.notice([{ resource: 'tables' }]);
    await pause(1500);
    // 50 ms apart at first, then 100, 200, 400, 800.
    expect(looks).toBeLessThan(10);
    expect(looks).toBeGreaterThan(4);
    await repairer.stop();
  });

  test('does not wait where one thing after the other is lost, each of them once', async () => {
    const looks: string[] = [];
    const { repairer } = make(async (scope) => {
      looks.push(scope === 'all' ? 'all' : [...scope].join());
      if (looks.length < 12) repairer.notice([{ resource: 'tables', of: `element ${looks.length}` }]);
      return ['an element was missing'];
    });
    repairer.notice([{ resource: 'tables', of: 'element 0' }]);
    await pause(1500);
    expect(looks).toEqual(Array.from({ length: 12 }, (_, index) => `element ${index}`));
    await repairer.stop();
  });

  test('reports a look that fails, and tries again', async () => {
    let looks = 0;
    const { repairer, reports } = make(async () => {
      looks += 1;
      if (looks === 1) throw new Error('nft is missing');
      return ['the rules were gone'];
    });
    repairer.notice([{ resource: 'tables' }]);
    await pause(300);
    expect(reports.map(({ repaired, problem }) => [repaired, problem !== undefined])).toEqual([
      [[], true],
      [['the rules were gone'], false],
    ]);
    await repairer.stop();
  });
});

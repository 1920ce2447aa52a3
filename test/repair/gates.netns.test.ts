import { attach, withPolicy } from '../cli/cli.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { values } from '../records/calls.ts';

/** The routing rules that keep containers in while our tables are gone. */
const standing = async (host: Host): Promise<string> => host.sh('ip rule; ip -6 rule');

describe('repairGates()', () => {
  test('makes what was taken of the gate of a container that is attached', async ({ host }) => {
    await attach(host, withPolicy({ mode: 'open' }), 'web');
    const before = await standing(host);
    const [{ records }] = (await values(host, ['listRecords'])) as [{ records: object[] }];
    const [rule = ''] = (await host.run(['ip', 'rule'])).split('\n').filter((line) => line.includes('iif'));
    await host.run(['ip', 'rule', 'del', 'pref', rule.split(':')[0] ?? '']);
    expect(await standing(host)).not.toBe(before);
    const [made] = await values(host, ['repairGates', records]);
    expect(made).toEqual([expect.stringContaining('again')]);
    expect(await standing(host)).toBe(before);
  });

  test('makes nothing for a container that a DEL has removed since its record was read', async ({ host }) => {
    const without = await standing(host);
    const list = withPolicy({ mode: 'open' });
    const container = await attach(host, list, 'web');
    const [{ records }] = (await values(host, ['listRecords'])) as [{ records: object[] }];
    await host.delChain(list, { container });
    expect(await standing(host)).toBe(without);
    expect(await values(host, ['repairGates', records])).toEqual([[]]);
    expect(await standing(host)).toBe(without);
  });
});

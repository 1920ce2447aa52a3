import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeHost, type Host } from '../helpers/private-host.ts';
import type { SessionPlan } from './session-driver.ts';

const node = join(import.meta.dirname, '../../node_modules/.bin/node');
const driver = join(import.meta.dirname, 'session-driver.ts');

describe('NftSession', () => {
  let host: Host;
  beforeAll(async () => {
    host = await makeHost();
    await host.sh('nft "add table inet t; add set inet t s { type ipv4_addr; flags timeout; }"');
  });
  afterAll(() => host.dispose());

  async function commit(
    steps: readonly string[],
    options: Omit<SessionPlan, 'steps'> = {},
  ): Promise<{ outcomes: string[]; processes: number }> {
    return JSON.parse(
      await host.run([node, driver], { input: JSON.stringify({ steps, ...options }), timeout: 30_000 }),
    );
  }

  async function elements(): Promise<string> {
    return host.run(['nft', 'list', 'set', 'inet', 't', 's']);
  }

  test('commits the lines of a text as one transaction', async () => {
    const { outcomes } = await commit([
      'add element inet t s { 192.0.2.1 timeout 60s }\ndelete element inet t s { 192.0.2.1 }\nadd element inet t s { 192.0.2.1 timeout 90s comment "api.example.org" }\n',
    ]);
    expect(outcomes).toEqual(['committed']);
    expect(await elements()).toContain('192.0.2.1 timeout 1m30s');
  });

  test('tells that the kernel lacks what a transaction rests on, and nothing of it is done', async () => {
    const { outcomes } = await commit([
      'add element inet t s { 192.0.2.20 }\ndelete element inet t s { 192.0.2.99 }\n',
      'add element inet gone s { 192.0.2.1 }\n',
      'add element inet t s { 192.0.2.21 }\n',
    ]);
    expect(outcomes).toEqual(['stale', 'stale', 'committed']);
    expect(await elements()).not.toContain('192.0.2.20');
    expect(await elements()).toContain('192.0.2.21');
  });

  test('throws on a text that nft does not understand, and goes on', async () => {
    const { outcomes, processes } = await commit([
      'add elephant inet t s { 192.0.2.1 }\n',
      'add element inet t s { 192.0.2.1 } }\n',
      'add element inet t s { nonsense }\n',
      'add element inet t s { 192.0.2.1 timeout 60s }\n',
    ]);
    expect(outcomes.map((outcome) => outcome.split(':')[0])).toEqual([
      'Cannot write rules',
      'Cannot write rules',
      'Cannot write rules',
      'committed',
    ]);
    expect(processes).toBe(1);
  });

  test('throws when nft is killed between or hangs within transactions, and goes on with another', async () => {
    const add = 'add element inet t s { 192.0.2.1 timeout 60s }\n';
    const { outcomes } = await commit([add, 'kill', add, add, 'stop', add, add], { deadline: 500 });
    expect(outcomes).toEqual([
      'committed',
      expect.stringMatching(/nft ended|^committed$/),
      'committed',
      'Cannot write rules: it did not answer within 500 ms',
      'committed',
    ]);
  });

  test('replaces nft before its history grows', async () => {
    const { outcomes, processes } = await commit(
      Array.from({ length: 20 }, () => 'add element inet t s { 192.0.2.1 timeout 60s }\n'),
      { longestHistory: 200 },
    );
    expect(new Set(outcomes)).toEqual(new Set(['committed']));
    expect(processes).toBeGreaterThan(3);
  });

  test('leaves to others what a line editor would act on', async () => {
    expect((await commit(['add element inet t s { 192.0.2.1 comment "a\tb" }\n'])).outcomes).toEqual(['fallback']);
  });

  test('leaves nothing in a history file', async () => {
    const mark = `m${Date.now()}`;
    const histories = async (): Promise<string> => {
      const { stdout } = await host.exec([
        'find',
        '/',
        '-maxdepth',
        '2',
        '-name',
        '.nft.history',
        '-exec',
        'grep',
        '-l',
        mark,
        '{}',
        '+',
      ]);
      return stdout;
    };
    await commit([`add element inet t s { 192.0.2.1 comment "${mark}" }\n`]);
    expect(await histories()).toBe('');
    // What nft does when nobody sends its history elsewhere: else this test could not fail.
    await host.run(['nft', '-i'], {
      input: `list tables # ${mark}\nquit\n`,
      env: { PATH: '/usr/sbin:/usr/bin', HOME: '/run' },
    });
    expect(await histories()).toBe('/run/.nft.history\n');
  });
});

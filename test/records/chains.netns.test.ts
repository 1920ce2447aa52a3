import { describe, expect, test } from '../helpers/host.ts';
import { values } from './calls.ts';
import { numbered } from './sample.ts';

const one = numbered(1);

describe('findMissing()', () => {
  test('names a chain from which somebody removed the rules', async ({ host }) => {
    await values(host, ['put', one]);
    await host.run(['nft', 'flush', 'chain', 'inet', 'drawbridge', 'masquerading']);
    expect(await values(host, ['findMissing', one])).toEqual([
      ['rules of the chain "masquerading" in table "inet drawbridge"'],
    ]);
  });

  test('names a chain to which somebody added a rule', async ({ host }) => {
    await values(host, ['put', one]);
    await host.run(['nft', 'insert', 'rule', 'inet', 'drawbridge', 'egress_out', 'accept']);
    expect(await values(host, ['findMissing', one])).toEqual([
      ['rules of the chain "egress_out" in table "inet drawbridge"'],
    ]);
  });

  test('lets an operator log what is denied', async ({ host }) => {
    await values(host, ['put', one]);
    await host.run(['nft', 'add', 'rule', 'inet', 'drawbridge', 'deny_log', 'counter']);
    expect(await values(host, ['findMissing', one], ['findMissing', one])).toEqual([[], []]);
  });
});

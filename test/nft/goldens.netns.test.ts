import { readFileSync } from 'node:fs';
import { layoutMark } from '../../src/nft/layout.ts';
import { resolve } from '../../src/nft/change.ts';
import { desired } from '../../src/nft/desired.ts';
import { rebuildText } from '../../src/nft/transaction.ts';
import { expect, makeHost, test as withHost } from '../helpers/host.ts';
import { describe, test } from 'vitest';
import { goldens } from './goldens.ts';

describe('the kernel', () => {
  test('takes every golden transaction', async () => {
    await using host = await makeHost();
    for (const [name, { after }] of Object.entries(goldens)) {
      const elements = [...resolve(after.map(desired)).values()];
      const golden = readFileSync(new URL(`../golden/nft/${name}.nft`, import.meta.url), 'utf8');
      await host.run(['nft', '-f', '-'], {
        input: rebuildText({ groups: [], elements }).replaceAll(layoutMark, 'layout_hash'),
      });
      expect(await host.exec(['nft', '-f', '-'], { input: golden }), name).toMatchObject({ code: 0, stderr: '' });
    }
  });
});

withHost('a hostile container id is a comment and nothing else', async ({ host }) => {
  await host.run(['nft', 'add', 'table', 'inet', 'foreign']);
  await host.run(['nft', '-f', '-'], { input: goldens['tables']?.text ?? '' });
  await host.run(['nft', '-f', '-'], { input: goldens['add-hostile-names']?.text ?? '' });
  expect(await host.run(['nft', 'list', 'tables'])).toContain('table inet foreign');
  expect(await host.run(['nft', 'list', 'map', 'inet', 'drawbridge', 'published4'])).toContain(
    'comment "drawbridge eth0 _;flush ruleset;#_$x_"',
  );
});

import { readFileSync } from 'node:fs';
import { layoutMark } from '../../src/dataplane/layout.ts';
import { resolve } from '../../src/dataplane/difference.ts';
import { desired } from '../../src/records/desired.ts';
import { rebuildText } from '../../src/dataplane/transaction.ts';
import { expect, makeHost, test as withHost } from '../helpers/host.ts';
import { describe, test } from 'vitest';
import { goldens, wholeText } from './goldens.ts';

/** Without the counts, and the time that is left. */
const list = ['nft', '--stateless', 'list', 'ruleset'];

describe('the kernel', () => {
  test('takes every golden transaction, and what it is listed as', async () => {
    await using host = await makeHost();
    for (const [name, { after }] of Object.entries(goldens)) {
      const elements = [...resolve(after.map(desired)).values()];
      const golden = wholeText(readFileSync(new URL(`../golden/nft/${name}.nft`, import.meta.url), 'utf8'));
      await host.run(['nft', '-f', '-'], {
        input: rebuildText({ groups: [], elements }).replaceAll(layoutMark, 'layout_hash'),
      });
      expect(await host.exec(['nft', '-f', '-'], { input: golden }), name).toMatchObject({ code: 0, stderr: '' });
      const listed = await host.run(list);
      // A host that saves its rules loads them at its next start.
      await host.run(['nft', '-f', '-'], { input: `flush ruleset\n${listed}` });
      expect(await host.run(list), name).toBe(listed);
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

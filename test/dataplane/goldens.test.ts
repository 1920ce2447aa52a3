import { expect, test } from 'vitest';
import { goldens, goldenText } from './goldens.ts';

test.for(Object.entries(goldens))('transaction "%s" is as the golden file has it', async ([name, golden]) => {
  await expect(goldenText(golden)).toMatchFileSnapshot(`../golden/nft/${name}.nft`);
});

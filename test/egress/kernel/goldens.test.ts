import { expect, test } from 'vitest';
import { goldens } from './goldens.ts';

test.each([...goldens])('the text of %s is as it was reviewed', async (name, text) => {
  await expect(text).toMatchFileSnapshot(`../../golden/egress/${name}`);
});

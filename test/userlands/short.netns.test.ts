import { describe, expect, test } from 'vitest';
import { isThere, runTests, shortForm, suites } from './userlands.ts';

describe.each(suites)('with the programs of %s', (suite) => {
  // The roots are a gigabyte: "sh test/userlands/roots.sh" makes them, "npm run test:userlands" runs the whole form.
  test.skipIf(!isThere(suite))('every text that we load is loaded back as it is listed', { timeout: 300_000 }, () => {
    const { passed, failed } = runTests(suite, shortForm);
    expect(failed).toEqual([]);
    expect(passed).toBeGreaterThan(5);
  });
});

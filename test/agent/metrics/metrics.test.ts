import { expect, test } from 'vitest';
import { Metrics } from '../../../src/agent/metrics/metrics.ts';

test('a gauge that cannot be read is left out and is a problem, and the others are told', async () => {
  const metrics = new Metrics();
  let isWell = false;
  metrics.gauge('denied', 'Denied packets', [], (add) => {
    if (!isWell) throw new Error('nft is missing');
    add({}, 3);
  });
  metrics.gauge('names', 'Names', ['kind'], (add) => add({ kind: 'open' }, 7));
  const { text } = await metrics.text();
  expect(text).toContain('names{kind="open"} 7');
  expect(text).not.toMatch(/^denied/m);
  expect(metrics.problems).toEqual(['Cannot read what the metric "denied" tells: nft is missing']);
  isWell = true;
  expect((await metrics.text()).text).toMatch(/^denied 3$/m);
  expect(metrics.problems).toEqual([]);
});

test('a label of others steers no terminal and breaks no line', async () => {
  const metrics = new Metrics();
  metrics.gauge('denied', 'Denied packets', ['container'], (add) => add({ container: '\u001b[31mred\n\u202e"' }, 1));
  const { text } = await metrics.text();
  expect(text).toContain(String.raw`denied{container="\\u001b[31mred\\u000a\\u202e\""} 1`);
});

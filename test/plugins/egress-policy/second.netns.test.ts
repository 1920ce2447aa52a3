import { describe, expect } from '../../helpers/host.ts';
import { chain, oneProcess } from './network.ts';
import { test } from './world.ts';

const second = { type: 'egress-policy', mode: 'open' };

describe('a second policy for an attachment is refused and the first one stays', () => {
  for (const [what, list] of [
    ['when two stand in one chain', chain({ mode: 'restricted' })],
    ['when one stands in the interface plugin and one behind it', oneProcess({ mode: 'restricted' })],
  ] as const) {
    test(what, async ({ host, world }) => {
      const container = await host.container();
      const added = await host.addChain({ ...list, plugins: [...list.plugins, second] }, { container });
      expect(added.error).toMatchObject({ code: 102, msg: expect.stringContaining('it has one already') });
      expect(await host.fetch(container, world.private4, 80)).toBe('refused');
      expect(await host.fetch(container, world.public4, 80)).toBe('outside');
    });
  }
});

import { expect, test } from 'vitest';
import { Fields } from '../../src/cni/fields.ts';
import { checkKeys } from '../../src/cni/known-keys.ts';
import { choiceKeys, policyKeys } from '../../src/egress/keys.ts';
import { keysOf } from '../../src/plugins/known-keys.ts';

function check(conf: Record<string, unknown>): string[] {
  return checkKeys(new Fields({ type: 'drawbridge', ...conf }), keysOf('drawbridge') ?? expect.fail());
}

/** The interface plugin has a "dns" of its own, and other plugins have a "mode". */
const shared = ['dns', 'mode'];

test.each([...policyKeys, ...choiceKeys].filter((key) => !shared.includes(key)))(
  'drawbridge refuses %s beside "egress", where it would do nothing',
  (key) => {
    expect(() => check({ [key]: 'x' })).toThrow('it belongs under "egress"');
    expect(() => check({ [key.toUpperCase()]: 'x' })).toThrow('it belongs under "egress"');
  },
);

test.each(['open', 'restricted', 'allowlist'])("drawbridge refuses the mode %s, which is a policy's", (mode) => {
  expect(() => check({ mode })).toThrow('it belongs under "egress"');
});

test.each([
  [{ mode: 'bridge' }, ['"mode" has no effect: not a known key']],
  [{ dns: { nameservers: ['10.1.0.1'] } }, []],
])('drawbridge takes %j for no policy', (conf, told) => {
  expect(check(conf)).toEqual(told);
});

test.each(['cniVersions', 'disableCheck', 'disableGC', 'loadOnlyInlinedPlugins', 'plugins'])(
  "drawbridge goes on when it is shown %s, which is the list's",
  (key) => {
    expect(check({ [key]: true })).toEqual([`"${key}" has no effect: not a known key`]);
  },
);

import { describe, expect, test } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { checkPolicyName, chosenPolicy, parseEgressConf, parsePluginConf } from '../../../src/egress/conf.ts';

describe('parseEgressConf()', () => {
  test.each<[unknown, string]>([
    [
      { policy: 'build', mode: 'open' },
      'Invalid "egress.mode": it stands beside "policy": "build", which is the whole policy',
    ],
    [{ policy: '../etc/passwd' }, 'Invalid "egress.policy": "../etc/passwd" is not the name of a policy'],
    [{ policy: null }, 'Invalid "egress.policy": it is null'],
    [{ policy: 1 }, 'Invalid "egress.policy": it is 1, a string is expected'],
    [{ selectable: 'build' }, 'Invalid "egress.selectable": it is "build", a list is expected'],
    [{ selectable: ['build', 'a/b'] }, 'Invalid "egress.selectable[1]": "a/b" is not the name of a policy'],
    [{ selectables: [] }, 'the nearest one is "selectable"'],
    [{ type: 'egress-policy' }, 'Invalid "egress.type": it is not a known key'],
  ])('refuses %j', (raw, message) => {
    expect(() => parseEgressConf(raw, 'egress')).toThrow(message);
  });

  test('keeps the name of a policy', () => {
    expect(parseEgressConf({ policy: 'build', selectable: ['agent'] }, 'egress')).toEqual({
      policy: { named: 'build' },
      selectable: ['agent'],
    });
  });

  test('reads a policy of its own beside selectable ones', () => {
    expect(parseEgressConf({ mode: 'open', selectable: ['agent'] }, 'egress')).toMatchObject({
      policy: { mode: 'open' },
      selectable: ['agent'],
    });
  });
});

describe('parsePluginConf()', () => {
  test('takes the keys of the protocol as known', () => {
    const raw = {
      cniVersion: '1.1.0',
      name: 'web',
      type: 'egress-policy',
      capabilities: {},
      runtimeConfig: {},
      args: {},
      prevResult: {},
      'cni.dev/valid-attachments': [],
      mode: 'open',
    };
    expect(parsePluginConf(raw).policy).toMatchObject({ mode: 'open' });
  });

  test('refuses a key of another plugin', () => {
    expect(() => parsePluginConf({ type: 'egress-policy', ingressPolicy: 'same-bridge' })).toThrow(
      'Invalid "ingressPolicy": it is not a known key',
    );
  });
});

describe('chosenPolicy()', () => {
  const none = new Map<string, string>();
  const by = (name: string): ReadonlyMap<string, string> => new Map([['drawbridge/egress-policy', name]]);
  const args = (name: string): ReadonlyMap<string, string> => new Map([['EGRESS_POLICY', name]]);

  test('is undefined when the container asks for nothing', () => {
    expect(chosenPolicy({ selectable: ['build'] }, { args: none, labels: none, annotations: none })).toBeUndefined();
  });

  test.each([
    ['CNI_ARGS', { args: args('build'), labels: none, annotations: none }],
    ['a label', { args: none, labels: by('build'), annotations: none }],
    ['an annotation', { args: none, labels: none, annotations: by('build') }],
    ['all three', { args: args('build'), labels: by('build'), annotations: by('build') }],
  ])('is what %s asks for', (_what, choices) => {
    expect(chosenPolicy({ selectable: ['agent', 'build'] }, choices)).toBe('build');
  });

  test.each(['open', '', 'BUILD', '../build', 'build '])('refuses %j, which is not selectable', (name) => {
    const choose = (): unknown =>
      chosenPolicy({ selectable: ['build'] }, { args: args(name), labels: none, annotations: none });
    expect(choose).toThrow(CniError);
    expect(choose).toThrow(
      `Cannot use the policy ${JSON.stringify(name)} that the CNI_ARGS EGRESS_POLICY asks for: it is not selectable`,
    );
  });

  test('refuses every choice where nothing is selectable', () => {
    expect(() => chosenPolicy({ selectable: [] }, { args: none, labels: none, annotations: by('build') })).toThrow(
      'it is not selectable',
    );
  });

  test('refuses two different choices', () => {
    expect(() =>
      chosenPolicy({ selectable: ['agent', 'build'] }, { args: args('build'), labels: none, annotations: by('agent') }),
    ).toThrow('asks for "build", the annotation drawbridge/egress-policy for "agent"');
  });
});

test.each(['', '.', '..', '.hidden', 'a/b', 'a\\b', 'a\0', 'a b', '-x', 'x'.repeat(65)])(
  'checkPolicyName() refuses %j',
  (name) => {
    expect(() => checkPolicyName(name, 'policy')).toThrow('is not the name of a policy');
  },
);

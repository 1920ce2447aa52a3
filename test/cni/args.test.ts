import { expect, test } from 'vitest';
import { checkArgs, parseArgs } from '../../src/cni/args.ts';

const known = ['IP', 'MAC'];

test('parseArgs() of an empty text has no pairs', () => {
  expect(parseArgs('')).toEqual({ pairs: new Map(), malformed: [] });
});

test('parseArgs() keeps the last of two values for a key', () => {
  expect(parseArgs('IP=10.0.0.2;IP=10.0.0.3').pairs.get('IP')).toBe('10.0.0.3');
});

test('parseArgs() keeps an empty value', () => {
  expect(parseArgs('MAC=').pairs.get('MAC')).toBe('');
});

test.each<[string, string[]]>([
  ['some;extra;args', ['some', 'extra', 'args']],
  ['IP=10.0.0.2;', ['']],
  ['K=a=b', ['K=a=b']],
])('parseArgs() reports the malformed pairs of %j without throwing', (text, malformed) => {
  expect(parseArgs(text).malformed).toEqual(malformed);
});

test.each([
  '',
  'IP=10.0.0.2',
  'IP=10.0.0.2;MAC=02:00:00:00:00:01',
  'IgnoreUnknown=0;IP=fd00::1',
  'IgnoreUnknown=false',
])('checkArgs() accepts %j', (text) => {
  expect(() => checkArgs(parseArgs(text), known)).not.toThrow();
});

test.each([
  'IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=c1;IP=10.4.0.9;MAC=02:00:00:00:00:01',
  'NERDCTL_CNI_DHCP_HOSTNAME=c1;IgnoreUnknown=1',
  'K8S_POD_NAMESPACE=default;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=u;IgnoreUnknown=1',
  'IgnoreUnknown=TRUE;TC_REDIRECT_TAP_UID=0',
])('checkArgs() lets unknown keys pass with IgnoreUnknown: %j', (text) => {
  expect(() => checkArgs(parseArgs(text), known)).not.toThrow();
});

test.each<[string, string]>([
  ['IP=10.0.0.2;FOO=bar;X=', 'Invalid "CNI_ARGS": ARGS: unknown args ["FOO=bar" "X="]'],
  ['ip=10.0.0.2', 'Invalid "CNI_ARGS": ARGS: unknown args ["ip=10.0.0.2"]'],
  ['IgnoreUnknown=0;FOO=bar', 'Invalid "CNI_ARGS": ARGS: unknown args ["FOO=bar"]'],
  ['__proto__=1', 'Invalid "CNI_ARGS": ARGS: unknown args ["__proto__=1"]'],
  ['IgnoreUnknown=1;args', 'Invalid "CNI_ARGS": ARGS: invalid pair "args"'],
  [
    'IgnoreUnknown=yes',
    'Invalid "CNI_ARGS": ARGS: error parsing value of pair "IgnoreUnknown=yes": 1, true, 0 or false is expected',
  ],
])('checkArgs() refuses %j with code 4', (text, message) => {
  expect(() => checkArgs(parseArgs(text), known)).toThrow(expect.objectContaining({ code: 4, message }));
});

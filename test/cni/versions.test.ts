import { expect, test } from 'vitest';
import { compareVersions, isSupported, resultFamily, supportedVersions } from '../../src/cni/versions.ts';

test('supportedVersions is in ascending order', () => {
  expect(supportedVersions.toSorted(compareVersions)).toEqual([...supportedVersions]);
});

test.each([
  ['0.3.1', '0.4.0', -1],
  ['1.0.0', '0.4.0', 1],
  ['1.1.0', '1.1', 0],
  ['1', '1.0.0', 0],
  ['0.10.0', '0.9.0', 1],
  ['9.8.7', '1.1.0', 1],
])('compareVersions() of %s and %s has the sign of %i', (left, right, sign) => {
  expect(Math.sign(compareVersions(left, right))).toBe(sign);
});

test.each(['', 'adsfsadf', '1.0.0.0', '1.', '.1', '1.x', '-1.0.0', '1.0.0 ', '1.0.0\n', '0x1.0', '9'.repeat(400)])(
  'compareVersions() refuses %j with code 6',
  (version) => {
    expect(() => compareVersions(version, '1.0.0')).toThrow(expect.objectContaining({ code: 6 }));
  },
);

test('isSupported() wants the version as it is written in the specification', () => {
  expect(['1.0.0', '1.0', '1', '', '1.2.0', 'toString'].map(isSupported)).toEqual([
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('resultFamily() tells the three shapes of results', () => {
  expect(supportedVersions.map(resultFamily)).toEqual(['0.2', '0.2', '0.4', '0.4', '0.4', '1.x', '1.x']);
});

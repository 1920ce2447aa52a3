import { expect, test } from 'vitest';
import { CniError, codes, combineErrors, toWireError } from '../../src/cni/errors.ts';

test('toWireError() keeps code, text and details of a CniError', () => {
  expect(toWireError(new CniError(11, 'text', 'more'), '1.0.0')).toEqual({
    cniVersion: '1.0.0',
    code: 11,
    msg: 'text',
    details: 'more',
  });
});

test('toWireError() leaves out details that are empty', () => {
  expect(toWireError(new CniError(7, 'text', ''), '1.0.0')).not.toHaveProperty('details');
});

test.each<[unknown, string]>([
  [new TypeError('banana'), 'banana'],
  ['banana', 'banana'],
  [undefined, 'undefined'],
])('toWireError() gives code 999 to %s', (thrown, msg) => {
  expect(toWireError(thrown, '1.0.0')).toEqual({ cniVersion: '1.0.0', code: 999, msg });
});

test('toWireError() names the file that the system refused, with code 5 and without words of a program', () => {
  const refused = Object.assign(new Error("ENOSPC: no space left on device, open '/run/x'"), {
    code: 'ENOSPC',
    syscall: 'open',
    path: '/run/x',
  });
  expect(toWireError(refused, '1.0.0')).toEqual({
    cniVersion: '1.0.0',
    code: codes.ioFailure,
    msg: 'Cannot use "/run/x": no space is left on the file system',
  });
});

test('toWireError() tells the first error when an undo step threw another one', () => {
  const first = new CniError(codes.conflict, 'first');
  const undone = new SuppressedError(new Error('third'), new SuppressedError(new Error('second'), first));
  expect(toWireError(undone, '1.0.0')).toMatchObject({ code: codes.conflict, msg: 'first' });
});

test('combineErrors() of nothing is undefined', () => {
  expect(combineErrors('remove "c1"', [])).toBeUndefined();
});

test('combineErrors() of one error is that error', () => {
  expect(combineErrors('remove "c1"', [new CniError(5, 'text', 'more')])).toMatchObject({
    code: 5,
    message: 'text',
    details: 'more',
  });
});

test('combineErrors() of several has the code of the first and the texts of all', () => {
  expect(combineErrors('remove "c1"', [new CniError(5, 'a', 'more'), new Error('b')])).toMatchObject({
    code: 5,
    message: 'Cannot remove "c1" completely: 2 steps failed',
    details: 'a (more); b',
  });
});

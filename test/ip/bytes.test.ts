import { describe, expect, test } from 'vitest';
import { addressBytes, addressText } from '../../src/ip/bytes.ts';

describe('addressBytes()', () => {
  test.for([
    '0.0.0.0',
    '255.1.2.3',
    '::',
    '::1',
    'fe80::1',
    '1::',
    '2001:db8::1:0:0:1',
    '1:0:2:0:3:0:4:0',
    'fd00:88:1:2:3:4:5:6',
  ])('%s has its bytes and its text', (text) => {
    expect(addressText(addressBytes(text) ?? expect.fail())).toBe(text);
  });

  test.for(['', '1.2.3', '1.2.3.256', '1.2.3.4.5', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '12345::', 'g::'])(
    '"%s" is none',
    (text) => {
      expect(addressBytes(text)).toBeUndefined();
    },
  );
});

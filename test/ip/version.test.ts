import fc from 'fast-check';
import { isIP } from 'node:net';
import { expect, test } from 'vitest';
import { ipVersion } from '../../src/ip/version.ts';

const cases = [
  '',
  '1.2.3.4',
  '01.2.3.4',
  '1.2.3',
  '1.2.3.256',
  '::',
  '::1',
  '1::',
  '1::2::3',
  ':1',
  '1:',
  ':::',
  '1:2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7::',
  '::2:3:4:5:6:7:8',
  '1:2:3:4:5:6:7:8::',
  '1::2:3:4:5:6:7:8',
  '::ffff:1.2.3.4',
  '::1.2.3',
  '1.2.3.4::',
  '1:2:3:4:5:6:1.2.3.4',
  '1:2:3:4:5:6:7:1.2.3.4',
  'fe80::1%eth0',
  'fe80::1%',
  '%eth0',
  '12345::',
  'g::',
  '1.2.3.4%eth0',
  '::1 ',
  '1.2.3.4\n',
  '::1\n',
  '/64',
];

test.each(cases)('ipVersion() of "%s" is that of node:net', (text) => {
  expect(ipVersion(text)).toBe(isIP(text));
});

test('ipVersion() is that of node:net for valid and mangled addresses', () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.tuple(fc.ipV6(), fc.ipV4()).map(([six, four]) => `${six.split(':').slice(0, -1).join(':')}:${four}`),
  );
  const mangled = fc
    .tuple(address, fc.nat(40), fc.constantFrom('', ':', '::', '.', '0', 'f', '1'))
    .map(([text, at, piece]) => text.slice(0, at) + piece + text.slice(at + 1));
  fc.assert(fc.property(fc.oneof(address, mangled), (text) => ipVersion(text) === isIP(text)));
});

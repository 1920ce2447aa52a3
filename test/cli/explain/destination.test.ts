import { describe, expect, test } from 'vitest';
import { parseDestination } from '../../../src/cli/explain/destination.ts';

describe('parseDestination() reads a pod by its namespace', () => {
  test.for([
    ['shop/web', { host: 'shop/web', port: 443, protocol: 'tcp' }],
    ['shop/web:80', { host: 'shop/web', port: 80, protocol: 'tcp' }],
    ['shop/web-7d9:53/udp', { host: 'shop/web-7d9', port: 53, protocol: 'udp' }],
    ['shop/web.v2/icmp', { host: 'shop/web.v2', protocol: 'icmp' }],
  ] as const)('%s', ([text, wanted]) => {
    expect(parseDestination(text)).toMatchObject({ ...wanted, isName: true });
  });

  test('and still a protocol, and a path, where those are meant', () => {
    expect(parseDestination('web/udp')).toMatchObject({ host: 'web', protocol: 'udp' });
    expect(parseDestination('https://web/shop:80')).toMatchObject({ host: 'web', port: 443 });
    expect(() => parseDestination('8.8.8.8/tpc')).toThrow(/there is no protocol "tpc"/);
  });
});

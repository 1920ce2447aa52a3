import { describe, expect, test } from 'vitest';
import { findAttachments } from '../../../src/repair/survey/find.ts';
import { numbered } from '../../records/sample.ts';

const id = 'de71efeb3a2b82ee1dfd78cd341f69cffed5844bc132ca9bef42cb5b50565975';
const records = [{ ...numbered(1), containerId: `default-${id}` }, numbered(2)];

describe('findAttachments()', () => {
  test.each([
    ['its whole name', `default-${id}`],
    ['the beginning of its name', 'default-de7'],
    ['the id that nerdctl shows', 'de71efeb3a2b'],
    ['an address', '10.88.0.2'],
  ])('finds a container by %s', (_, asked) => {
    expect(findAttachments(asked, records).map(({ key }) => key)).toEqual([numbered(1).key]);
  });

  test('refuses what may be two containers', () => {
    const twin = { ...numbered(3), containerId: `other-${id}` };
    expect(() => findAttachments('de71efeb3a2b', [...records, twin])).toThrow('2 containers match');
  });

  test('refuses a container that is not there', () => {
    expect(() => findAttachments('nobody', records)).toThrow('there is no record of it');
  });
});

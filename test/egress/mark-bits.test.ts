import { describe, expect, test } from 'vitest';
import { freeMarks, marksText, parseMarks, usualMarks } from '../../src/egress/mark-bits.ts';

const file = '/etc/drawbridge/marks';

describe('a file of marks', () => {
  test('gives the lowest bits of its masks, and the usual ones for a line that is not there', () => {
    expect(parseMarks('# ours\n\npacket 0x00000fff   # twelve\n', file)).toEqual({
      packet: [1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400],
      connection: [0x2000000, 0x4000000],
    });
  });

  test.each([
    ['packet 0xff', `${file}: packet`, '0xff has 8 bits'],
    ['connection 0x1', `${file}: connection`, '0x1 has 1 bits'],
    ['packet 0x80000fff', `${file}:1`, 'not understood'],
    ['packets 0x19ff0000', `${file}:1`, 'not understood'],
    ['\npacket 4095', `${file}:2`, 'not understood'],
  ])('%j is refused with its place', (text, place, why) => {
    expect(() => parseMarks(text, file)).toThrow(
      expect.objectContaining({ code: 7, message: expect.stringMatching(new RegExp(`${place}[^]*${why}`)) }),
    );
  });

  test('is suggested with bits that nobody uses, where there are enough', () => {
    const text = freeMarks({ packet: 0xffff0000, connection: 0xffff0000 });
    expect(text).toBe('packet 0xffe0\nconnection 0xc000\n');
    const { packet, connection } = parseMarks(text ?? '', file);
    expect([packet.length, connection.length]).toEqual([11, 2]);
    expect(freeMarks({ packet: 0xffffff00, connection: 0 })).toBeUndefined();
  });

  test('says its bits in the words that it is read in', () => {
    expect(marksText(parseMarks(usualMarks, file))).toBe(usualMarks);
  });
});

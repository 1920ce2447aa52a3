import { describe, expect, test } from 'vitest';
import { visible, visibleLines } from '../../src/text/visible.ts';

describe('visible', () => {
  test('shows what would steer a terminal as escapes', () => {
    expect(visible('a\u001b[31mb\u0007\r\n\u009b2J\u007f\u202eevil\u2066')).toBe(
      String.raw`a\u001b[31mb\u0007\u000d\u000a\u009b2J\u007f\u202eevil\u2066`,
    );
  });

  test('leaves the words of people as they are', () => {
    const words = 'naïve — 東京 🚀 /proc/self "x"';
    expect(visible(words)).toBe(words);
  });

  test('shows halves of surrogate pairs and leaves whole ones', () => {
    expect(visible('\ud83d \ude80 \ud83d\ude80')).toBe(String.raw`\ud83d \ude80 🚀`);
  });

  test('leaves JSON what it was', () => {
    const value = { name: 'a\u009b\u202e\u007f', lines: '1\n2' };
    expect(JSON.parse(visibleLines(JSON.stringify(value, null, 2)))).toEqual(value);
  });
});

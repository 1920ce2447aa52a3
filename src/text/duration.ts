const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Milliseconds of "90s", "10m", "1h", "2d" or "1h30m"; a bare number is seconds. Undefined for anything else. */
export function readDuration(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw]?)/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const sum = parts.reduce((total, [, number, unit = 's']) => total + Number(number) * (seconds[unit || 's'] ?? 1), 0);
  const isTold = parts.length === 1 || parts.every(([, , unit]) => unit !== '');
  return isWhole && isTold && sum > 0 ? sum * 1000 : undefined;
}

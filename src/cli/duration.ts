import { UsageError } from './command.ts';

const seconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/**
 * Milliseconds of "90s", "10m", "1h", "2d" or "1h30m"; a bare number is seconds. `what` names the option in the
 * {@link UsageError} for anything else.
 */
export function parseDuration(text: string, what: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhdw]?)/g)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join('') === text;
  const sum = parts.reduce((total, [, number, unit = 's']) => total + Number(number) * (seconds[unit || 's'] ?? 1), 0);
  if (isWhole && (parts.length === 1 || parts.every(([, , unit]) => unit !== '')) && sum > 0) return sum * 1000;
  throw new UsageError(`Cannot use ${what} "${text}": a time is expected, as in "90s", "10m", "1h30m" or "2d"`);
}

/** A time since 1970 in milliseconds, of how long ago it is, or of a date as ISO 8601 has it. */
export function parseSince(text: string, now = Date.now()): number {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const at = Date.parse(text);
    if (!Number.isNaN(at)) return at;
  }
  return now - parseDuration(text, '--since');
}

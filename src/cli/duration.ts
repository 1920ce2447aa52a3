import { readDuration } from '../text/duration.ts';
import { UsageError } from './command.ts';

/** As `readDuration`. `what` names the option in the {@link UsageError} for what is no time. */
export function parseDuration(text: string, what: string): number {
  const milliseconds = readDuration(text);
  if (milliseconds !== undefined) return milliseconds;
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

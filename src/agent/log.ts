import pino from 'pino';
import { visibleLines } from '../text/visible.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

/** The part of a logger that the agent uses. */
export type Log = Pick<pino.Logger, 'debug' | 'info' | 'warn' | 'error'>;

/**
 * One JSON object a line on stderr, which the journal keeps. Written at once: a transport would be a thread of its own
 * with a file to load, which the executable does not have.
 */
export function openLog(level: LogLevel): Log {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    // JSON leaves DEL and C1 as they are.
    hooks: { streamWrite: visibleLines },
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, pino.destination({ dest: 2, sync: true }));
}

import { findProgram, run } from '../host/run.ts';

/** Tells the service manager how the agent is (sd_notify(3)). */
export interface ServiceManager {
  ready(status: string): Promise<void>;
  stopping(): Promise<void>;
  /** Seconds between changes of life that it wants; undefined when it wants none. */
  readonly watchdogSeconds: number | undefined;
  alive(status: string): Promise<void>;
}

/**
 * Its socket takes datagrams, which Node has no Unix sockets for: the program systemd-notify speaks for us. That is why
 * the unit says NotifyAccess=all. Without NOTIFY_SOCKET nobody asked, and nothing is done.
 */
export function serviceManager(env: Readonly<Record<string, string | undefined>> = process.env): ServiceManager {
  const isAsked = (env['NOTIFY_SOCKET'] ?? '') !== '' && findProgram('systemd-notify') !== undefined;
  const microseconds = Number(env['WATCHDOG_USEC'] ?? 0);
  const notify = async (...words: readonly string[]): Promise<void> => {
    if (isAsked) await run('systemd-notify', [`--pid=${process.pid}`, ...words], { deadline: 5000 }).catch(() => {});
  };
  return {
    ready: (status) => notify('--ready', `--status=${status}`),
    stopping: () => notify('STOPPING=1'),
    watchdogSeconds: isAsked && microseconds > 0 ? microseconds / 1_000_000 : undefined,
    alive: (status) => notify('WATCHDOG=1', `--status=${status}`),
  };
}

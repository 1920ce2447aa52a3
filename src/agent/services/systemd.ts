import { findProgram, run } from '../../host/run.ts';
import { every, type RecurringWork } from '../every.ts';
import type { Service } from '../service.ts';

export interface SystemdServiceOptions {
  /** One line about the agent, for `systemctl status`. */
  readonly summary: () => string;
  /** Something hangs: the watchdog is to end this process. */
  readonly isStuck: () => boolean;
}

/**
 * Tells the service manager when the agent is ready, alive and ending (sd_notify(3)): the last service to start and the
 * first to stop.
 */
export class SystemdService implements Service {
  readonly name = 'systemd';
  readonly #options: SystemdServiceOptions;
  readonly #manager = serviceManager();
  #recurring: RecurringWork | undefined;

  constructor(options: SystemdServiceOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { isStuck, summary } = this.#options;
    await this.#manager.ready(summary());
    const { watchdogSeconds } = this.#manager;
    if (watchdogSeconds === undefined) return;
    this.#recurring = every((watchdogSeconds * 1000) / 3, 'tell systemd', async () => {
      if (!isStuck()) await this.#manager.alive(summary());
    });
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
    await this.#manager.stopping();
  }

  health(): readonly string[] {
    return [];
  }
}

interface ServiceManager {
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
function serviceManager(env: Readonly<Record<string, string | undefined>> = process.env): ServiceManager {
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

import { startMonitor, type Monitor } from '../../host/monitor.ts';
import { protocols } from '../../host/netlink/libc.ts';
import { linkGroups, LinkEvents } from '../../host/netlink/link-event.ts';
import { decodeRulesetEvent } from '../../host/netlink/nftables/event.ts';
import { changes as rulesetChanges } from '../../host/netlink/nftables/numbers.ts';
import { linkChangesOf } from './ip-event.ts';
import { changesOf } from './nft-event.ts';
import type { Log } from '../log.ts';
import { everythingOf, type ChangeEvent, type Resource } from '../../repair/change-event.ts';

export interface MonitorsOptions {
  /** Something changed, or may have. */
  readonly notice: (changes: readonly ChangeEvent[]) => void;
  /** Changes were missed, and everything is looked at. */
  readonly lost: (what: WatchName) => void;
  readonly log: Log;
}

/** What a watch is for. */
export type WatchName = keyof typeof resources;

/** What has to be looked at when nobody tells of changes. */
const resources = {
  rules: ['tables', 'expiring', 'chains', 'networks', 'firewalls'],
  links: ['links', 'networks'],
} as const satisfies Readonly<Record<string, readonly Resource[]>>;

/** Milliseconds between looks at everything while changes are not told. */
const polling = 5000;

/**
 * Watches rules and links of the host, whoever changes them. The kernel itself tells: no text of any program is read,
 * which differs between versions. Where it does not tell, everything is looked at by the clock, and that is said.
 */
export class Monitors {
  readonly #options: MonitorsOptions;
  readonly #problems = new Map<WatchName, string>();
  #clock: NodeJS.Timeout | undefined;
  #monitors: readonly Monitor[] = [];

  constructor(options: MonitorsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#clock = setInterval(() => this.#options.notice(unseen(this.#problems.keys())), polling);
    const links = new LinkEvents();
    this.#monitors = [
      this.#start('rules', protocols.netfilter, [rulesetChanges], (message) => {
        const event = decodeRulesetEvent(message);
        return event === undefined ? [] : changesOf(event);
      }),
      this.#start('links', protocols.route, linkGroups, (message) => {
        const event = links.decode(message);
        return event === undefined ? [] : linkChangesOf(event);
      }),
    ];
  }

  /** What is not watched as it should be, one sentence each. */
  get problems(): readonly string[] {
    return [...this.#problems.values()];
  }

  /** Names of the watches that cannot be relied upon. */
  get blind(): readonly WatchName[] {
    return [...this.#problems.keys()];
  }

  stop(): void {
    clearInterval(this.#clock);
    this.#monitors.forEach((monitor) => monitor.stop());
  }

  #start(
    what: WatchName,
    protocol: number,
    groups: readonly number[],
    read: (message: Parameters<typeof decodeRulesetEvent>[0]) => readonly ChangeEvent[],
  ): Monitor {
    return startMonitor(
      { protocol, groups },
      {
        onMessages: (messages) => this.#options.notice(messages.flatMap(read)),
        onGap: () => this.#options.notice(unseen([what])),
        onLoss: (reason) => {
          this.#options.lost(what);
          this.#options.log.warn({ watch: what, reason }, 'changes were missed: everything is looked at');
        },
        onProblem: (reason) => this.#judge(what, reason),
      },
    );
  }

  #judge(what: WatchName, reason: string | undefined): void {
    if (reason === undefined) this.#problems.delete(what);
    else
      this.#problems.set(
        what,
        `Cannot watch the ${what} of this host: ${reason}; they are looked at every ${polling / 1000} s until it is well`,
      );
  }
}

function unseen(watches: Iterable<WatchName>): ChangeEvent[] {
  return everythingOf(...[...watches].flatMap((what) => resources[what]));
}

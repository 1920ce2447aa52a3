import { statSync } from 'node:fs';
import { nftVersion } from '../../host/nft.ts';
import { findProgram, run } from '../../host/run.ts';
import { everythingOf } from '../../repair/change-event.ts';
import { every, type RecurringWork } from '../every.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Service } from '../service.ts';
import type { RepairService } from './repair.ts';

/** A program as it is on the host now. */
export interface RunningProgram {
  readonly program: 'nft' | 'drawbridge';
  /** Absent: it is not there, or does not tell. */
  readonly version?: string;
}

/** Milliseconds between looks whether a file was replaced. */
const often = 5000;

export interface ProgramsServiceOptions {
  /** Of this process. */
  readonly version: string;
  readonly repair: RepairService;
  readonly metrics: Metrics;
  readonly log: Log;
}

/**
 * Sees that a program was replaced while the agent runs: nft, whose next version may not take our rules, and our own
 * executable, whose next version writes other tables than this process puts back.
 */
export class ProgramsService implements Service {
  readonly name = 'programs';
  readonly #options: ProgramsServiceOptions;
  readonly #nft: Program;
  readonly #own: Program;
  #recurring: RecurringWork | undefined;

  constructor(options: ProgramsServiceOptions) {
    this.#options = options;
    this.#nft = new Program(() => findProgram('nft'), nftVersion);
    this.#own = new Program(() => process.execPath, ownVersion);
    options.metrics.gauge(
      'drawbridge_program_info',
      'Programs that the agent runs or is, and the versions that are on the host now',
      ['program', 'version'],
      (add) => this.list.forEach(({ program, version = '' }) => add({ program, version }, 1)),
    );
  }

  async start(): Promise<void> {
    await this.#nft.look();
    await this.#own.look();
    this.#recurring = every(often, 'look at programs', () => this.#look());
  }

  async stop(): Promise<void> {
    await this.#recurring?.stop();
  }

  health(): readonly string[] {
    return [this.#nftProblem(), this.#ownProblem(), this.#recurring?.problem].flatMap((problem) => problem ?? []);
  }

  get list(): readonly RunningProgram[] {
    return [
      { program: 'nft', ...versionOf(this.#nft) },
      { program: 'drawbridge', ...versionOf(this.#own) },
    ];
  }

  async #look(): Promise<void> {
    const { log, repair } = this.#options;
    const before = this.list;
    const isReplaced = await this.#nft.look();
    await this.#own.look();
    for (const [index, now] of this.list.entries())
      if (now.version !== before[index]?.version)
        log.warn({ program: now.program, before: before[index]?.version, now: now.version }, 'a program was replaced');
    // Whether it takes our rules shows when it compares them.
    if (isReplaced) repair.notice(everythingOf('tables', 'expiring', 'chains', 'firewalls'));
  }

  #nftProblem(): string | undefined {
    if (this.#nft.isThere) return undefined;
    return 'Cannot look after rules: the program "nft" is not installed any more; install the package "nftables" again';
  }

  #ownProblem(): string | undefined {
    const { version } = this.#options;
    const file = `"${process.execPath}"`;
    if (!this.#own.isThere)
      return `The executable ${file} is gone, and this agent still runs: stop it, or install again`;
    if (this.#own.version === undefined || this.#own.version === version) return undefined;
    return `This agent is version ${version} and ${file} is ${this.#own.version} by now: restart the agent, else the two write different rules in turn`;
  }
}

/** A file that is executed, and the version that it tells. It is asked only when the file was replaced. */
class Program {
  isThere = true;
  version: string | undefined;
  readonly #find: () => string | undefined;
  readonly #ask: (file: string) => Promise<string | undefined>;
  #stamp: string | undefined = 'not looked at';

  constructor(find: () => string | undefined, ask: (file: string) => Promise<string | undefined>) {
    this.#find = find;
    this.#ask = ask;
  }

  /** Looks at the file, and returns whether it is another one than at the last look. */
  async look(): Promise<boolean> {
    const file = this.#find();
    const stats = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false });
    const stamp = stats === undefined ? undefined : `${file} ${stats.ino} ${stats.mtimeMs} ${stats.size}`;
    if (stamp === this.#stamp) return false;
    this.#stamp = stamp;
    this.isThere = stamp !== undefined;
    this.version = stamp === undefined ? undefined : await this.#ask(file ?? '').catch(() => undefined);
    return true;
  }
}

function versionOf({ version }: Program): { version?: string } {
  return version === undefined ? {} : { version };
}

/** What another version of the executable says it is: "drawbridge 1.2.3". */
async function ownVersion(file: string): Promise<string | undefined> {
  const { stdout } = await run(file, ['--version'], { deadline: 5000, env: { CNI_COMMAND: '' } });
  return /^drawbridge (\S+)/.exec(stdout)?.[1];
}

import type { QueryReport } from '../answer-query.ts';
import type { RefusedQueries } from './messages.ts';

/** Milliseconds between two messages. */
const pause = 100;
/** Reports in one message; those beyond are told as sums. */
const mostReports = 200;
/** Names in one message: whoever asks for more at once is counted under no name. */
const mostNames = 500;

export type TellReports = (reports: readonly QueryReport[], refused: readonly RefusedQueries[]) => void;

/**
 * Gathers what became of queries and tells it ten times a second: answers one by one, since each may have opened
 * something, refusals as sums for each container, name and type. So a flood of questions is a few lines to whoever is
 * told.
 */
export class ReportTeller {
  readonly #tell: TellReports;
  #reports: QueryReport[] = [];
  #refused = new Map<string, RefusedQueries>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: TellReports) {
    this.#tell = tell;
  }

  note(report: QueryReport): void {
    if (report.verdict === 'denied' || report.verdict === 'limited') this.#sum(report);
    else this.#reports.push(report);
    if (this.#reports.length >= mostReports) this.#flush();
    this.#timer ??= setTimeout(() => this.#flush(), pause);
  }

  #sum({ source, policyId, name, type, verdict, why = '', rcode, took }: QueryReport): void {
    const isNamed = this.#refused.size < mostNames || this.#refused.has(`${source} ${type} ${name}`);
    const told = isNamed ? name : '';
    const key = `${source} ${type} ${told}`;
    const known = this.#refused.get(key);
    this.#refused.set(key, {
      source,
      policyId,
      type,
      why,
      rcode,
      name: told,
      count: (known?.count ?? 0) + 1,
      limited: (known?.limited ?? 0) + (verdict === 'limited' ? 1 : 0),
      took: (known?.took ?? 0) + took,
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const [reports, refused] = [this.#reports, [...this.#refused.values()]];
    this.#reports = [];
    this.#refused = new Map();
    if (reports.length + refused.length > 0) this.#tell(reports, refused);
  }
}

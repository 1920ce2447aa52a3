import { median, spread } from './statistics.ts';

/** One comparison of the table. */
export interface Row {
  /** For `--only`. */
  readonly id: string;
  readonly what: string;
  readonly peer: string;
  readonly unit: string;
  readonly ours: number;
  /** Absent where we are compared with nobody. */
  readonly theirs?: number;
  /** Of the medians. */
  readonly ratio?: number;
  /** Middle half of the ratios of single rounds. */
  readonly spread?: readonly [number, number];
  /** Ratios. For times less is better; "more" says that more is. */
  readonly toReach?: number;
  readonly beyond?: number;
  readonly better?: 'less' | 'more';
  /** Rounds, or what else has to be said of it. */
  readonly note: string;
}

export interface RowText {
  readonly id: string;
  readonly what: string;
  readonly peer: string;
  readonly unit?: string;
  readonly toReach?: number;
  readonly beyond?: number;
  readonly better?: 'less' | 'more';
  readonly note?: string;
}

/** Makes a row of what was measured in the same rounds on both sides. */
export function compare(text: RowText, ours: readonly number[], theirs: readonly number[]): Row {
  const [own, other] = [median(ours), median(theirs)];
  const note = text.note ?? `${ours.length} rounds`;
  return { unit: 'ms', ...text, ours: own, theirs: other, ratio: own / other, spread: spread(ours, theirs), note };
}

/** "beyond", "reached", "missed", or empty where there is no target. */
export function verdict({ ratio, toReach, beyond, better = 'less' }: Row): string {
  if (ratio === undefined || toReach === undefined) return '';
  const reaches = (target: number): boolean => (better === 'less' ? ratio <= target : ratio >= target);
  if (beyond !== undefined && reaches(beyond)) return 'beyond';
  return reaches(toReach) ? 'reached' : 'missed';
}

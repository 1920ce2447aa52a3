import type { AttachmentRecord } from '../../records/record.ts';
import type { BrokenRecord } from '../../records/store.ts';

export type FindingKind =
  | 'attachment'
  | 'record'
  | 'interface'
  | 'element'
  | 'policy'
  | 'table'
  | 'gate'
  | 'lease'
  | 'firewall'
  | 'index'
  | 'note'
  | 'file'
  | 'name';

/** Something on the host that is ours and that no living container owns. */
export interface Finding {
  readonly kind: FindingKind;
  readonly name: string;
  readonly network?: string;
  readonly containerId?: string;
  /** Why it is left over, one sentence without a period. */
  readonly why: string;
  /** Another number says that somebody used it meanwhile. */
  readonly uses?: number;
  /**
   * Removes it, after a second look at whether it is still nobody's; false when it is somebody's now. Absent when it
   * may be alive: then it is shown, and left.
   */
  readonly remove?: () => Promise<boolean>;
}

/** The records that findings are measured by. */
export interface RecordSurvey {
  readonly records: readonly AttachmentRecord[];
  readonly broken: readonly BrokenRecord[];
  /** Those of `broken` whose containers may be alive: what nobody else owns may be theirs. */
  readonly unclear: readonly BrokenRecord[];
  /** Keys of the records whose containers are gone. */
  readonly dead: ReadonlySet<string>;
}

/** Does something at the first call and gives its outcome to every later one. */
export function once<T>(action: () => Promise<T>): () => Promise<T> {
  let outcome: Promise<T> | undefined;
  return async () => (outcome ??= action());
}

import type { AttachmentRecord } from '../../records/record.ts';
import { placeOf, placeWords, policyFileOf, type PolicyFile } from '../../repair/survey/policy-place.ts';

/** Milliseconds for which a file is not read again. */
const lasting = 10_000;

/** Where rules are written, for many questions a second. */
export class RulePlaces {
  readonly #files = new Map<string, { readonly file: PolicyFile | undefined; readonly readAt: number }>();

  /** "FILE:LINE:COLUMN"; undefined for what is built in, and where no file is found. */
  find(record: AttachmentRecord, rule: string): string | undefined {
    const file = this.#fileOf(record);
    const place = file === undefined ? undefined : placeOf(rule, file);
    return place === undefined ? undefined : placeWords(place);
  }

  #fileOf(record: AttachmentRecord): PolicyFile | undefined {
    const name = record.egress?.policyName;
    const key = name === undefined ? `network ${record.network}` : `policy ${name}`;
    const now = performance.now();
    const known = this.#files.get(key);
    if (known !== undefined && now - known.readAt < lasting) return known.file;
    const file = policyFileOf(record);
    this.#files.set(key, { file, readAt: now });
    return file;
  }
}

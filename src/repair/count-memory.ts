import type { Element } from '../nft/element.ts';
import { readCounted } from '../dataplane/counted.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** What our tables had counted when they were last looked at; it outlives them. */
export class CountMemory {
  #elements: readonly Element[] = [];
  #readAt = 0;

  /** Reads what is counted by now. Where the tables are gone, or nft fails, what is known stays. */
  async look(records: readonly AttachmentRecord[]): Promise<void> {
    if (records.every(({ egress }) => egress === undefined)) return;
    const found = await readCounted().catch(() => undefined);
    if (found === undefined) return;
    this.#elements = found;
    this.#readAt = performance.now();
  }

  /** What was denied longer ago than the kernel keeps it is left out. */
  get elements(): readonly Element[] {
    const age = Math.round((performance.now() - this.#readAt) / 1000);
    return this.#elements.flatMap((element) => {
      if (element.expires === undefined) return element;
      const expires = element.expires - age;
      return expires < 1 ? [] : { ...element, expires };
    });
  }
}

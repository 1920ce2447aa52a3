/**
 * Calls functions of src/records/, src/repair/ and src/host/ inside a private host: reads {steps: [[name,
 * …arguments]…]} from stdin, and prints a list of {value, ms} or {error}, one for each step. Run by node, which strips
 * the types itself.
 */
import { readFileSync } from 'node:fs';
import { CniError } from '../../src/cni/errors.ts';
import { tryForgetFlowsOf, forgetUdpFlows } from '../../src/host/conntrack.ts';
import { findListeners } from '../../src/host/listeners.ts';
import type { Element } from '../../src/nft/element.ts';
import { findMissing } from '../../src/records/check.ts';
import { commit, rebuild } from '../../src/records/commit.ts';
import { sharedByOthers, writeIndex } from '../../src/records/index-files.ts';
import type { AttachmentRecord } from '../../src/records/record.ts';
import { listRecords, writeRecord } from '../../src/records/store.ts';
import { repairGates } from '../../src/repair/gates.ts';

const calls = {
  findListeners,
  findMissing,
  tryForgetFlowsOf,
  forgetUdpFlows,
  listRecords: () => listRecords(),
  repairGates: (records: readonly AttachmentRecord[]) => repairGates(records),
  rebuild: () => rebuild(),
  sharedByOthers: (name: string, key: string) => sharedByOthers(name, key),
  put: (record: AttachmentRecord, also: readonly Element[] = []) => commit({ put: record }, { also }),
  drop: (key: string) => commit({ drop: key }),
  /** Records as ADDs have left them, without the tables. */
  fill: (records: readonly AttachmentRecord[]) => {
    for (const record of records) {
      writeIndex(record);
      writeRecord(record);
    }
  },
};

export type Call = keyof typeof calls;

export interface Outcome {
  value?: unknown;
  error?: { code: number; message: string; details?: string };
  ms: number;
}

const { steps } = JSON.parse(readFileSync(0, 'utf8')) as { steps: [Call, ...unknown[]][] };
const outcomes: Outcome[] = [];
for (const [name, ...args] of steps) {
  const start = performance.now();
  try {
    const value = await (calls[name] as (...given: unknown[]) => unknown)(...args);
    outcomes.push({ value, ms: performance.now() - start });
  } catch (error) {
    const { code, message, details } =
      error instanceof CniError ? error : { code: 0, message: String(error), details: undefined };
    outcomes.push({
      error: { code, message, ...(details === undefined ? {} : { details }) },
      ms: performance.now() - start,
    });
  }
}
console.log(JSON.stringify(outcomes));

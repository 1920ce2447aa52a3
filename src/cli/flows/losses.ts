import type { FlowsAnswer } from '../../flows/flows-answer.ts';
import type { Terminal } from '../terminal.ts';

/** Says on stderr what is in no record, where something is not. */
export function tellLosses(answer: FlowsAnswer | undefined, { note, paint }: Terminal): void {
  // An agent of before 0.2.0 does not tell.
  const lost = Object.entries(answer?.lost ?? {}).filter(([, number]) => number > 0);
  if (lost.length === 0) return;
  const parts = lost.map(([where, number]) => `${number} ${losses[where] ?? where}`);
  note(`${paint.warn('!')} Not all is recorded since the agent started: ${parts.join(', ')}.`);
}

/** What is lost where, and why. */
const losses: Readonly<Record<string, string>> = {
  share: 'beyond the share of a container',
  kernel: 'faster than the agent could read',
  disk: 'not taken by the disk',
  journal: 'not taken by the journal',
  file: 'not taken by the file',
  otlp: 'not taken by the collector',
};

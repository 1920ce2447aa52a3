import type { Hook, Stage } from '../../nft/declaration.ts';

/**
 * Where chains hook in that judge where containers may go. Both stages come before the host's own filters (priority
 * filter) and Docker's, so that our answer and our counters come first; an accept of ours ends nobody else's judgement.
 * What was asked for is judged first: a translation does not open what a policy denies.
 */
export function judging(stage: Stage, at: 'forward' | 'input'): Hook {
  return { type: 'filter', at, priority: priorities[stage], stage };
}

const priorities: Readonly<Record<Stage, string>> = { asked: 'filter - 5', translated: 'filter - 4' };

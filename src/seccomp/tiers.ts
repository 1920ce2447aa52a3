import { bootstrapCalls, fileCalls, processCalls, socketCalls, type Calls } from './calls.ts';

/** Processors, as the kernel names them. */
export const processors = ['x86_64', 'aarch64'] as const;
export type Processor = (typeof processors)[number];

interface Tier {
  /** One line for `drawbridge seccomp`. */
  readonly about: string;
  /** What it adds to the tier before it; undefined where nothing is refused. */
  readonly adds: Calls | undefined;
}

const tiers = {
  essential: { about: 'a program starts, reads, writes and ends', adds: bootstrapCalls },
  minimal: { about: 'also signals, pipes, timers, processes and threads', adds: processCalls },
  standard: { about: 'also files and folders that are made, changed, listed', adds: fileCalls },
  network: { about: 'also sockets, except vsock', adds: socketCalls },
  unrestricted: { about: 'everything: no filter', adds: undefined },
} as const satisfies Readonly<Record<string, Tier>>;

export type TierName = keyof typeof tiers;

/** Names of the tiers, from the narrowest. */
export const tierNames = Object.keys(tiers) as readonly TierName[];

/** One line about a tier, without a period. */
export function aboutTier(name: TierName): string {
  return tiers[name].about;
}

/**
 * The system calls that a tier and those before it let through, sorted; undefined for the tier that refuses nothing.
 */
export function callsOf(name: TierName, processor: Processor): string[] | undefined {
  if (tiers[name].adds === undefined) return undefined;
  return tierNames
    .slice(0, tierNames.indexOf(name) + 1)
    .flatMap((tier) => {
      const adds: Calls | undefined = tiers[tier].adds;
      return adds === undefined ? [] : [...adds.everywhere, ...(processor === 'x86_64' ? adds.x86 : [])];
    })
    .toSorted();
}

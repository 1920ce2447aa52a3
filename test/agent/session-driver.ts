/**
 * Gives the transactions of a JSON list on stdin to one session of nft, and prints what became of each; "kill" kills
 * its nft, "stop" makes it hang. Run by node in a private host.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { NftSession } from '../../src/host/nft-session.ts';

export interface SessionPlan {
  readonly steps: readonly string[];
  readonly deadline?: number;
  readonly longestHistory?: number;
}

const { steps, ...options } = JSON.parse(readFileSync(0, 'utf8')) as SessionPlan;
const session = new NftSession({ ...options, fallback: () => Promise.reject(new Error('fallback')) });
const outcomes: string[] = [];
const pids = new Set<string>();
for (const step of steps) {
  if (step === 'kill' || step === 'stop')
    execFileSync('pkill', [step === 'kill' ? '-KILL' : '-STOP', '-P', String(process.pid), '-x', 'nft']);
  else outcomes.push(await session.commit(step).catch((error: Error) => error.message));
  if (step !== 'kill') pids.add(nftPid());
}
session.close();
console.log(JSON.stringify({ outcomes, processes: pids.size }));

function nftPid(): string {
  try {
    return execFileSync('pgrep', ['-P', String(process.pid), '-x', 'nft'], { encoding: 'utf8' }).trim();
  } catch {
    return '';
  }
}

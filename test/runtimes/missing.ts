import { missing } from './tools.ts';

/** Vitest's globalSetup of the runtimes: says loudly which of them are not here, whose tests are skipped. */
export default function sayWhatIsMissing(): void {
  const names = missing();
  if (names.length === 0) return;
  const text = `Not here, so their tests are SKIPPED: ${names.join(', ')} ("sh bundle/setup.sh test" gets them)`;
  console.error(`\n${'!'.repeat(text.length)}\n${text}\n${'!'.repeat(text.length)}\n`);
}

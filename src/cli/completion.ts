import type { Invocation } from './command.ts';
import { bashScript } from './completion/bash.ts';
import { fishScript } from './completion/fish.ts';
import { zshScript } from './completion/zsh.ts';
import { policyNames } from '../egress/load-policy.ts';
import { listRecords } from '../records/store.ts';
import { shownName } from '../repair/survey/container-names.ts';
import type { Terminal } from './terminal.ts';

/** What each shell reads, by the shell's name. */
export const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** Prints what makes a shell complete our commands. */
export async function run({ operands: [shell = ''], commands }: Invocation, { out }: Terminal): Promise<number> {
  out(scripts[shell as keyof typeof scripts](commands.filter(({ hidden }) => hidden !== true)));
  return 0;
}

/**
 * Prints words that a shell may offer: `complete containers`, `complete policies`. Never fails: a shell would print the
 * error into the line.
 */
export async function offer({ operands: [kind = ''] }: Invocation, { out }: Terminal): Promise<number> {
  try {
    const words =
      kind === 'policies' ? await policyNames() : listRecords().records.map(({ containerId }) => wordOf(containerId));
    for (const word of new Set(words)) out(word);
  } catch {
    // Not root, or nothing there: nothing to offer.
  }
  return 0;
}

/**
 * The name of a container where it is one plain word, else its id: bash splits what it is offered at spaces, and
 * expands each word as if it had been typed (`compgen -W`), commands in it included.
 */
function wordOf(containerId: string): string {
  const name = shownName(containerId);
  return /^[\w.@%+,:/-]+$/.test(name) ? name : containerId;
}

import type { Command } from './command.ts';
import { containersCommands } from './commands/containers.ts';
import { flowsCommands } from './commands/flows.ts';
import { hostCommands } from './commands/host.ts';
import { policiesCommands } from './commands/policies.ts';
import { tapsCommands } from './commands/taps.ts';

/** Every command, in the order in which help shows them. */
export const commands: readonly Command[] = [
  ...containersCommands,
  ...tapsCommands,
  ...flowsCommands,
  ...policiesCommands,
  ...hostCommands,
];

import type { LinkCommand } from '../links/command.ts';
import { batchOf, textOf, toolOf, type Tool } from '../links/text.ts';
import { runIn, type Where } from './ip.ts';
import { LinkError } from './link-error.ts';
import { applyHere } from './netlink/apply.ts';
import { CommandError, tell } from './run.ts';
import { readToolError } from './tool-error.ts';
import { begin } from './trace.ts';

/**
 * Carries out commands in their order and stops at the first that fails: in this process, or with `ip`, `bridge` or
 * `tc` those of one program where the kernel cannot be asked for one of them from here.
 *
 * Throws {@link LinkError} with that command; nothing is taken back.
 */
export async function applyCommands(commands: readonly LinkCommand[], { netns }: Where = {}): Promise<void> {
  for (const group of groupsOf(commands)) {
    const place = { commands, netns };
    if (!(await applyInProcess(group, place))) await applyByTool(group, place);
  }
}

/** Neighbours among commands that one program reads. */
interface Group {
  readonly tool: Tool;
  /** Place of the first of them among all. */
  readonly first: number;
  readonly members: readonly LinkCommand[];
}

function groupsOf(commands: readonly LinkCommand[]): Group[] {
  const groups: (Group & { members: LinkCommand[] })[] = [];
  for (const [place, command] of commands.entries()) {
    const tool = toolOf(command);
    const last = groups.at(-1);
    if (last !== undefined && describe(last.tool) === describe(tool)) last.members.push(command);
    else groups.push({ tool, first: place, members: [command] });
  }
  return groups;
}

function describe({ program, options }: Tool): string {
  return [program, ...options, '-batch', '-'].join(' ');
}

interface Place {
  readonly commands: readonly LinkCommand[];
  readonly netns: string | undefined;
}

/** Returns false when nothing was done: they are to be left to the program. */
async function applyInProcess({ tool, first, members }: Group, { commands, netns }: Place): Promise<boolean> {
  const command = netns === undefined ? describe(tool) : `nsenter --net=${netns} -- ${describe(tool)}`;
  const input = (): string => members.map((member) => `${textOf(member)}\n`).join('');
  const end = begin('netlink', () => ({ command, input: input() }));
  const outcome = await applyHere(members, netns);
  if (outcome === 'left') return false;
  tell(command, input);
  end();
  if (outcome === 'done') return true;
  throw LinkError.ofKernel({ ...outcome, index: first + outcome.index }, { commands, netns });
}

async function applyByTool({ tool, first, members }: Group, { commands, netns }: Place): Promise<void> {
  const batch = batchOf(members);
  try {
    await runIn(netns, tool.program, [...tool.options, '-batch', '-'], batch);
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
    const { index, ...said } = readToolError(error, batch);
    throw LinkError.ofTool({ ...said, index: index === undefined ? undefined : first + index }, { commands, netns });
  }
}

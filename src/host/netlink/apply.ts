import { closeSync, openSync } from 'node:fs';
import type { LinkCommand } from '../../links/command.ts';
import { Conversation, RefusedError } from './conversation.ts';
import { errnos } from './errno.ts';
import { openKernel, type Kernel } from './libc.ts';
import { requestOf, type Lookup } from './link-request.ts';
import { attribute, readNumber, text, type } from './message.ts';
import { makeTap } from './tap-device.ts';

/** What became of commands: all carried out, or left to programs before anything was done, or stopped at one. */
export type ApplyOutcome = 'done' | 'left' | Refusal;

/** Why the kernel did not carry out a command; the ones before it are done. */
export interface Refusal {
  /** Place of the command, from 0. */
  readonly index: number;
  /** As in errno(3). */
  readonly errno: number;
  /** The kernel's own sentence, where it has one. */
  readonly sentence?: string;
  /** What the command names and is not there. */
  readonly missing?: { readonly kind: 'interface' | 'namespace'; readonly name: string };
}

/** Carries out commands in this process, and stops at the first one that the kernel refuses. */
export async function applyHere(commands: readonly LinkCommand[], netns?: string): Promise<ApplyOutcome> {
  const steps = commands.map(stepOf);
  const kernel = steps.includes(undefined) ? undefined : openKernel();
  if (kernel === undefined) return 'left';
  const conversation = Conversation.open(kernel, netns);
  if (conversation === undefined) return 'left';
  const files: number[] = [];
  const lookup = lookupIn(conversation, files);
  try {
    for (const [index, step] of steps.entries()) {
      try {
        step?.({ kernel, netns, conversation, lookup });
      } catch (error) {
        return { index, ...reasonOf(error) };
      }
    }
    return 'done';
  } finally {
    files.forEach((file) => closeSync(file));
    conversation.close();
  }
}

/** Carries out one command; what the kernel refuses is thrown. */
type Step = (means: {
  readonly kernel: Kernel;
  readonly netns: string | undefined;
  readonly conversation: Conversation;
  readonly lookup: Lookup;
}) => void;

/** Undefined for what is left to a program. */
function stepOf(command: LinkCommand): Step | undefined {
  if (command.kind === 'addTap') return ({ kernel, netns }) => makeTap(kernel, command, netns);
  const plan = requestOf(command);
  return plan && (({ conversation, lookup }) => conversation.change(plan(lookup)));
}

/** Something that a command names is not there. */
class NotFoundError extends Error {
  readonly missing: NonNullable<Refusal['missing']>;

  constructor(missing: NonNullable<Refusal['missing']>) {
    super(missing.name);
    this.missing = missing;
  }
}

function reasonOf(error: unknown): Omit<Refusal, 'index'> {
  if (error instanceof RefusedError) {
    const { errno, sentence } = error;
    return { errno, ...(sentence === undefined ? {} : { sentence }) };
  }
  if (!(error instanceof NotFoundError)) throw error;
  const { missing } = error;
  return { errno: missing.kind === 'interface' ? errnos.ENODEV : errnos.ENOENT, missing };
}

function lookupIn(conversation: Conversation, files: number[]): Lookup {
  const indexes = new Map<string, number>();
  return {
    index: (name) => {
      const known = indexes.get(name) ?? findIndex(conversation, name);
      indexes.set(name, known);
      return known;
    },
    namespace: (path) => {
      try {
        const file = openSync(path, 'r');
        files.push(file);
        return file;
      } catch {
        throw new NotFoundError({ kind: 'namespace', name: path });
      }
    },
  };
}

const IFLA_IFNAME = 3;

function findIndex(conversation: Conversation, name: string): number {
  try {
    const [link] = conversation.read({
      type: type.getLink,
      flags: 0,
      head: new Uint8Array(16),
      attributes: [attribute(IFLA_IFNAME, text(name))],
    });
    if (link !== undefined) return readNumber(link.payload, 4, 4);
  } catch (error) {
    if (!(error instanceof RefusedError && error.errno === errnos.ENODEV)) throw error;
  }
  throw new NotFoundError({ kind: 'interface', name });
}

import { closeSync, openSync } from 'node:fs';
import { NotFoundError, planLine, type Lookup } from './batch.ts';
import { Conversation, RefusedError } from './conversation.ts';
import { openKernel } from './libc.ts';
import { attribute, readNumber, text, type } from './message.ts';

/**
 * What became of lines: all carried out, or none of them understood, or what `ip -batch` would have printed when it
 * stopped.
 */
export type ApplyOutcome = 'done' | 'not understood' | { readonly stderr: string };

/**
 * Carries out lines of `ip -batch` without `ip`: the same requests to the kernel, from this process. Stops at the first
 * line that the kernel refuses. "not understood" comes before anything was done.
 */
export async function applyLines(lines: readonly string[], netns?: string): Promise<ApplyOutcome> {
  const planned = lines.map(planLine);
  const kernel = planned.includes(undefined) ? undefined : openKernel();
  if (kernel === undefined) return 'not understood';
  const conversation = Conversation.open(kernel, netns);
  if (conversation === undefined) return 'not understood';
  const files: number[] = [];
  const found = lookupIn(conversation, files);
  try {
    for (const [place, plan] of planned.entries()) {
      try {
        if (plan !== undefined) conversation.change(plan(found));
      } catch (error) {
        if (!(error instanceof RefusedError || error instanceof NotFoundError)) throw error;
        return { stderr: `${error.message}\nCommand failed -:${place + 1}\n` };
      }
    }
    return 'done';
  } finally {
    files.forEach((file) => closeSync(file));
    conversation.close();
  }
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
        throw new NotFoundError('Error: argument "' + path + '" is wrong: Invalid "netns" value');
      }
    },
  };
}

const IFLA_IFNAME = 3;
const ENODEV = 19;

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
    if (!(error instanceof RefusedError && error.errno === ENODEV)) throw error;
  }
  throw new NotFoundError(`Cannot find device "${name}"`);
}

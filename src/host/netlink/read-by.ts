import { Conversation, RefusedError } from './conversation.ts';
import { openLibrary, type Kernel } from './libc.ts';

/**
 * A reading of one namespace that every command may do; undefined when it has to be done in another way, or not at all.
 */
export function readIn<T>(
  netns: string,
  read: (conversation: Conversation) => T,
  protocol: number,
): { readonly value: T } | undefined {
  return readBy(openLibrary(), { netns, protocol }, read);
}

/** Opens a socket for one reading, and closes it; undefined without a kernel, a namespace or an answer. */
export function readBy<T>(
  kernel: Kernel | undefined,
  { netns, protocol }: { readonly netns: string | undefined; readonly protocol: number | undefined },
  read: (conversation: Conversation) => T,
): { readonly value: T } | undefined {
  const conversation = kernel && Conversation.open(kernel, netns, protocol);
  if (conversation === undefined) return undefined;
  try {
    return { value: read(conversation) };
  } catch (error) {
    if (error instanceof RefusedError) return undefined;
    throw error;
  } finally {
    conversation.close();
  }
}

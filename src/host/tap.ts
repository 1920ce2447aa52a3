import { applyCommands } from './apply.ts';
import { LinkError } from './link-error.ts';

/** Removes a tap from the namespace of a VMM. Being gone is as good. */
export async function removeTap(name: string, netns: string): Promise<void> {
  try {
    await applyCommands([{ kind: 'deleteLink', name }], { netns });
  } catch (error) {
    if (!(error instanceof LinkError && ['missing', 'netns'].includes(error.reason))) throw error;
  }
}

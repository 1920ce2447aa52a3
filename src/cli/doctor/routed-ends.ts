import { applyCommands } from '../../host/apply.ts';
import { shellTextOf } from '../../links/text.ts';
import { routedTroubles } from '../../repair/routed.ts';
import type { Survey } from '../../repair/survey/attachments.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import type { Trouble } from './check.ts';

/** What is not as it was made at the host's ends of routed containers. */
export async function routedEnds(attachments: Survey['attachments']): Promise<Trouble[]> {
  const living = attachments.filter(({ isAlive, record }) => isAlive && record.state === 'ready');
  const troubles = await routedTroubles(living.map(({ record }) => record));
  return troubles.map(({ record, what, commands }) => ({
    severity: 'problem',
    found: what,
    why: `container ${shownName(record.containerId)} is cut off`,
    remedy: commands.map(shellTextOf).join('\n'),
    fix: async () => applyCommands(commands),
  }));
}

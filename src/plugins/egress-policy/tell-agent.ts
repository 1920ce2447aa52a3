import { existsSync } from 'node:fs';
import { isAnsweredByAgent } from '../../egress/dns-service.ts';
import type { Policy } from '../../egress/policy.ts';
import { runDir } from '../../host/paths.ts';

/** Milliseconds that an ADD waits: the container works without it too, once the agent has seen it by itself. */
const patience = 1000;

/**
 * Has the agent, where one lives, take in a container whose DNS it answers, so that the container's first question
 * finds it known and redirected. Never throws.
 */
export async function tellAgent(policy: Policy): Promise<void> {
  if (!isAnsweredByAgent(policy) || !existsSync(`${runDir}/agent.sock`)) return;
  const { askAgent } = await import('../../host/agent-socket.ts');
  await askAgent('attached', patience);
}

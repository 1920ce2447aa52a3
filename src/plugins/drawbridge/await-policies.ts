import { CniError, codes } from '../../cni/errors.ts';
import type { PodRecord } from '../../records/record.ts';

/**
 * Milliseconds that the agent may take: it may have to wait until the API tells of the pod, which the kubelet knows
 * already. The kubelet tries again after a failure.
 */
const patience = 20_000;

/**
 * Waits until the policies of a pod are in force, before its link comes up. Throws code 11 with what the agent says,
 * and where none answers: a pod does not start open.
 */
export async function awaitPolicies(key: string, pod: PodRecord = noPod): Promise<void> {
  const { askAgent } = await import('../../host/agent-socket.ts');
  const answer = (await askAgent('pod', patience, { key })) as { problem?: unknown } | undefined;
  if (answer !== undefined && answer.problem === undefined) return;
  throw new CniError(
    codes.tryAgainLater,
    `Cannot put the policies of pod "${pod.namespace}/${pod.name}" in force: ${describe(answer)}`,
    'The pod is not started rather than started open; the kubelet tries again. See "drawbridge status" in the agent\'s pod on this node',
  );
}

const noPod: PodRecord = { namespace: '', name: '', uid: '', addresses: [] };

function describe(answer: { problem?: unknown } | undefined): string {
  return answer === undefined ? '"drawbridge agent --kubernetes" does not answer on this node' : String(answer.problem);
}

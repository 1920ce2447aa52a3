import { askAgent } from '../../host/agent-socket.ts';
import { connect } from 'node:net';
import { runDir } from '../../host/paths.ts';

/**
 * Reads what the agent tells at its socket as it happens, until `signal` ends it; calls back for each event. Returns
 * false when there is no agent, or it went away.
 */
export async function followAgent(
  method: string,
  onEvent: (event: unknown) => void,
  signal: AbortSignal,
  params: object = {},
): Promise<boolean> {
  return new Promise((resolve) => {
    let rest = '';
    const socket = connect(`${runDir}/agent.sock`, () => socket.write(`${JSON.stringify({ method, params })}\n`));
    const end = (isDone: boolean): void => {
      socket.destroy();
      resolve(isDone);
    };
    if (signal.aborted) end(true);
    signal.addEventListener('abort', () => end(true), { once: true });
    socket.setEncoding('utf8');
    socket.on('error', () => end(false));
    socket.on('close', () => resolve(false));
    socket.on('data', (part: string) => {
      const lines = `${rest}${part}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { event, error } = JSON.parse(line) as { event?: unknown; error?: unknown };
        // It is of a version that does not know the method.
        if (error !== undefined) return end(false);
        if (event !== undefined) onEvent(event);
      }
    });
  });
}

/** Whether an agent answers: a socket may be left of one that was killed. */
export async function isAgentRunning(): Promise<boolean> {
  return (await askAgent('status')) !== undefined;
}

/** What the agent says that it cannot do now, one sentence each; undefined where none answers. */
export async function agentProblems(): Promise<readonly string[] | undefined> {
  const status = await askAgent('status');
  if (status === undefined) return undefined;
  const { problems } = status as { problems?: unknown };
  return Array.isArray(problems) ? problems.map(String) : [];
}

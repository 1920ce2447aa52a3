import { connect } from 'node:net';
import { runDir } from './paths.ts';

/** Milliseconds: it answers at once or is in trouble. */
const patience = 2000;

/**
 * Asks the agent at its socket (agent/socket/protocol.ts). Undefined where none runs, where it does not answer in so
 * many milliseconds, and where it is of a version that does not know the method.
 */
export async function askAgent(method: string, deadline = patience, params: object = {}): Promise<unknown> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(`${runDir}/agent.sock`, () => socket.write(`${JSON.stringify({ method, params })}\n`));
    const end = (value: unknown): void => {
      socket.destroy();
      resolve(value);
    };
    socket.setEncoding('utf8');
    socket.setTimeout(deadline, () => end(undefined));
    socket.on('error', () => end(undefined));
    socket.on('close', () => resolve(undefined));
    socket.on('data', (part: string) => {
      text += part;
      if (text.endsWith('\n')) end(resultOf(text));
    });
  });
}

function resultOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { result?: unknown }).result;
  } catch {
    return undefined;
  }
}

import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { CniError, codes } from '../cni/errors.ts';
import { withLock } from '../host/lock.ts';
import { runDir } from '../host/paths.ts';

/** Where the agent answers: see socket/protocol.ts. */
export const socketPath = `${runDir}/agent.sock`;

/**
 * Makes this process the agent of the host: whoever answers at the socket is. One that was killed leaves the file and
 * no answer. Throws code 11 when there is an agent, 5 when the socket cannot be made.
 */
export async function claimHost(path = socketPath): Promise<Server> {
  return withLock('agent', 'start of the agent', async () => {
    if (await answers(path)) {
      throw new CniError(
        codes.tryAgainLater,
        `Cannot start the agent: another one answers at "${path}"`,
        'One agent serves a host; "drawbridge doctor" shows it',
      );
    }
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    rmSync(path, { force: true });
    const server = createServer({ allowHalfOpen: true });
    // Nobody else may connect between bind(2) and chmod(2).
    const mask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path, resolve);
      });
    } catch (error) {
      throw new CniError(codes.ioFailure, `Cannot listen at "${path}": ${(error as Error).message}`, undefined, {
        cause: error,
      });
    } finally {
      process.umask(mask);
    }
    chmodSync(path, 0o600);
    server.removeAllListeners('error');
    server.on('error', () => {});
    return server;
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

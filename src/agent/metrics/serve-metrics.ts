import { createServer } from 'node:http';
import { CniError, codes } from '../../cni/errors.ts';
import { parseServerAddress } from '../dns/exchange.ts';

/**
 * Serves metrics at "address:port" by HTTP, at /metrics. Throws code 7 for another text, and 100 when the address cannot be had.
 */
export async function serveMetrics(
  at: string,
  read: () => Promise<{ contentType: string; text: string }>,
): Promise<{ close(): Promise<void> }> {
  if (!/^(?:\[[0-9a-fA-F:]+\]|[0-9.]+):\d{1,5}$/.test(at))
    throw new CniError(
      codes.invalidConfig,
      `Cannot serve metrics at "${at}": an address with a port is expected`,
      'For instance "127.0.0.1:9440" or "[::1]:9440"',
    );
  const { address, port } = parseServerAddress(at);
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?', 1)[0] !== '/metrics')
      return void response.writeHead(404).end();
    read().then(
      ({ contentType, text }) => response.writeHead(200, { 'content-type': contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new CniError(codes.commandFailed, `Cannot serve metrics at "${at}": ${error.message}`)),
    );
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

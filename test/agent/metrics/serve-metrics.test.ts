import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveMetrics } from '../../../src/agent/metrics/serve-metrics.ts';

const port = 19_000 + (process.pid % 1000);
let server: { close(): Promise<void> };

beforeAll(async () => {
  server = await serveMetrics(`127.0.0.1:${port}`, async () => ({
    contentType: 'text/plain',
    text: 'drawbridge_up 1\n',
  }));
});
afterAll(async () => server.close());

async function open(from = '127.0.0.1'): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress: from });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function ask(text: string, from?: string): Promise<string> {
  const socket = await open(from);
  let answer = '';
  socket.on('data', (part) => (answer += part.toString()));
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

describe('metrics by HTTP', () => {
  test('are given to who asks this host', async () => {
    for (const host of [`127.0.0.1:${port}`, `[::1]:${port}`, 'localhost'])
      expect(await ask(`GET /metrics HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).toMatch(
        /^HTTP\/1\.1 200 .*drawbridge_up 1\n$/s,
      );
  });

  test.each([
    ['a page whose name leads here', 'GET /metrics HTTP/1.1\r\nHost: evil.example.org\r\n\r\n', 421],
    ['a request without a host', 'GET /metrics HTTP/1.1\r\n\r\n', 421],
    ['another path', 'GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n', 404],
    ['another method', 'POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n', 404],
    ['what is no HTTP', 'hello\r\n\r\n', 400],
    ['a head without end', `GET /metrics HTTP/1.1\r\nX: ${'a'.repeat(9000)}`, 431],
  ])('are not given to %s', async (_, text, status) => {
    const answer = await ask(text);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(answer).not.toContain('drawbridge_up');
  });

  test('are given while others hold half-sent requests, whose number is bounded', async () => {
    const held = await Promise.all(Array.from({ length: 40 }, async () => open('127.0.0.2')));
    for (const socket of held) socket.write('GET /metrics HTTP/1.1\r\n');
    await expect.poll(() => held.filter(({ destroyed }) => !destroyed).length).toBe(4);
    expect(await ask('GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')).toContain('drawbridge_up 1');
    for (const socket of held) socket.destroy();
  });
});

import { describe, expect, test } from '../../helpers/host.ts';
import { startAgent, until } from '../process/agent.ts';
import { hold, makeSites } from './sites.ts';

describe('a container that may ask for one of two sites at one address', () => {
  test('reaches that one by TLS, and the other is refused at once without a byte for its server', async ({ host }) => {
    const { curl, asked } = await makeSites(host);
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
    expect(await curl('https://evil.example.net/')).toBe('curl: 35');
    expect(await asked()).toEqual(['good.example.org good.example.org HTTP/2.0']);
  });

  test('reaches that one by HTTP/1 and by HTTP/2 without TLS, and the other by neither', async ({ host }) => {
    const { curl, asked } = await makeSites(host, {
      policy: { allow: ['good.example.org:80', 'good.example.org:8080'] },
    });
    expect(await curl('http://good.example.org/')).toBe('good.example.org HTTP/1.1\n');
    expect(await curl('http://good.example.org:8080/', '--http2-prior-knowledge')).toBe('good.example.org HTTP/2.0\n');
    expect(await curl('http://evil.example.net/')).toBe('curl: 56');
    expect(await curl('http://evil.example.net:8080/', '--http2-prior-knowledge')).toBe('curl: 56');
    expect(await curl('http://good.example.org/', '-H', 'Host: evil.example.net')).toBe('curl: 56');
    expect(await asked()).toHaveLength(2);
  });

  test('reaches none without a server name, and a literal of the policy as ever', async ({ host }) => {
    const { container, curl } = await makeSites(host, {
      policy: { allow: ['good.example.org:443', '198.51.100.1:80'] },
    });
    const byAddress = await container.exec(['curl', '-sk', '--max-time', '4', 'https://198.51.100.1/']);
    expect(byAddress.code).toBe(35);
    expect(await curl('http://evil.example.net/')).toBe('evil.example.net HTTP/1.1\n');
  });

  test('waits without an agent, goes on when one is there, and keeps what stands without it', async ({ host }) => {
    const { container, curl, agent, asked } = await makeSites(host);
    const talk = await hold(host, container);
    expect(await talk()).toContain('200 OK');
    await agent.kill();
    expect(await curl('https://good.example.org/', '--max-time', '2')).toBe('curl: 28');
    expect(await talk()).toContain('200 OK');
    const next = await startAgent(host, [], {}, 30_000);
    await until(async () => (await next.log()).some(({ msg }) => msg === 'first bytes are read'));
    expect(await curl('https://good.example.org/')).toBe('good.example.org HTTP/2.0\n');
    expect(await talk()).toContain('200 OK');
    expect(await asked()).toHaveLength(4);
  });
});

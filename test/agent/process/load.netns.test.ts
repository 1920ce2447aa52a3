import { join } from 'node:path';
import { describe, expect, test } from '../../helpers/host.ts';
import { startAgent, talk, until } from './agent.ts';
import { makeNamesLab, writeHosts } from './names-lab.ts';

const isLong = process.env['DRAWBRIDGE_FAULTS'] === 'long';

/** One query of dns-load.py. */
interface Asked {
  readonly name: string;
  /** Seconds since the start. */
  readonly sent: number;
  readonly answered: number | null;
  readonly code?: number;
  readonly count?: number;
}

const script = (name: string): string => join(import.meta.dirname, name);

describe('the agent', () => {
  test('lets every connection through while the addresses of a name change every two seconds', async ({ host }) => {
    const lab = await makeNamesLab(host, { allow: ['turn.example.net:80'] });
    const all = Array.from({ length: isLong ? 30 : 5 }, (_, index) => `198.51.100.${100 + index}`);
    await lab.outside.address(...all);
    await startAgent(host);
    await lab.add();
    await until(lab.forced);
    const results: string[] = [];
    for (const address of all) {
      await writeHosts(host, [`${address} turn.example.net`]);
      const ends = performance.now() + 2000;
      while (performance.now() < ends) {
        const [found = ''] = (
          await lab.container.exec(['dig', '+short', '@10.88.0.1', 'turn.example.net'])
        ).stdout.split('\n');
        results.push(await host.fetch(lab.container, found, 80, { timeout: 3000 }));
      }
      // Whoever still has the address of before goes on with it.
      results.push(await host.fetch(lab.container, all[0] ?? '', 80, { timeout: 3000 }));
    }
    console.log(`${results.length} connections while ${all.length} addresses took turns`);
    expect(results.filter((result) => result !== 'hello')).toEqual([]);
    expect(results.length).toBeGreaterThan(4 * all.length);
  }, 180_000);

  test('killed again and again under queries, it closes nothing that was open, opens nothing else, and answers again', async ({
    host,
  }) => {
    const lab = await makeNamesLab(host, { allow: ['api.example.org:80', '*.example.net:80'] });
    await writeHosts(host, [
      '198.51.100.1 api.example.org',
      ...Array.from({ length: 200 }, (_, index) => `198.51.101.${index} n${index}.example.net`),
      '8.8.8.8 secret.example.com',
    ]);
    await lab.outside.address('198.51.101.0', '198.51.101.1');
    let agent = await startAgent(host);
    await lab.add();
    await until(lab.forced);
    for (const name of ['n0.example.net', 'api.example.org']) expect(await lab.ask(name)).toContain('198.51.10');
    const seconds = isLong ? 80 : 22;
    const began = performance.now();
    const load = lab.container.exec(
      ['python3', script('dns-load.py'), '10.88.0.1', String(seconds), '100', 'n{n}.example.net', 'secret.example.com'],
      { timeout: (seconds + 20) * 1000 },
    );
    let isOver = false;
    const connections = { open: [] as string[], closed: [] as string[] };
    const connecting = (async () => {
      while (!isOver) {
        for (const address of ['198.51.101.0', '198.51.100.1'])
          connections.open.push(await host.fetch(lab.container, address, 80, { timeout: 3000 }));
        for (const address of ['8.8.8.8', '198.51.100.2'])
          connections.closed.push(await host.fetch(lab.container, address, 80, { timeout: 300 }));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    const gaps: number[] = [];
    for (let kills = 0; kills < (isLong ? 8 : 3); kills += 1) {
      await new Promise((resolve) => setTimeout(resolve, 2000));
      await agent.kill();
      const killed = performance.now();
      agent = await startAgent(host, [], {}, 20_000);
      gaps.push(performance.now() - killed);
    }
    const readyAgain = (performance.now() - began) / 1000;
    const { stdout, stderr } = await load;
    isOver = true;
    await connecting;
    expect(stderr).toBe('');
    const asked = JSON.parse(stdout) as Asked[];
    const answered = asked.filter((one) => one.answered !== null);
    console.log(
      `${answered.length} of ${asked.length} queries answered; killed ${gaps.length} times, ready again after ${gaps.map((gap) => gap.toFixed(0)).join(', ')} ms; ${connections.open.length} connections to what was open, ${connections.closed.length} attempts at what was not`,
    );
    expect(connections.open.filter((result) => result !== 'hello')).toEqual([]);
    expect(connections.closed).not.toContain('hello');
    expect(connections.open.length).toBeGreaterThan(20);
    // An answer is a whole one: either the address, or no.
    const codes = new Set(
      answered.map(({ name, code, count }) => `${name.startsWith('n') ? 'name' : 'denied'} ${code} ${count}`),
    );
    expect([...codes].toSorted()).toEqual(['denied 5 0', 'name 0 1']);
    // Unanswered are those that met a dead agent, and none at the end.
    const last = asked.filter(({ sent }) => sent > readyAgain + 1);
    expect(last.length).toBeGreaterThan(50);
    expect(last.filter((one) => one.answered === null)).toEqual([]);
    const down = gaps.reduce((sum, gap) => sum + gap, 0) / 1000;
    expect(asked.length - answered.length).toBeLessThan(100 * (down + gaps.length * 0.5));
    expect(await host.run(['cat', '/run/dnsmasq.log'])).not.toContain('secret');
  }, 180_000);

  test('takes malformed packets and lines by the ten thousand, neither ends nor grows, and asks nobody about them', async ({
    host,
  }) => {
    const lab = await makeNamesLab(host, { allow: ['api.example.org:80'] });
    const agent = await startAgent(host);
    await lab.add();
    await until(lab.forced);
    const count = isLong ? 200_000 : 10_000;
    const fuzz = async (seed: number): Promise<void> => {
      const { code, stderr } = await lab.container.exec(
        ['python3', script('fuzz.py'), '10.88.0.1', String(count), String(seed)],
        { timeout: 600_000 },
      );
      expect([code, stderr]).toEqual([0, '']);
      const lines = Array.from(
        { length: 500 },
        (_, index) =>
          [
            '{',
            'null',
            '[]',
            '{"method":7}',
            '\u0000\u0001',
            '{"id":{},"method":"status","params":3}',
            '"'.repeat(index),
          ][index % 7],
      );
      const answers = (await talk(host, `${lines.join('\n')}\n`)).trim().split('\n');
      expect(answers.filter((line) => 'result' in (JSON.parse(line) as object)).length).toBe(
        lines.filter((_, index) => index % 7 === 5).length,
      );
    };
    const memory = async (): Promise<number> =>
      Number(/VmRSS:\s+(\d+)/.exec(await host.run(['cat', `/proc/${agent.pid}/status`]))?.[1]) / 1024;
    await fuzz(1);
    const before = await memory();
    for (const seed of [2, 3]) await fuzz(seed);
    const after = await memory();
    console.log(
      `${3 * count} malformed packets: ${before.toFixed(0)} MB after the first third, ${after.toFixed(0)} MB at the end`,
    );
    expect(after - before).toBeLessThan(40);
    expect(await lab.ask('api.example.org')).toContain('198.51.100.1');
    expect((await agent.ask<{ dns: { queries: number } }>('status')).result.dns.queries).toBeGreaterThan(100);
    expect((await agent.log()).filter(({ level }) => level === 'error')).toEqual([]);
    const heard = await host.run(['cat', '/run/dnsmasq.log']);
    expect(
      [...heard.matchAll(/query\[\w+\] (\S+)/g)]
        .map(([, name]) => name)
        .filter((name) => name !== 'api.example.org' && name !== 'x.test'),
    ).toEqual([]);
  }, 180_000);
});

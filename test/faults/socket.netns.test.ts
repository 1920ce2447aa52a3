import { readFileSync } from 'node:fs';
import { startAgent, type Agent } from '../agent/process/agent.ts';
import { describe, expect, test, type Host } from '../helpers/host.ts';
import { conflist, isLong, options, outcome, prepare } from './network.ts';
import { seeded } from './random.ts';
import { spoilText } from './spoil.ts';
import { count } from './tally.ts';

const clients = readFileSync(new URL('socket.py', import.meta.url), 'utf8');

async function client<T>(host: Host, kind: string, input = ''): Promise<T> {
  return JSON.parse(await host.run(['python3', '-c', clients, kind], { input, timeout: 90_000 })) as T;
}

/** MiB that the agent holds. */
async function memory(host: Host, { pid }: Agent): Promise<number> {
  const status = await host.run(['cat', `/proc/${pid}/status`]);
  return Number(/^VmRSS:\s+(\d+)/mu.exec(status)?.[1]) / 1024;
}

async function begin(host: Host): Promise<Agent> {
  await prepare(host);
  expect(outcome(await host.addChain(conflist, options(await host.container())))).toBe('code 0');
  return startAgent(host, [], {}, 30_000);
}

/** Milliseconds in which others are served, whatever one client does; a loaded machine takes some. */
const patience = 30_000;

describe("the agent's socket", () => {
  test('answers each line of hostile input with a result or an error', { timeout: 300_000 }, async ({ host, task }) => {
    const agent = await begin(host);
    const random = seeded(8);
    const inputs = Array.from({ length: isLong ? 20_000 : 1500 }, () => {
      const base = { id: 1, method: random() < 0.5 ? 'status' : 'names', params: { force: true } };
      return Array.from({ length: 1 + Math.floor(random() * 3) }, () => spoilText(base, random).toWellFormed()).join(
        '\n',
      );
    }).filter((text) => text.length < 60_000);
    const lines = inputs.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '').length;
    const encoded = inputs.map((text) => `${Buffer.from(`${text}\n`).toString('base64')}\n`).join('');
    expect(await client(host, 'inputs', encoded)).toEqual({ answered: lines });
    expect(await agent.running()).toBe(true);
    count({ task }, { "hostile inputs to the agent's socket": lines });
  });

  test('closes on a line without an end, and serves others', async ({ host }) => {
    const agent = await begin(host);
    const { sent, ms } = await client<{ sent: number; ms: number }>(host, 'endless');
    expect(sent).toBeLessThan(1 << 20);
    expect(ms).toBeLessThan(patience);
    expect(await agent.running()).toBe(true);
  });

  test('serves others beside 400 connections that say nothing or half a line', async ({ host }) => {
    const agent = await begin(host);
    const { open, ms } = await client<{ open: number; ms: number }>(host, 'many');
    expect(open).toBe(400);
    expect(ms).toBeLessThan(patience);
    expect(await agent.running()).toBe(true);
  });

  test('does not grow for one who asks for much and reads nothing, and serves others', async ({ host }) => {
    const agent = await begin(host);
    const before = await memory(host, agent);
    const { ms } = await client<{ sent: number; ms: number }>(host, 'greedy');
    expect(ms).toBeLessThan(patience);
    expect((await memory(host, agent)) - before).toBeLessThan(60);
  });

  test('survives clients that go away in the middle of an answer', async ({ host }) => {
    const agent = await begin(host);
    const { ms } = await client<{ ms: number }>(host, 'vanishing');
    expect(ms).toBeLessThan(patience);
    expect(await agent.running()).toBe(true);
    expect((await agent.log()).filter(({ level }) => level === 'error')).toEqual([]);
  });
});

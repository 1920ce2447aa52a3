/** Records beside repair: a flood of decisions, of which each would be a record, and things that are lost meanwhile. */
import { join } from 'node:path';
import { startAgent, until, type Agent } from '../agent/process/agent.ts';
import { attach, drawbridge, withPolicy } from '../cli/cli.ts';
import { describe, expect, test, type Container, type Host } from '../helpers/host.ts';

/** Each container is told of 500 denials a second and 200 connections; all together offer more than 10,000. */
const containers = 20;
const offered = 12_000;

/** Attaches them, and has each of them send to a destination after the other. Every packet is a decision. */
async function flood(host: Host): Promise<{ stop: () => Promise<unknown>; isRunning: () => Promise<boolean> }> {
  const attached: Container[] = [];
  const policy = { mode: 'allowlist', allow: ['8.8.8.8'], record: 'all', onDeny: 'drop' };
  for (let number = 0; number < containers; number += 1)
    attached.push(await attach(host, withPolicy(policy), `c${number}`));
  const script = join(import.meta.dirname, 'flood.py');
  const { running, stop } = await host.spawn([
    'python3',
    script,
    String(offered),
    ...attached.map(({ netns }) => netns),
  ]);
  return { stop: async () => stop(), isRunning: async () => running() };
}

/** Decisions so far: those that are in records, and those that are counted as lost. */
async function decisions(agent: Agent): Promise<{ told: number; lost: number }> {
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  const sum = (name: string): number =>
    text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
  return { told: sum('drawbridge_flows_total'), lost: sum('drawbridge_flows_lost_total') };
}

/** Milliseconds until each of what is taken away is back. */
async function measureRepairs(host: Host): Promise<Record<string, number>> {
  const took: Record<string, number> = {};
  for (const [what, lose, isThere] of [
    ['elements', 'nft flush set inet drawbridge sources4', 'nft list set inet drawbridge sources4 | grep -q 10.90.0.9'],
    ['a table', 'nft delete table bridge drawbridge', 'nft list table bridge drawbridge'],
    ['all rules', 'nft flush ruleset', 'nft list table inet drawbridge'],
  ] as const) {
    await host.sh(lose);
    took[what] = Math.round(await until(async () => (await host.exec(['sh', '-c', isThere])).code === 0, 60_000));
  }
  return took;
}

describe('repair', () => {
  test('ends while more decisions come than can be recorded, and what is in no record is counted and said', async ({
    host,
  }) => {
    const outside = await host.outside();
    await outside.address('8.8.8.8');
    const agent = await startAgent(host);
    const { isRunning, stop } = await flood(host);
    await until(async () => (await decisions(agent)).told > 5000, 30_000);
    const took = await measureRepairs(host);
    expect(await isRunning()).toBe(true);
    const before = await decisions(agent);
    const began = performance.now();
    await until(async () => (await decisions(agent)).lost > before.lost, 30_000);
    const after = await decisions(agent);
    const perSecond = ((after.told + after.lost - before.told - before.lost) * 1000) / (performance.now() - began);
    console.log(`repaired in ms under the flood: ${JSON.stringify(took)}; ${Math.round(perSecond)} decisions a second`);
    await stop();
    console.log(`repaired in ms without it: ${JSON.stringify(await measureRepairs(host))}`);
    expect(after.told).toBeGreaterThan(before.told);
    expect((await drawbridge(host, ['flows', '--last', '1'])).stderr).toMatch(
      /Not all is recorded since the agent started: \d+ (?:beyond the share of a container|faster than the agent)/,
    );
  });
});

/** What the agent cannot do any more is in log, status and metrics within a minute. */
import { executable } from '../../helpers/executable.ts';
import { describe, expect, test, type Host } from '../../helpers/host.ts';
import { otherVersion } from '../../faults/other-version.ts';
import { startAgent, until, type Agent } from './agent.ts';
import { attach } from './network.ts';

const minute = 60_000;
const policy = { mode: 'allowlist', allow: ['8.8.8.8:80'] };

interface Status {
  readonly problems: readonly string[];
  readonly services: readonly { readonly name: string; readonly problems: readonly string[] }[];
  readonly programs: readonly { readonly program: string; readonly version?: string }[];
}

async function statusOf(agent: Agent): Promise<Status> {
  return (await agent.ask<Status>('status')).result;
}

/** Which services of the metrics have problems. */
async function troubled(agent: Agent): Promise<string[]> {
  const { text } = (await agent.ask<{ text: string }>('metrics')).result;
  return [...text.matchAll(/^drawbridge_agent_problems\{service="(\w+)"\} [1-9]/gm)].map(([, name]) => name ?? '');
}

/** Waits until a problem is said in all three places. */
async function expectSaid(agent: Agent, service: string, sentence: string): Promise<void> {
  const isSaid = async (): Promise<boolean> =>
    (await agent.log()).some(({ msg, problem }) => msg === 'problem' && problem?.includes(sentence) === true);
  await until(isSaid, minute);
  const { problems, services } = await statusOf(agent);
  expect(problems).toEqual([expect.stringContaining(sentence)]);
  expect(services.find(({ name }) => name === service)?.problems).toEqual(problems);
  expect(await troubled(agent)).toEqual([service]);
}

async function expectWell(agent: Agent): Promise<void> {
  await until(async () => (await statusOf(agent)).problems.length === 0, minute);
  await until(async () => (await agent.log()).some(({ msg }) => msg === 'problem is over'), minute);
  expect(await troubled(agent)).toEqual([]);
}

describe('the agent says what it cannot do any more, and when it is over', () => {
  const path = '/run/other:/usr/sbin:/usr/bin:/sbin:/bin';

  /** Puts a script in place of nft, first in the agent's path, as a package manager does: by rename. */
  async function replaceNft(host: Host, script: string): Promise<void> {
    await host.sh(
      'mkdir -p /run/other; cat > /run/other/new; chmod +x /run/other/new; mv /run/other/new /run/other/nft',
      {
        input: `#!/bin/sh\n${script}\n`,
      },
    );
  }

  test('when nft is replaced by a version that does not take our rules', async ({ host }) => {
    await replaceNft(host, 'exec /usr/sbin/nft "$@"');
    await attach(host, policy);
    const agent = await startAgent(host, [], { PATH: path });
    expect((await statusOf(agent)).problems).toEqual([]);
    await replaceNft(
      host,
      `case "$*" in --version) echo "nftables v0.9.8 (E.D.S.)"; exit 0 ;; esac
echo "/dev/stdin:1:23-38: Error: syntax error, unexpected string, expecting type" >&2
exit 1`,
    );
    // The metrics are there, without those that nft counts.
    await until(async () => (await troubled(agent)).includes('repair'), minute);
    expect((await statusOf(agent)).problems).toContainEqual(
      expect.stringContaining('is nft 0.9.8 and does not understand them'),
    );
    await until(
      async () =>
        (await statusOf(agent)).programs.some(({ program, version }) => program === 'nft' && version === '0.9.8'),
      minute,
    );
    expect((await agent.log()).find(({ msg }) => msg === 'a program was replaced')).toMatchObject({
      program: 'nft',
      now: '0.9.8',
    });
    await until(async () => (await agent.log()).some(({ msg }) => msg === 'problem'), minute);
    await replaceNft(host, 'exec /usr/sbin/nft "$@"');
    await expectWell(agent);
  }, 240_000);

  test('when nft is replaced by another version that takes them, the agent goes on and tells the version', async ({
    host,
  }) => {
    await replaceNft(host, 'exec /usr/sbin/nft "$@"');
    const { container } = await attach(host, policy);
    const agent = await startAgent(host, [], { PATH: path });
    await replaceNft(host, 'case "$*" in --version) echo "nftables v1.9.9"; exit 0 ;; esac; exec /usr/sbin/nft "$@"');
    await until(
      async () =>
        (await statusOf(agent)).programs.some(({ program, version }) => program === 'nft' && version === '1.9.9'),
      minute,
    );
    await host.run(['nft', 'flush', 'ruleset']);
    await until(async () => (await host.fetch(container, '8.8.8.8', 80)) === 'hello');
    expect((await statusOf(agent)).problems).toEqual([]);
  }, 120_000);

  test('when the executable is replaced by another version', async ({ host }) => {
    const program = '/run/installed/drawbridge';
    await host.sh(`mkdir /run/installed; cp ${executable} ${program}`, { timeout: 30_000 });
    const agent = await startAgent(host, [], {}, 8000, program);
    expect((await statusOf(agent)).problems).toEqual([]);
    await host.sh(`cp ${otherVersion()}/drawbridge ${program}.new; mv ${program}.new ${program}`, { timeout: 30_000 });
    await expectSaid(agent, 'programs', `"${program}" is 9.9.9 by now: restart the agent`);
    await host.sh(`cp ${executable} ${program}.new; mv ${program}.new ${program}`, { timeout: 30_000 });
    await expectWell(agent);
  }, 240_000);

  test('when the executable is gone', async ({ host }) => {
    const program = '/run/installed/drawbridge';
    await host.sh(`mkdir /run/installed; cp ${executable} ${program}`, { timeout: 30_000 });
    const agent = await startAgent(host, [], {}, 8000, program);
    await host.run(['rm', program]);
    await expectSaid(agent, 'programs', `The executable "${program}" is gone`);
  }, 120_000);

  test('when it cannot watch the folder of policies, whose files are looked at all the same', async ({ host }) => {
    const folder = '/etc/drawbridge/policies';
    await host.sh(`mkdir -p /etc/drawbridge; echo > ${folder}`);
    const agent = await startAgent(host);
    const sentence = `Cannot watch the folder "${folder}"`;
    await expectSaid(agent, 'watch', sentence);
    const monitored = await host.exec([executable, 'status']);
    expect(monitored.code).toBe(1);
    expect(monitored.stdout).toContain(`DRAWBRIDGE WARNING - the agent says: ${sentence}`);
    await host.run(['rm', folder]);
    await expectWell(agent);
    expect((await host.exec([executable, 'status'])).stdout).toContain('DRAWBRIDGE OK');
  }, 120_000);

  test('when somebody removes its socket: in the log, and in the metrics that are served by HTTP', async ({ host }) => {
    const agent = await startAgent(host, ['--metrics-address', '127.0.0.1:9440']);
    await host.run(['rm', '/run/drawbridge/agent.sock']);
    const text = (): Promise<string> =>
      host.run([
        'python3',
        '-c',
        'import urllib.request as u; print(u.urlopen("http://127.0.0.1:9440/metrics").read().decode())',
      ]);
    await until(async () => (await text()).includes('drawbridge_agent_problems{service="socket"} 1'), minute);
    await until(async () => (await agent.log()).some(({ service }) => service === 'socket'), minute);
  }, 120_000);
});

import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { startAgent, until, type Agent } from './agent.ts';
import { attach } from './network.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8:80'] };

/** Milliseconds that a repair may take, from the loss until packets pass again. */
const target = 1000;

async function works(host: Host, container: Container): Promise<boolean> {
  return (await host.fetch(container, '8.8.8.8', 80, { timeout: 60 })) === 'hello';
}

/** Does harm, and measures until a condition holds again; what the agent says it took is printed beside it. */
async function mend(
  agent: Agent,
  title: string,
  harm: () => Promise<unknown>,
  isMended: () => Promise<boolean>,
): Promise<number> {
  const before = (await agent.log()).length;
  await harm();
  const took = await until(isMended);
  const repairs = (await agent.log()).slice(before).filter(({ msg }) => msg === 'repaired');
  console.log(
    `${title}: ${took.toFixed(0)} ms; the agent: ${repairs.map(({ concern, ms }) => `${concern} ${ms} ms`).join(', ')}`,
  );
  return took;
}

async function repairsOf(agent: Agent): Promise<number> {
  return (await agent.ask<{ repairs: number }>('status')).result.repairs;
}

describe('the agent', () => {
  test('writes the rules anew within a second after "nft flush ruleset", lets nothing out meanwhile, and then rests', async ({
    host,
  }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    expect(await works(host, container)).toBe(true);
    const leaks: string[] = [];
    for (let round = 0; round < 3; round++) {
      const isMended = async (): Promise<boolean> => {
        leaks.push(await host.fetch(container, '9.9.9.9', 80, { timeout: 60 }));
        return works(host, container);
      };
      expect(
        await mend(agent, 'nft flush ruleset', () => host.run(['nft', 'flush', 'ruleset']), isMended),
      ).toBeLessThan(target);
    }
    expect(leaks).not.toContain('hello');
    const count = await repairsOf(agent);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(await repairsOf(agent)).toBe(count);
  });

  test('puts a rule back that somebody took out of our chains, and takes a foreign one out', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    const listed = () => host.run(['nft', '--stateless', 'list', 'table', 'inet', 'drawbridge']);
    const before = await listed();
    const isMended = async () => (await listed()) === before;
    // Four programs run for it, one of them in a namespace of its own.
    expect(
      await mend(
        agent,
        'insert rule',
        () => host.run(['nft', 'insert', 'rule', 'inet', 'drawbridge', 'egress_out', 'accept']),
        isMended,
      ),
    ).toBeLessThan(2 * target);
    expect(
      await mend(
        agent,
        'flush chain',
        () => host.run(['nft', 'flush', 'chain', 'inet', 'drawbridge', 'egress_forward']),
        isMended,
      ),
    ).toBeLessThan(2 * target);
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
  });

  test('puts an element back that somebody deleted', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    expect(
      await mend(
        agent,
        'flush map',
        () => host.run(['nft', 'flush', 'map', 'inet', 'drawbridge', 'egress4']),
        () => works(host, container),
      ),
    ).toBeLessThan(target);
  });

  test('puts the routing gate back', async ({ host }) => {
    await attach(host, policy);
    const agent = await startAgent(host);
    const gates = async () =>
      `${await host.run(['ip', 'rule'])}${await host.run(['ip', '-6', 'rule'])}`
        .split('\n')
        .filter((line) => line.includes('prohibit')).length;
    expect(await gates()).toBe(2);
    expect(
      await mend(
        agent,
        'ip rule del',
        () => host.sh('ip rule del pref 90; ip -6 rule del pref 90'),
        async () => (await gates()) === 2,
      ),
    ).toBeLessThan(target);
  });

  test('puts the filter of a bridge back', async ({ host }) => {
    await attach(host, policy);
    const agent = await startAgent(host);
    const isShut = async () =>
      (await host.run(['tc', 'filter', 'show', 'dev', 'drawbridge0', 'ingress'])).includes('bytecode');
    expect(await isShut()).toBe(true);
    expect(
      await mend(
        agent,
        'tc qdisc del, with a link event',
        () => host.sh('tc qdisc del dev drawbridge0 clsact; ip link set drawbridge0 alias gone'),
        isShut,
      ),
    ).toBeLessThan(target);
  });

  test('gives a bridge its gateway addresses back', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    const isMended = async () => {
      const shown = await host.run(['ip', 'address', 'show', 'dev', 'drawbridge0']);
      return shown.includes('fd00:88::1') && shown.includes('10.88.0.1');
    };
    expect(
      await mend(
        agent,
        'ip address flush',
        () => host.run(['ip', 'address', 'flush', 'dev', 'drawbridge0', 'scope', 'global']),
        isMended,
      ),
    ).toBeLessThan(target);
    // The kernel asks for the neighbour anew, and repeats that after a second.
    await until(() => works(host, container));
  });

  test('brings a port back to its bridge, isolated as it was', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    const port = (await host.run(['ls', '/sys/class/net/drawbridge0/brif'])).trim();
    const isolated = async () =>
      (await host.exec(['cat', `/sys/class/net/${port}/brport/isolated`])).stdout.trim() === '1';
    expect(
      await mend(
        agent,
        'nomaster',
        () => host.run(['ip', 'link', 'set', port, 'nomaster']),
        async () => (await isolated()) && (await works(host, container)),
      ),
    ).toBeLessThan(target);
    expect(
      await mend(
        agent,
        'isolated off',
        () => host.run(['ip', 'link', 'set', port, 'type', 'bridge_slave', 'isolated', 'off']),
        isolated,
      ),
    ).toBeLessThan(target);
  });

  test('makes a bridge again that somebody deleted', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    const isMended = async () => (await host.exec(['ls', '/sys/class/net/drawbridge0/brif'])).stdout.startsWith('veth');
    expect(await mend(agent, 'link del', () => host.run(['ip', 'link', 'del', 'drawbridge0']), isMended)).toBeLessThan(
      target,
    );
    await until(() => works(host, container));
  });

  test('turns forwarding on again', async ({ host }) => {
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    expect(
      await mend(
        agent,
        'ip_forward = 0',
        () => host.run(['sysctl', '-qw', 'net.ipv4.ip_forward=0']),
        () => works(host, container),
      ),
    ).toBeLessThan(target);
  });

  test('puts its accepts first again after "iptables -F"', async ({ host }) => {
    await host.run(['iptables', '-P', 'FORWARD', 'DROP']);
    const { container } = await attach(host, policy);
    const agent = await startAgent(host);
    expect(await works(host, container)).toBe(true);
    expect(
      await mend(
        agent,
        'iptables -F',
        () => host.run(['iptables', '-F']),
        () => works(host, container),
      ),
    ).toBeLessThan(target);
    const reject = ['iptables', '-I', 'FORWARD', '1', '-j', 'REJECT'];
    expect(
      await mend(
        agent,
        'iptables -I FORWARD 1 -j REJECT',
        () => host.run(reject),
        () => works(host, container),
      ),
    ).toBeLessThan(2 * target);
  });

  test('repairs nothing while containers come and go', async ({ host }) => {
    const { conflist } = await attach(host, policy);
    const agent = await startAgent(host);
    for (let n = 0; n < 5; n++) {
      const container = await host.container();
      expect((await host.addChain(conflist, { container })).error).toBeUndefined();
      expect((await host.delChain(conflist, { container })).error).toBeUndefined();
    }
    await new Promise((resolve) => setTimeout(resolve, 700));
    const log = await agent.log();
    expect(log.filter(({ msg }) => msg !== 'agent starts' && msg !== 'agent is ready')).toEqual([]);
  });
});

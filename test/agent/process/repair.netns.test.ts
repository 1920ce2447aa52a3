import { describe, expect, test, type Container, type Host } from '../../helpers/host.ts';
import { lastingRules } from '../../helpers/lasting-rules.ts';
import { firewalld, startFirewalld } from '../../firewall/managers.ts';
import { startAgent, until, type Agent } from './agent.ts';
import { attach, conflistWith } from './network.ts';

const policy = { mode: 'allowlist', allow: ['8.8.8.8:80'] };

/** Milliseconds that a repair may take here; what it takes is printed. bench/agent.ts measures it. */
const patience = 10_000;

interface Lab {
  readonly host: Host;
  readonly container: Container;
  readonly agent: Agent;
  works(): Promise<boolean>;
  /**
   * Does harm, waits until a condition holds again and the container reaches what it may, and nothing else meanwhile.
   */
  mend(harm: string, isMended?: () => Promise<boolean>): Promise<void>;
}

async function makeLab(host: Host): Promise<Lab> {
  const { container } = await attach(host, policy);
  await host.serve(host, { port: 22, reply: 'ssh' });
  const agent = await startAgent(host);
  const works = async (): Promise<boolean> =>
    (await host.fetch(container, '8.8.8.8', 80, { timeout: 100 })) === 'hello';
  await until(works);
  const mend = async (harm: string, isMended = async (): Promise<boolean> => true): Promise<void> => {
    const before = (await agent.log()).length;
    const escaped: string[] = [];
    let isLooking = true;
    const attempts = (async () => {
      while (isLooking)
        for (const [address, port] of [
          ['9.9.9.9', 80],
          ['10.88.0.1', 22],
        ] as const)
          if (['hello', 'ssh'].includes(await host.fetch(container, address, port, { timeout: 30 })))
            escaped.push(address);
    })();
    await host.sh(harm);
    const took = await until(async () => (await isMended()) && (await works()), patience)
      .catch(async (error: unknown) => {
        const log = (await agent.log()).slice(before);
        throw new Error(`"${harm}" was not repaired; the agent: ${JSON.stringify(log.slice(0, 5))}`, { cause: error });
      })
      .finally(() => {
        isLooking = false;
      });
    await attempts;
    const repairs = (await agent.log()).slice(before).filter(({ msg }) => msg === 'repaired');
    const said = repairs.map(({ resource, ms }) => `${resource} ${ms} ms`).join(', ');
    console.log(`${harm.split('\n', 1)[0]}: ${took.toFixed(0)} ms until packets pass; the agent: ${said}`);
    expect(escaped).toEqual([]);
  };
  return { host, container, agent, works, mend };
}

async function repairsOf(agent: Agent): Promise<number> {
  return (await agent.ask<{ repairs: number }>('status')).result.repairs;
}

/** What our tables have counted of containers, one line for each element. */
async function countsOf(host: Host): Promise<string[]> {
  const sets = ['denials4', 'denials6', 'denied4', 'denied6', 'denied4_portless', 'denied6_portless'];
  const lists = await Promise.all(
    sets.map(async (set) => JSON.parse(await host.run(['nft', '-j', 'list', 'set', 'inet', 'drawbridge', set]))),
  );
  return (lists as { nftables: { set?: { name: string; elem?: ListedElement[] } }[] }[])
    .flatMap(({ nftables }) => nftables.flatMap(({ set }) => set ?? []))
    .flatMap(({ name, elem = [] }) =>
      elem.map((one) => [name, ...one.elem.val.concat, one.elem.counter.packets].join(' ')),
    )
    .toSorted();
}

interface ListedElement {
  readonly elem: {
    readonly val: { readonly concat: readonly string[] };
    readonly counter: { readonly packets: number };
  };
}

async function rest(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe('the agent', () => {
  test('writes the rules anew after "nft flush ruleset", again and again, lets nothing out meanwhile, and then rests', async ({
    host,
  }) => {
    const { agent, mend } = await makeLab(host);
    for (let round = 0; round < 4; round++) await mend('nft flush ruleset');
    await mend('nft delete table bridge drawbridge');
    await rest(1000);
    const count = await repairsOf(agent);
    await rest(1000);
    expect(await repairsOf(agent)).toBe(count);
  });

  test('puts a rule back that somebody took out of our chains, takes a foreign one out, and leaves all else as it is', async ({
    host,
  }) => {
    const { container, mend } = await makeLab(host);
    // What was counted is still there after a repair that is for the chain alone.
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    // Newer nft (1.1.7) list a set that is bounded with the number of its elements.
    const listed = async () =>
      (await host.run(['nft', '--stateless', '--terse', 'list', 'table', 'inet', 'drawbridge'])).replaceAll(
        /\t# count \d+/g,
        '',
      );
    const denied = () => host.run(['nft', 'list', 'set', 'inet', 'drawbridge', 'denied4']);
    const before = await listed();
    expect(await denied()).toContain('9.9.9.9');
    const isMended = async () => (await listed()) === before;
    const ours = /chain (policy_\w+) /.exec(before)?.[1] ?? '';
    await mend('nft insert rule inet drawbridge egress_forward counter drop', isMended);
    await mend('nft flush chain inet drawbridge masquerading', isMended);
    await mend(`nft 'flush chain inet drawbridge ${ours}; add rule inet drawbridge ${ours} drop'`, isMended);
    expect(await denied()).toContain('9.9.9.9');
    await host.run(['nft', 'insert', 'rule', 'inet', 'drawbridge', 'egress_out', 'accept']);
    await until(isMended, patience);
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
  });

  test('knows after "nft flush ruleset", and after its set was flushed, what had been counted before', async ({
    host,
  }) => {
    const { container } = await attach(host, policy);
    for (let n = 0; n < 3; n++) expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    await host.exec(['ping', '-c', '2', '-W', '1', '9.9.9.9'], { where: container });
    await startAgent(host);
    const before = await countsOf(host);
    expect(before.join(' ')).toMatch(
      /denials4 drawbridge0 10\.88\.0\.2 [1-9].*denied4 10\.88\.0\.2 9\.9\.9\.9 tcp 80 [1-9]/,
    );
    for (const harm of [
      'nft flush ruleset',
      'nft delete table bridge drawbridge',
      'nft flush set inet drawbridge denials4',
    ]) {
      await host.sh(harm);
      await until(async () => (await host.fetch(container, '8.8.8.8', 80, { timeout: 100 })) === 'hello');
      await until(async () => (await countsOf(host)).join() === before.join(), patience).catch(async () => {
        expect(await countsOf(host), harm).toEqual(before);
      });
    }
    expect(await host.fetch(container, '9.9.9.9', 80)).toBe('refused');
    expect(await countsOf(host)).not.toEqual(before);
  });

  test('puts back by themselves the elements of whatever set of ours somebody flushed', async ({ host }) => {
    const names = { ...policy, allow: ['8.8.8.8:80', '9.9.9.0/24:443'], isolation: 'bridge' };
    const list = conflistWith(names);
    const [first = {}, ...others] = list.plugins;
    const conflist = {
      ...list,
      plugins: [{ ...first, macspoofchk: true, capabilities: { portMappings: true } }, ...others],
    };
    await host.outside();
    const portMappings = [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
      { hostPort: 8081, containerPort: 80, protocol: 'udp', hostIP: '192.0.2.1' },
      { hostPort: 8082, containerPort: 80, protocol: 'tcp', hostIP: '2001:db8:ffff::1' },
    ];
    const added = await host.addChain(conflist, { container: await host.container(), runtimeConfig: { portMappings } });
    expect(added.error).toBeUndefined();
    const agent = await startAgent(host);
    await rest(500);
    const tables = ['inet drawbridge', 'bridge drawbridge'];
    const listing = async () =>
      (
        await Promise.all(tables.map((table) => host.run(['nft', '--stateless', 'list', 'table', ...table.split(' ')])))
      ).map((text) => lastingRules(text).replaceAll(/(?:expires|timeout) \w+|packets \d+ bytes \d+/g, ''));
    // Flows of a fresh container are judged packet by packet for ten seconds; those elements run out.
    await until(async () => !/set requalify[46] \{[^}]*elements/.test((await listing()).join()), 15_000);
    const before = await listing();
    const sets = before.flatMap((text, at) =>
      [...text.matchAll(/\t(set|map) (\w+) \{[^}]*?elements = /g)].map(([, kind = '', name = '']) => ({
        name,
        harm: ['nft', 'flush', kind, ...(tables[at] ?? '').split(' '), name],
      })),
    );
    const lasting = sets.filter(({ name }) => !/^(?:layout|group)_/.test(name));
    const writtenAnew = /^(?:policy_|metadata|bogon|private)/;
    expect(lasting.length).toBeGreaterThan(35);
    for (const { name, harm } of lasting) {
      await host.run(harm);
      await until(async () => (await listing()).join() === before.join(), patience).catch(async () => {
        expect(await listing(), `${harm.join(' ')} was not repaired`).toEqual(before);
      });
      // Who undoes what was just written anew again and again is taken for a program that has its ways.
      if (writtenAnew.test(name)) await rest(600);
    }
    const repairs = (await agent.log())
      .filter(({ msg }) => msg === 'repaired')
      .flatMap(({ repaired = [] }) => repaired);
    const alone = repairs.filter((sentence) => sentence.includes('had been deleted'));
    // All but the ranges of the layout, what a policy lists, and the networks of the host, which are read anew.
    const whole = lasting.filter(({ name }) => writtenAnew.test(name));
    const ofHost = lasting.filter(({ name }) => name.startsWith('onlink'));
    expect(alone.length).toBeGreaterThanOrEqual(lasting.length - whole.length - ofHost.length);
    expect(whole.length).toBeGreaterThan(5);
  });

  test('puts the gates back that wait for our marks', async ({ host }) => {
    const { mend } = await makeLab(host);
    const rules = async () =>
      `${await host.run(['ip', 'rule'])}${await host.run(['ip', '-6', 'rule'])}`
        .split('\n')
        .filter((line) => line.includes('prohibit')).length;
    const isFiltered = async () =>
      (await host.run(['tc', 'filter', 'show', 'dev', 'drawbridge0', 'ingress'])).includes('bytecode');
    expect([await rules(), await isFiltered()]).toEqual([2, true]);
    await mend('ip rule del pref 90; ip -6 rule del pref 90', async () => (await rules()) === 2);
    await mend('tc qdisc del dev drawbridge0 clsact', isFiltered);
    await mend('tc filter del dev drawbridge0 ingress protocol all pref 90', isFiltered);
  });

  test('gives a bridge its gateway addresses back', async ({ host }) => {
    const { mend } = await makeLab(host);
    await mend('ip address flush dev drawbridge0 scope global', async () => {
      const shown = await host.run(['ip', 'address', 'show', 'dev', 'drawbridge0']);
      return shown.includes('fd00:88::1') && shown.includes('10.88.0.1');
    });
  });

  test('brings a port back to its bridge, isolated as it was', async ({ host }) => {
    const { mend } = await makeLab(host);
    const port = (await host.run(['ls', '/sys/class/net/drawbridge0/brif'])).trim();
    const isIsolated = async () =>
      (await host.exec(['cat', `/sys/class/net/${port}/brport/isolated`])).stdout.trim() === '1';
    await mend(`ip link set ${port} nomaster`, isIsolated);
    await mend(`ip link set ${port} type bridge_slave isolated off`, isIsolated);
    await mend(
      `ip link set ${port} type bridge_slave learning on`,
      async () => (await host.exec(['cat', `/sys/class/net/${port}/brport/learning`])).stdout.trim() === '0',
    );
  });

  test('makes a bridge again that somebody deleted, or put down', async ({ host }) => {
    const { mend } = await makeLab(host);
    await mend('ip link del drawbridge0', async () =>
      (await host.exec(['ls', '/sys/class/net/drawbridge0/brif'])).stdout.startsWith('veth'),
    );
    await mend('ip link set drawbridge0 down');
  });

  test('turns forwarding on again', async ({ host }) => {
    const { agent, mend } = await makeLab(host);
    await mend('sysctl -qw net.ipv4.ip_forward=0');
    await mend('sysctl -qw net.ipv6.conf.all.forwarding=0', async () =>
      (await host.run(['sysctl', '-n', 'net.ipv6.conf.all.forwarding'])).startsWith('1'),
    );
    await mend('sysctl -qw net.ipv4.conf.drawbridge0.forwarding=0');
    const told = (await agent.log()).flatMap(({ repaired = [] }) => repaired);
    expect(told).toContain('Forwarding of IPv4 was off at "drawbridge0"');
    expect(told).toContain('Forwarding of IPv4 was off');
    expect(told).toContain('Forwarding of IPv6 was off');
  });

  test('puts its accepts first again after iptables was flushed, restored from a file, or given a rule before them', async ({
    host,
  }) => {
    const rules =
      '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -j REJECT\nCOMMIT\n';
    await host.run(['iptables-restore'], { input: rules });
    const { mend } = await makeLab(host);
    await mend('iptables -F');
    await mend('iptables -I FORWARD 1 -j REJECT');
    await host.run(['/bin/sh', '-c', 'cat > /run/rules.v4'], { input: rules });
    await mend('iptables-restore /run/rules.v4');
  });

  test('passes Docker when that starts anew and puts its own chains first', async ({ host }) => {
    // What dockerd does at its start: chains made anew and filled, jumps deleted and inserted at the top, policy DROP.
    const docker = `
      iptables -P FORWARD DROP
      for c in DOCKER DOCKER-FORWARD DOCKER-ISOLATION-STAGE-1; do iptables -N $c 2>/dev/null || iptables -F $c; done
      iptables -N DOCKER-USER 2>/dev/null || true
      iptables -A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DROP
      iptables -A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1; iptables -A DOCKER-FORWARD -i docker0 -j ACCEPT
      for c in DOCKER-FORWARD DOCKER-USER; do iptables -D FORWARD -j $c 2>/dev/null || true; iptables -I FORWARD -j $c; done`;
    await host.sh(docker);
    const { mend } = await makeLab(host);
    await mend(`: dockerd starts anew${docker}`);
    await mend(`: dockerd starts anew, DOCKER-USER was emptied\niptables -F DOCKER-USER${docker}`);
  });

  test.runIf(firewalld !== undefined)('passes firewalld when that reloads and when it starts', async ({ host }) => {
    const daemon = await startFirewalld(host);
    const { mend } = await makeLab(host);
    await mend('firewall-cmd --reload');
    await mend('firewall-cmd --zone=trusted --remove-interface=drawbridge0');
    await daemon.stop();
    await host.run(['nft', 'flush', 'ruleset']);
    await host.spawn(['/usr/sbin/firewalld', '--nofork', '--nopid']);
    await mend('until firewall-cmd --state >/dev/null 2>&1; do sleep 0.1; done');
  });

  test('repairs nothing while containers come and go', async ({ host }) => {
    const { conflist } = await attach(host, policy);
    const agent = await startAgent(host);
    for (let n = 0; n < 5; n++) {
      const container = await host.container();
      const own = conflistWith({ ...policy, allow: [`8.8.8.${n}:80`] });
      for (const list of [conflist, own]) {
        expect((await host.addChain(list, { container })).error).toBeUndefined();
        expect((await host.delChain(list, { container })).error).toBeUndefined();
      }
    }
    await rest(700);
    const log = await agent.log();
    expect(log.filter(({ msg }) => msg !== 'agent starts' && msg !== 'agent is ready')).toEqual([]);
  });

  test.for([
    { title: 'of "drawbridge"', awaitsPolicy: true },
    { title: 'of "egress-policy"', awaitsPolicy: false },
  ])('repairs nothing of a port that a slow ADD $title still makes', async ({ awaitsPolicy }, { host }) => {
    await attach(host, policy);
    // Batches line by line; the port changes, which the agent is told of, before its bridge is to learn no more.
    await host.sh('mkdir -p /opt/slow; cat > /opt/slow/ip; chmod +x /opt/slow/ip', {
      input: `#!/bin/sh
case "$*" in *"-batch -") ;; *) exec /sbin/ip "$@" ;; esac
while read -r line; do
  set -- $line
  case "$line" in *"learning off"*) sleep 0.3; /sbin/ip link set dev "$4" alias slow; sleep 0.3; echo "$4" >> /run/slowed ;; esac
  /sbin/ip "$@" || exit 1
done
`,
    });
    const agent = await startAgent(host);
    const [first = { type: '' }, ...others] = conflistWith(policy).plugins;
    const conflist = { ...conflistWith(policy), plugins: [{ ...first, awaitsPolicy }, ...others] };
    const env = { PATH: '/opt/slow:/usr/sbin:/usr/bin:/sbin:/bin', DRAWBRIDGE_CHILDREN: '1' };
    const container = await host.container();
    expect((await host.addChain(conflist, { container, env })).error).toBeUndefined();
    await rest(700);
    const log = await agent.log();
    expect(log.filter(({ msg }) => msg !== 'agent starts' && msg !== 'agent is ready')).toEqual([]);
    const port = (await host.run(['tail', '-n', '1', '/run/slowed'])).trim();
    // The agent does look there: what somebody does once the ADD has ended is undone.
    await host.run(['ip', 'link', 'set', port, 'type', 'bridge_slave', 'learning', 'on']);
    await until(
      async () => (await host.run(['cat', `/sys/class/net/${port}/brport/learning`])).trim() === '0',
      patience,
    );
  });
});

import {
  expect,
  makeHost,
  test,
  type CniResult,
  type Conflist,
  type Container,
  type Host,
  type Json,
} from '../helpers/host.ts';
import { executable } from '../helpers/executable.ts';
import { conflist, isLong, outcome, prepare } from './network.ts';
import { seeded } from './random.ts';

/** Attachments side by side, as a runtime has them. */
const sideBySide = 16;

const duration = isLong ? 120_000 : 30_000;

/** Several networks, one with a named policy that changes meanwhile. */
const networks: readonly Conflist[] = [
  conflist,
  network('plain', { bridge: 'br1', ipam: hostLocal('10.71.0.0/22') }),
  network('other', { bridge: 'br3', ipam: hostLocal('10.72.0.0/22') }),
  network('policed', { bridge: 'br2', ipam: hostLocal('10.73.0.0/22', 'fd73::/64'), egress: { policy: 'changing' } }),
];

function network(name: string, changes: Json): Conflist {
  return {
    cniVersion: '1.1.0',
    name,
    plugins: [
      { type: 'drawbridge', isDefaultGateway: true, ipMasq: true, capabilities: { portMappings: true }, ...changes },
    ],
  };
}

function hostLocal(...subnets: string[]): Json {
  return { type: 'host-local', ranges: subnets.map((subnet) => [{ subnet }]) };
}

/** What a crowd does, and what came of it. */
class Crowd {
  readonly failures: string[] = [];
  /** Attachments that the runtime holds for valid, by "network container ifname". */
  readonly valid = new Map<string, { network: Conflist; container: Container; ifname: string }>();
  readonly addresses = new Map<string, string>();
  readonly times = { ADD: [] as number[], DEL: [] as number[], CHECK: [] as number[], GC: [] as number[] };
  containers = 0;
  checksRefused = 0;
  readonly #host: Host;
  readonly #random: () => number;

  constructor(host: Host, seed: number) {
    this.#host = host;
    this.#random = seeded(seed);
  }

  /** One container: on one to three networks at once, looked at, and gone in one of the ways in which runtimes do it. */
  async live(keep: boolean): Promise<void> {
    const container = await this.#host.container();
    const number = ++this.containers;
    const chosen = networks.filter((_, index) => index === number % networks.length || this.#random() < 0.3);
    const attachments = chosen.map((net, index) => ({ network: net, container, ifname: `eth${index}` }));
    await Promise.all(attachments.map(async (attachment) => this.#add(attachment, number)));
    await Promise.all(attachments.map(async (attachment) => this.#check(attachment)));
    if (keep) return;
    const vanishesFirst = this.#random() < 0.3;
    if (vanishesFirst) await container.remove();
    await Promise.all(attachments.map(async (attachment) => this.#remove(attachment, vanishesFirst)));
    if (!vanishesFirst) await container.remove();
  }

  async #add(attachment: { network: Conflist; container: Container; ifname: string }, number: number): Promise<void> {
    const { network: net, container, ifname } = attachment;
    this.valid.set(idOf(attachment), attachment);
    const runtimeConfig =
      number % 3 === 0
        ? {
            portMappings: [
              {
                hostPort: 20_000 + number * 4 + Number(ifname.slice(3)),
                containerPort: 80,
                protocol: number % 2 === 0 ? 'tcp' : 'udp',
              },
            ],
          }
        : {};
    const result = await this.#host.addChain(net, { container, ifname, runtimeConfig, timeout: 60_000 });
    this.#note('ADD', result, idOf(attachment));
    for (const { address } of (result.result?.['ips'] ?? []) as { address: string }[]) {
      const holder = this.addresses.get(address);
      if (holder !== undefined) this.failures.push(`${address} was given to ${idOf(attachment)} and to ${holder}`);
      this.addresses.set(address, idOf(attachment));
    }
  }

  async #remove(
    attachment: { network: Conflist; container: Container; ifname: string },
    isGone: boolean,
  ): Promise<void> {
    const { network: net, container, ifname } = attachment;
    // From here on the address may be somebody else's.
    for (const [address, holder] of this.addresses) if (holder === idOf(attachment)) this.addresses.delete(address);
    const result = await this.#host.delChain(net, {
      containerId: container.name,
      netns: isGone ? '' : container.netns,
      ifname,
      timeout: 60_000,
    });
    this.#note('DEL', result, idOf(attachment));
    this.valid.delete(idOf(attachment));
  }

  /** Somebody may have flushed the rules a moment ago: then a CHECK says so, properly. */
  async #check({
    network: net,
    container,
    ifname,
  }: {
    network: Conflist;
    container: Container;
    ifname: string;
  }): Promise<void> {
    const result = await this.#host.checkChain(net, { container, ifname, timeout: 60_000 });
    if ([103, 104].includes(result.error?.['code'] as number)) this.checksRefused++;
    else this.#note('CHECK', result, container.name);
  }

  async collect(): Promise<void> {
    for (const net of networks) {
      const valid = [...this.valid.values()]
        .filter(({ network: other }) => other === net)
        .map(({ container, ifname }) => ({ containerID: container.name, ifname }));
      this.#note('GC', await this.#host.gcChain(net, valid, { timeout: 60_000 }), net.name);
    }
  }

  #note(verb: keyof Crowd['times'], result: CniResult, what: string): void {
    this.times[verb].push(result.ms);
    if (result.code !== 0) this.failures.push(`${verb} ${what}: ${outcome(result)}`);
  }
}

function idOf({
  network: { name },
  container,
  ifname,
}: {
  network: Conflist;
  container: Container;
  ifname: string;
}): string {
  return `${name} ${container.name} ${ifname}`;
}

test(
  'a crowd leaves no duplicates, no leaks and no deadlocks, whoever flushes, collects and changes policies meanwhile',
  { timeout: duration + 300_000 },
  async () => {
    await using host = await makeHost();
    await prepare(host);
    await writePolicy(host, 0);
    const crowd = new Crowd(host, 8);
    const end = Date.now() + duration;
    const isOn = (): boolean => Date.now() < end && (!isLong || crowd.containers < 500);
    const workers = Array.from({ length: sideBySide }, async () => {
      while (isOn()) await crowd.live(false);
    });
    const disturbances = { 'flush ruleset': 0, 'delete table': 0, GC: 0, policy: 0, refresh: 0 };
    const disturb = async (): Promise<void> => {
      for (let turn = 0; isOn(); turn++) {
        await new Promise((resolve) => setTimeout(resolve, 700));
        const kind = (['flush ruleset', 'GC', 'policy', 'delete table', 'refresh'] as const)[turn % 5] ?? 'GC';
        disturbances[kind]++;
        if (kind === 'flush ruleset') await host.exec(['nft', 'flush', 'ruleset']);
        else if (kind === 'delete table') await host.exec(['nft', 'delete', 'table', 'inet', 'drawbridge']);
        else if (kind === 'GC') await crowd.collect();
        else if (kind === 'policy') await writePolicy(host, turn);
        else {
          const { code, stderr, stdout } = await host.exec([executable, 'refresh'], { timeout: 60_000 });
          if (code !== 0) crowd.failures.push(`refresh: ${stderr}${stdout}`);
        }
      }
    };
    await Promise.all([...workers, disturb()]);
    const churned = crowd.containers;

    expect(crowd.failures).toEqual([]);

    // What stays is in force, whatever happened before.
    await Promise.all(Array.from({ length: 8 }, async () => crowd.live(true)));
    await crowd.collect();
    expect(crowd.failures).toEqual([]);
    await host.exec(['nft', 'flush', 'ruleset']);
    const last = await host.container();
    expect(outcome(await host.addChain(conflist, { container: last }))).toBe('code 0');
    const kept = [...crowd.valid.values()];
    for (const { network: net, container, ifname } of kept)
      expect(outcome(await host.checkChain(net, { container, ifname }))).toBe('code 0');
    for (const { network: net, container, ifname } of kept)
      expect(outcome(await host.delChain(net, { container, ifname }))).toBe('code 0');
    expect(outcome(await host.delChain(conflist, { container: last }))).toBe('code 0');

    console.log(
      `${churned} containers, ${crowd.times.ADD.length} ADD, ${crowd.times.CHECK.length + crowd.checksRefused} CHECK (${crowd.checksRefused} told of a flush), ${crowd.times.DEL.length} DEL, ${crowd.times.GC.length} GC; ` +
        `disturbed by ${JSON.stringify(disturbances)}; longest ADD ${longest(crowd.times.ADD)} ms, longest DEL ${longest(crowd.times.DEL)} ms, which bound the wait for a lock`,
    );
    for (const net of networks) expect(outcome(await host.gcChain(net, []))).toBe('code 0');
    const left = await host.leftovers({
      allow: [
        /^\+ link (?:drawbridge0|br[123])$/u,
        /^\+ file \/run\/drawbridge\/bridges\//u,
        /^\+ file \/var\/lib\/drawbridge\/(?:boot|names)\//u,
      ],
    });
    expect(left.slice(0, 20)).toEqual([]);
  },
);

function longest(times: readonly number[]): number {
  return Math.round(Math.max(0, ...times));
}

async function writePolicy(host: Host, turn: number): Promise<void> {
  const policy = { mode: 'restricted', allowPrivate: [`10.200.${turn % 250}.0/24`] };
  await host.sh(
    'mkdir -p /etc/drawbridge/policies; cat > /etc/drawbridge/policies/.new; mv /etc/drawbridge/policies/.new /etc/drawbridge/policies/changing.json',
    { input: JSON.stringify(policy) },
  );
}

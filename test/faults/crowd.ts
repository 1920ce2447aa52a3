/**
 * Containers as a host has them at a busy time: two runtimes, two versions of the executable, several networks at once.
 */
import type { CniResult, Conflist, Container, Host, Json } from '../helpers/host.ts';
import { installDropIns, referenceList } from '../plugins/drop-in/links.ts';
import { conflist, outcome } from './network.ts';
import { otherVersion } from './other-version.ts';
import { seeded } from './random.ts';

/** A network, and the folder of plugins of the runtime whose network it is. */
interface Network {
  readonly conflist: Conflist;
  readonly bin?: string;
}

/** Folder with our executable under the names of the reference plugins: what the second runtime has. */
const dropIns = '/opt/dropin';

/** Several networks, one with a named policy that changes meanwhile, one of a second runtime. */
export const networks: readonly Network[] = [
  { conflist },
  { conflist: network('plain', { bridge: 'br1', ipam: hostLocal('10.71.0.0/22') }) },
  { conflist: network('other', { bridge: 'br3', ipam: hostLocal('10.72.0.0/22') }) },
  {
    conflist: network('enforced', {
      bridge: 'br2',
      ipam: hostLocal('10.73.0.0/22', 'fd73::/64'),
      egress: { policy: 'changing' },
    }),
  },
  {
    conflist: referenceList({ bridge: { bridge: 'br4', ipam: hostLocal('10.74.0.0/22') } }, 'reference'),
    bin: dropIns,
  },
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

interface Attachment {
  readonly network: Network;
  readonly container: Container;
  readonly ifname: string;
}

/** What a crowd does, and what came of it. */
export class Crowd {
  readonly failures: string[] = [];
  /** Attachments that the runtimes hold for valid, by "network container ifname". */
  readonly valid = new Map<string, Attachment>();
  readonly addresses = new Map<string, string>();
  readonly times = { ADD: [] as number[], DEL: [] as number[], CHECK: [] as number[], GC: [] as number[] };
  containers = 0;
  /** CHECKs that told of rules that were gone, or of another version's. */
  checksRefused = 0;
  /** Calls of the other version of the executable. */
  otherCalls = 0;
  readonly #host: Host;
  readonly #random: () => number;
  readonly #otherBin = otherVersion();

  constructor(host: Host, seed: number) {
    this.#host = host;
    this.#random = seeded(seed);
  }

  static async at(host: Host, seed: number): Promise<Crowd> {
    await installDropIns(host, dropIns);
    return new Crowd(host, seed);
  }

  /**
   * One container: on one to three networks at once, looked at, and gone in one of the ways in which runtimes do it.
   */
  async live(keep: boolean): Promise<void> {
    const container = await this.#host.container();
    const number = ++this.containers;
    const chosen = networks.filter((_, index) => index === number % networks.length || this.#random() < 0.25);
    const attachments = chosen.map((each, index) => ({ network: each, container, ifname: `eth${index}` }));
    await Promise.all(attachments.map(async (attachment) => this.#add(attachment, number)));
    await Promise.all(attachments.map(async (attachment) => this.check(attachment)));
    if (keep) return;
    const vanishesFirst = this.#random() < 0.3;
    if (vanishesFirst) await container.remove();
    await Promise.all(attachments.map(async (attachment) => this.remove(attachment, vanishesFirst)));
    if (!vanishesFirst) await container.remove();
  }

  async #add(attachment: Attachment, number: number): Promise<void> {
    const { container, ifname } = attachment;
    this.valid.set(idOf(attachment), attachment);
    const hostPort = 20_000 + number * networks.length + Number(ifname.slice(3));
    const protocol = number % 2 === 0 ? 'tcp' : 'udp';
    const runtimeConfig = number % 3 === 0 ? { portMappings: [{ hostPort, containerPort: 80, protocol }] } : {};
    const result = await this.#host.addChain(attachment.network.conflist, {
      ...this.#call(attachment.network),
      container,
      ifname,
      runtimeConfig,
    });
    this.#note('ADD', result, idOf(attachment));
    for (const { address } of (result.result?.['ips'] ?? []) as { address: string }[]) {
      const holder = this.addresses.get(address);
      if (holder !== undefined) this.failures.push(`${address} was given to ${idOf(attachment)} and to ${holder}`);
      this.addresses.set(address, idOf(attachment));
    }
  }

  async remove(attachment: Attachment, isGone = false): Promise<void> {
    const { container, ifname } = attachment;
    // From here on the address may be somebody else's.
    for (const [address, holder] of this.addresses) if (holder === idOf(attachment)) this.addresses.delete(address);
    const result = await this.#host.delChain(attachment.network.conflist, {
      ...this.#call(attachment.network),
      containerId: container.name,
      netns: isGone ? '' : container.netns,
      ifname,
    });
    this.#note('DEL', result, idOf(attachment));
    this.valid.delete(idOf(attachment));
  }

  /** Somebody may have flushed the rules a moment ago, or be of another version: then a CHECK says so, properly. */
  async check(attachment: Attachment): Promise<void> {
    const { container, ifname } = attachment;
    const call = this.#call(attachment.network);
    const result = await this.#host.checkChain(attachment.network.conflist, { ...call, container, ifname });
    if ([103, 104].includes(result.error?.['code'] as number)) this.checksRefused++;
    else this.#note('CHECK', result, idOf(attachment));
  }

  /** The first runtime collects; the second one has no GC. */
  async collect(): Promise<void> {
    for (const each of networks.filter(({ bin }) => bin === undefined)) {
      const valid = [...this.valid.values()]
        .filter(({ network: other }) => other === each)
        .map(({ container, ifname }) => ({ containerID: container.name, ifname }));
      this.#note('GC', await this.#host.gcChain(each.conflist, valid, this.#call(each)), each.conflist.name);
    }
  }

  /** Every third call of the first runtime is one of the other version. */
  #call({ bin }: Network): { bin?: string; timeout: number; env: Record<string, string> } {
    const isOther = bin === undefined && this.#random() < 0.33;
    if (isOther) this.otherCalls++;
    return {
      ...(bin === undefined ? {} : { bin }),
      ...(isOther ? { bin: this.#otherBin } : {}),
      timeout: 60_000,
      env: { DRAWBRIDGE_TRACE: '/opt/trace.json' },
    };
  }

  #note(verb: keyof Crowd['times'], result: CniResult, what: string): void {
    this.times[verb].push(result.ms);
    if (result.code !== 0) this.failures.push(`${verb} ${what}: ${outcome(result)}`);
  }
}

function idOf({ network: each, container, ifname }: Attachment): string {
  return `${each.conflist.name} ${container.name} ${ifname}`;
}

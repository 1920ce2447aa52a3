import type { FlowRecord, FlowUpdate } from '../../flows/flow-record.ts';
import type { CountedFlow, FlowEvent } from '../../host/netlink/conntrack.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { recordOf, type DecisionContext } from './decision.ts';

/** Records of one container that begin in a second, and how many may come at once before that holds. */
const share = { perSecond: 200, burst: 2000 } as const;
/** Connections that are remembered until they end. */
const most = 100_000;

export interface ConnectionOptions extends DecisionContext {
  readonly begin: (record: FlowRecord) => void;
  readonly update: (update: FlowUpdate, record: FlowRecord) => void;
}

/** Makes a record of each connection of a container whose policy records all, and adds to it what passed at its end. */
export class Connections {
  readonly #options: ConnectionOptions;
  readonly #open = new Map<string, FlowRecord>();
  readonly #buckets = new Map<string, { left: number; at: number }>();
  #lost = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Connections that got no record. */
  get lost(): number {
    return this.#lost;
  }

  /** `now` is milliseconds since 1970. */
  note({ kind, flow }: FlowEvent, now = Date.now()): void {
    const known = this.#open.get(flow.id);
    if (kind === 'began') this.#begin(flow, now);
    else if (known !== undefined) this.#end(known, flow, now);
  }

  #begin(flow: CountedFlow, now: number): void {
    const found = this.#partiesOf(flow);
    if (found === undefined) return;
    if (this.#open.size >= most || !this.#take(found.record.containerId)) {
      this.#lost += 1;
      return;
    }
    const record = this.#recordOf(flow, found, now);
    this.#open.set(flow.id, record);
    this.#options.begin(record);
  }

  #end(known: FlowRecord, { id, asked, answered }: CountedFlow, now: number): void {
    this.#open.delete(id);
    const [out, back] = known.direction === 'ingress' ? [answered, asked] : [asked, answered];
    const update: FlowUpdate = {
      id: known.id,
      // The clock may have been set back since.
      until: new Date(Math.max(now, Date.parse(known.time))).toISOString(),
      ended: true,
      bytes: { sent: out.bytes, received: back.bytes },
      packets: { sent: out.packets, received: back.packets },
    };
    this.#options.update(update, { ...known, ...update });
  }

  /** Whose connection it is: who began it, or else who answers. */
  #partiesOf({ source, answerer }: CountedFlow): { record: AttachmentRecord; isIngress: boolean } | undefined {
    const { parties } = this.#options;
    const own = parties.at(source);
    if (own?.egress?.policy.record === 'all') return { record: own, isIngress: false };
    const target = own === undefined ? parties.at(answerer) : undefined;
    return target?.egress?.policy.record === 'all' ? { record: target, isIngress: true } : undefined;
  }

  #recordOf(
    flow: CountedFlow,
    { record, isIngress }: { record: AttachmentRecord; isIngress: boolean },
    now: number,
  ): FlowRecord {
    const { nameOf, parties } = this.#options;
    const { source, destination, destinationPort: port, answerer } = flow;
    const protocol = flow.protocol === 'icmpv6' ? 'icmp' : flow.protocol;
    const common = { verdict: 'allow', source, destination, port, protocol, count: 1 } as const;
    if (isIngress) {
      const rule = `ingress "${record.egress?.policy.ingress ?? 'published'}"`;
      const decision = { ...common, direction: 'ingress', rule, reason: 'a published port leads to it' } as const;
      return recordOf(record, decision, this.#options, now);
    }
    const name = nameOf(destination);
    const peer = parties.at(answerer);
    const isHost = record.egress?.gateways.includes(destination) === true;
    const { rule, reason } = parties.verdict(record, {
      address: destination,
      protocol,
      ...(port === undefined ? {} : { port }),
      ...(name === undefined ? {} : { name }),
    });
    const direction = isHost ? 'host' : peer === undefined ? 'egress' : 'sibling';
    return recordOf(record, { ...common, direction, name, peer, rule, reason }, this.#options, now);
  }

  #take(container: string, now = performance.now()): boolean {
    const bucket = this.#buckets.get(container) ?? { left: share.burst, at: now };
    const left = Math.min(share.burst, bucket.left + ((now - bucket.at) * share.perSecond) / 1000);
    this.#buckets.set(container, { left: left < 1 ? left : left - 1, at: now });
    return left >= 1;
  }
}

import { createHash } from 'node:crypto';
import type { AttachmentId } from '../cni/request.ts';
import type { LinkCommand } from './command.ts';
import { hardwareAddressOf } from './hardware-address.ts';

/** What a record says of the drop-in for bandwidth. */
export interface ShapedRecord {
  /** The host's end of the veth, which has the queues. */
  readonly hostInterface: string;
  /** Through which the container's packets enter the host; absent in records of before 0.2.0. */
  readonly ingressInterface?: string;
  /** The interface that queues what the container sends; absent when that is not limited. */
  readonly ifb?: string;
  /** What was asked for; absent in records of before 0.2.0. */
  readonly limits?: Shaping;
}

/** What may pass in one direction. */
export interface Limit {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes that may pass at once after a pause. */
  readonly burst: number;
}

/** "ingress" is what the container receives, "egress" what it sends; absent is without a limit. */
export interface Shaping {
  readonly ingress?: Limit;
  readonly egress?: Limit;
}

export interface ShapingSteps {
  readonly links: readonly LinkCommand[];
  readonly queues: readonly LinkCommand[];
}

/** An interface that queues what the container sends. */
export interface Ifb {
  readonly name: string;
  readonly mac: string;
}

/**
 * Plans the queues of one interface: a token bucket on the host's end of the veth for what the container receives, and
 * for what it sends a redirection into an interface of its own with a token bucket, since the kernel queues only what
 * leaves an interface. Both are what the reference bandwidth plugin makes, but for the place of the redirection.
 * `hasFilterQueue` says that a filter of a gate is there already.
 */
export function planShaping(
  { hostInterface, ifb }: ShapedRecord,
  { ingress, egress }: Shaping,
  { mtu, hasFilterQueue = false }: { readonly mtu: number; readonly hasFilterQueue?: boolean },
): ShapingSteps {
  if (ifb === undefined || egress === undefined)
    return { links: [], queues: ingress === undefined ? [] : [tokenBucket(hostInterface, ingress)] };
  return {
    links: [
      { kind: 'addIfb', name: ifb, mac: hardwareAddressOf(ifb), mtu },
      { kind: 'setLink', name: ifb, state: 'up' },
    ],
    queues: [
      // First, because it is the one that somebody else may have: then there is nothing of it to take back.
      ...(hasFilterQueue ? [] : [{ kind: 'addFilterQueue', name: hostInterface, queue: 'ingress' } as const]),
      tokenBucket(ifb, egress),
      ...(ingress === undefined ? [] : [tokenBucket(hostInterface, ingress)]),
      { kind: 'redirectIncoming', name: hostInterface, to: ifb, preference: redirectPreference },
    ],
  };
}

/** Behind the filter of a gate (dataplane/gate.ts): what is redirected meets no later one. */
const redirectPreference = 100;

/**
 * Removes what `planShaping` makes; each command may fail because its queue is gone. The queue of the filter of a gate
 * stays.
 */
export function planUnshaping(name: string, { hasFilterQueue = false } = {}): LinkCommand[] {
  return [
    hasFilterQueue
      ? { kind: 'deleteRedirection', name, preference: redirectPreference }
      : { kind: 'deleteQueue', name, queue: 'ingress' },
    { kind: 'deleteQueue', name, queue: 'root' },
  ];
}

/**
 * The interface for what a container sends. For "eth0" its name is that of the reference, which knows one interface of
 * a container on a network: either plugin removes what the other made.
 */
export function ifbOf({ network, containerId, ifname }: AttachmentId): Ifb {
  const identity = network + containerId + (ifname === 'eth0' ? '' : `/${ifname}`);
  const name = `bwp${createHash('sha512').update(identity).digest('hex').slice(0, 12)}`;
  return { name, mac: hardwareAddressOf(name) };
}

/** A queue as `tc -json -raw qdisc show` prints it. */
export interface ShownQueue {
  readonly kind: string;
  readonly root?: boolean;
  readonly options?: { readonly rate?: number; readonly burst?: number; readonly limit?: number };
}

/** A filter as `tc -json filter show` prints it. */
export interface ShownFilter {
  readonly options?: { readonly actions?: readonly { readonly kind?: string; readonly to_dev?: string }[] };
}

/** Says how the queue of an interface differs from a limit; undefined when it does not. */
export function queueDifference(name: string, wanted: Limit, queues: readonly ShownQueue[]): string | undefined {
  const { rate, burst, limit } = queues.find(({ kind, root }) => kind === 'tbf' && root === true)?.options ?? {};
  if (rate === undefined || burst === undefined) return `"${name}" has no token bucket`;
  if (rate !== wanted.rate) return `the rate of "${name}" is ${rate} bytes a second and not ${wanted.rate}`;
  if (limit !== undefined && limit !== queueLimit(wanted))
    return `the queue of "${name}" holds ${limit} bytes and not ${queueLimit(wanted)}`;
  // Whoever made a queue with a longer one has another in its place.
  if (wanted.burst <= longestBurst(rate) && Math.abs(burst - wanted.burst) > wanted.rate * tick * 2 + 1)
    return `the burst of "${name}" is ${burst} bytes and not ${wanted.burst}`;
  return undefined;
}

/** Whether a filter sends everything into that interface. */
export function redirectsTo(ifb: string, filters: readonly ShownFilter[]): boolean {
  return filters.some(({ options }) =>
    options?.actions?.some(({ kind, to_dev: to }) => kind === 'mirred' && to === ifb),
  );
}

function tokenBucket(name: string, limit: Limit): LinkCommand {
  const { rate, burst } = limit;
  return {
    kind: 'replaceTokenBucket',
    name,
    rate,
    burst: Math.min(burst, longestBurst(rate)),
    limit: queueLimit(limit),
  };
}

/** Longest time in seconds that a packet waits in the queue, as in the reference. */
const latency = 0.025;

/** The kernel counts both, burst and limit, in 32 bits. */
const largest = 2 ** 32 - 1;

function queueLimit({ rate, burst }: Limit): number {
  return Math.min(Math.floor(rate * latency) + burst, largest);
}

/** The kernel counts a burst as the time that it takes, in ticks of 64 ns, of which it has 32 bits. */
const tick = 64e-9;

/**
 * Bytes: what passes in 275 seconds, at least one. Of a longer burst, such as the one that Kubernetes sends with a low
 * rate, `tc` gives the kernel the lower bits until iproute2 7.2, a burst of any size, and refuses it from 7.3 on.
 */
function longestBurst(rate: number): number {
  return Math.max(1, Math.floor(largest * tick * rate));
}

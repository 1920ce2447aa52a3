/**
 * Makes established connections qualify again after a policy was changed:
 *
 *   1. In the transaction that puts the new policy in force, {@link requalifyElements}: from then on every
 *      packet of those containers' connections is judged anew, in both directions. What the new policy
 *      allows goes on undisturbed, what it denies is refused.
 *   2. List what conntrack knows of each address ({@link listArguments}, {@link parseFlows}), judge it, and
 *      delete what is denied ({@link deleteArguments}), nothing else: an entry that is deleted under an
 *      allowed and masqueraded connection kills it when the far end speaks first.
 *   3. The elements run out. Where conntrack (the program) is missing, put them without a timeout: else a
 *      container could wait and go on with what stayed in the kernel's table. They cost a judgement per packet.
 */
import type { Element } from '../nft/element.ts';
import { quotedInterface } from '../nft/quote.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** One connection as conntrack has it, in the words of who began it. */
export interface Flow {
  /** "tcp", "udp", "sctp", "icmp", "icmpv6", "gre", or a number. */
  readonly protocol: string;
  readonly source: string;
  /** What was asked for, before any translation. */
  readonly destination: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  /** Who answers: differs from `destination` when that was translated. */
  readonly answerer: string;
}

/** Elements that have an attachment's connections judged anew; for `seconds`, or until they are dropped. */
export function requalifyElements({ egress }: AttachmentRecord, seconds: number | undefined = 600): Element[] {
  if (egress === undefined) return [];
  return egress.addresses.map((address): Element => ({
    table: 'inet drawbridge',
    set: `requalify${address.includes(':') ? 6 : 4}`,
    key: `${quotedInterface(egress.ingressInterface)} . ${address}`,
    ...(seconds === undefined ? {} : { timeout: seconds }),
  }));
}

/** Arguments of `conntrack` that list connections begun by an address, or answered by it. */
export function listArguments(address: string, role: 'begun' | 'answered'): string[] {
  return [
    '-L',
    '-f',
    address.includes(':') ? 'ipv6' : 'ipv4',
    role === 'begun' ? '--orig-src' : '--reply-src',
    address,
  ];
}

/** Reads what `conntrack -L` printed; lines that name no addresses are left out. */
export function parseFlows(text: string): Flow[] {
  return text.split('\n').flatMap((line) => {
    const [name = '', number = ''] = line.trim().split(/\s+/);
    const values = (key: string): string[] =>
      [...line.matchAll(new RegExp(`\\b${key}=(\\S+)`, 'g'))].map((match) => match[1] ?? '');
    const [source, answerer] = values('src');
    const [destination] = values('dst');
    if (source === undefined || destination === undefined || answerer === undefined) return [];
    const [sourcePort] = values('sport').map(Number);
    const [destinationPort] = values('dport').map(Number);
    const ports = {
      ...(sourcePort === undefined ? {} : { sourcePort }),
      ...(destinationPort === undefined ? {} : { destinationPort }),
    };
    return [{ protocol: name === 'unknown' ? number : name, source, destination, ...ports, answerer }];
  });
}

/** Arguments of `conntrack` that delete one connection. Exit status 1 means that it is gone already. */
export function deleteArguments({ protocol, source, destination, sourcePort, destinationPort }: Flow): string[] {
  return [
    '-D',
    '-f',
    source.includes(':') ? 'ipv6' : 'ipv4',
    '-p',
    protocol,
    '--orig-src',
    source,
    '--orig-dst',
    destination,
    ...(sourcePort === undefined ? [] : ['--orig-port-src', String(sourcePort)]),
    ...(destinationPort === undefined ? [] : ['--orig-port-dst', String(destinationPort)]),
  ];
}

import { setTimeout as sleep } from 'node:timers/promises';
import { CniError, codes } from '../../cni/errors.ts';
import { runIn } from '../../host/ip.ts';
import { CommandError, run } from '../../host/run.ts';
import { familyOf } from '../../ip/family.ts';
import { quotedInterface } from '../../nft/quote.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, guestOf, ingressInterfaceOf } from '../../records/sections.ts';
import type { AskedDestination } from './destination.ts';

/** One rule, or the end of one chain, that a packet met. */
export interface Step {
  readonly table: string;
  readonly chain: string;
  /** The rule as nft prints it; absent when the packet came to the end of the chain. */
  readonly rule?: string;
  /** "accept", "drop", "jump egress_out", "continue". */
  readonly verdict: string;
}

export interface Trace {
  readonly steps: readonly Step[];
  /** What the sender saw: "connected", "refused", "unreachable", "timeout". */
  readonly outcome: string;
}

/** Ours for as long as it takes; no rule in it decides anything. */
const table = 'drawbridge_trace';

/** Milliseconds: until nft listens, and until it is ended. */
const untilListening = 400;
const window = 2600;

/**
 * Sends one packet from the container and follows it through every chain of the host, ours and all others. Throws code
 * 102 for a guest of a VM.
 */
export async function trace(record: AttachmentRecord, address: string, asked: AskedDestination): Promise<Trace> {
  refuseGuest(record);
  await run('nft', ['-f', '-'], { input: tableText(record, address, asked) });
  try {
    const watched = watch();
    await sleep(untilListening);
    const outcome = await probe(record.netns, address, asked);
    return { steps: parseSteps(await watched), outcome };
  } finally {
    await run('nft', ['-f', '-'], { input: `${empty}\n` });
  }
}

/** Throws code 102: the container's namespace holds no address of a guest, or there is none. */
function refuseGuest(record: AttachmentRecord): void {
  const guest = guestOf(record);
  if (guest === undefined) return;
  throw new CniError(
    codes.conflict,
    `Cannot send a packet from "${record.containerId}": a guest behind the tap "${guest.tap}" sends it itself`,
    'Leave --trace out; "drawbridge watch" shows what of the guest is denied while it tries',
  );
}

const families = ['inet', 'bridge'] as const;
const empty = families.map((family) => `table ${family} ${table}\ndelete table ${family} ${table}`).join('\n');

function tableText(record: AttachmentRecord, address: string, { protocol, port }: AskedDestination): string {
  const ip = familyOf(address) === 6 ? 'ip6' : 'ip';
  const source = addressesOf(record).find((own) => familyOf(own) === familyOf(address)) ?? address;
  const service = protocol === 'icmp' ? `meta l4proto ${ip === 'ip' ? 'icmp' : 'icmpv6'}` : `${protocol} dport ${port}`;
  const port0 = record.link?.hostInterface ?? record.egress?.port;
  const entry = (family: string): string[] => {
    const from = family === 'inet' ? ingressInterfaceOf(record) : port0;
    if (from === undefined) return [];
    return [
      `table ${family} ${table} {`,
      '  chain from {',
      '    type filter hook prerouting priority -400; policy accept;',
      `    iifname ${quotedInterface(from)} ${ip} saddr ${source} ${ip} daddr ${address} ${service} meta nftrace set 1`,
      '  }',
      '}',
    ];
  };
  return `${[empty, ...families.flatMap(entry)].join('\n')}\n`;
}

/** nft watches until it is ended; what it printed until then is what is wanted. */
async function watch(): Promise<string> {
  try {
    return (await run('nft', ['monitor', 'trace'], { deadline: window })).stdout;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === undefined) return error.stdout;
    throw error;
  }
}

/** This program once more, in the container's network namespace: what a container image has in it does not matter. */
async function probe(netns: string, address: string, { protocol, port }: AskedDestination): Promise<string> {
  if (protocol === 'icmp') {
    try {
      await runIn(netns, 'ping', ['-c', '1', '-W', '1', '-n', address]);
      return 'answered';
    } catch (error) {
      if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
      return /[Uu]nreachable|Filtered|prohibited/.test(error.stdout) ? 'unreachable' : 'timeout';
    }
  }
  const { stdout } = await runIn(netns, process.execPath, ['probe', address, String(port), protocol]);
  return stdout.trim();
}

/** "trace id 4b40a9da inet drawbridge egress_out rule iifname @enforced jump egress_out (verdict jump egress_out)". */
function parseSteps(text: string): Step[] {
  const seen = new Set<string>();
  let start: string | undefined;
  const steps: Step[] = [];
  for (const line of text.split('\n')) {
    const [, family, name, chain = '', kind, rest = ''] =
      /^trace id [0-9a-f]+ (\S+) (\S+) (\S+) (rule|policy|verdict) ?(.*)$/.exec(line) ?? [];
    if (family === undefined || name === undefined) continue;
    if (name === table && kind === 'rule') {
      // Where the first packet began its way the next one begins its own.
      if (start === family && steps.length > 0) return steps;
      start ??= family;
    }
    if (name === table) continue;
    const step = kind === 'rule' ? ruleStep(rest) : { verdict: rest.trim().split(' ', 1)[0] ?? '' };
    const whole = { table: `${family} ${name}`, chain, ...step };
    const key = JSON.stringify(whole);
    // Of a packet that is handed on by a copy, some hooks tell twice.
    if (!seen.has(key)) steps.push(whole);
    seen.add(key);
  }
  return steps;
}

function ruleStep(text: string): { rule: string; verdict: string } {
  const [, rule = text, verdict = ''] = /^(.*?)\s*\(verdict (.*)\)$/.exec(text) ?? [];
  return { rule, verdict };
}

/**
 * The one reader of what programs print when they fail: ip, bridge and tc (iproute2 5.10 to 7.3), nsenter, tee, nft.
 */
import type { LinkFailure } from './link-failure.ts';
import type { CommandError } from './run.ts';

/** What a program said of its failure. */
export interface ToolError {
  readonly reason: LinkFailure;
  /** Its sentence, without a period and what stands before each one. */
  readonly said: string;
  /** Place of the line of a batch that failed, from 0; undefined when it does not say which it was. */
  readonly index: number | undefined;
  /** All that it printed, as far as a person reads it. */
  readonly printed: string;
}

/** What a program printed, and its exit status. */
type ToolOutput = Pick<CommandError, 'stderr' | 'exitCode'>;

/** Reads what a program printed; `batch` is what it was given to read. */
export function readToolError({ stderr, exitCode }: ToolOutput, batch = ''): ToolError {
  const said = stderr
    .split('\n')
    .find((text) => text.trim() !== '' && !text.startsWith('Command failed'))
    ?.replace(/^(?:RTNETLINK answers|Error): /u, '')
    .replace(/\.$/u, '');
  return {
    reason: patterns.find(({ pattern }) => pattern.test(stderr))?.reason ?? 'other',
    said: said ?? `exit status ${exitCode ?? 'unknown'}`,
    index: failedLine(stderr, batch.trimEnd().split('\n')),
    printed: stderr.trim().slice(0, 2000),
  };
}

/** Its own words for a program that failed, or why it did not run. */
export function saidBy(error: CommandError): string {
  return error.exitCode === undefined ? error.message : readToolError(error).said;
}

/**
 * Why nft did not take a transaction; "stale" when the kernel does not hold what the transaction rests on, "full" when
 * a set has as many elements as it may (ENFILE).
 */
export type NftFailure = 'stale' | 'full' | 'not-understood' | 'not-permitted' | 'unsupported' | 'other';

/** Reads what nft printed. It never calls setlocale, so its texts are English everywhere. */
export function readNftError({ stderr, exitCode }: ToolOutput): NftFailure {
  if (exitCode !== undefined && saysStale(stderr)) return 'stale';
  return nftPatterns.find(({ pattern }) => pattern.test(stderr))?.failure ?? 'other';
}

/**
 * Of intervals nft looks for the elements itself. One word of another kind (a syntax error) among them and the
 * transaction would fail again after a rebuild.
 */
function saysStale(stderr: string): boolean {
  const errors = [...stderr.matchAll(/Error: (.*)/g)].map(([, text]) => text ?? '');
  const stale = /No such file or directory|element does not exist|File exists|Device or resource busy/;
  return errors.length > 0 && errors.every((text) => stale.test(text));
}

/** The first that matches counts: what its reader does not understand, the rest follows from. */
const nftPatterns: readonly { readonly pattern: RegExp; readonly failure: NftFailure }[] = [
  {
    pattern: /Error: (?:syntax error|datatype mismatch|Could not resolve protocol name)/,
    failure: 'not-understood',
  },
  { pattern: /Error: .*Too many open files in system/, failure: 'full' },
  { pattern: /Operation not permitted/, failure: 'not-permitted' },
  { pattern: /(?:Operation|Protocol) not supported|Unable to initialize Netlink/, failure: 'unsupported' },
];

/** Whether a file could not be written because /proc/sys is read-only. */
export function saysReadOnly({ stderr }: ToolOutput): boolean {
  return stderr.includes('Read-only file system');
}

/**
 * The first that matches counts. "Invalid handle" is what the kernel says of a queue that is to be removed, where there
 * is another one or none any more (qdisc_get of net/sched/sch_api.c).
 */
const patterns: readonly { readonly pattern: RegExp; readonly reason: LinkFailure }[] = [
  { pattern: /Invalid "netns" value|nsenter: (?:cannot open|reassociate)/u, reason: 'netns' },
  { pattern: /IPv6 is disabled/u, reason: 'ipv6-disabled' },
  // The second is of a name that another kind of interface has (tun_set_iff of drivers/net/tun.c).
  { pattern: /TUNSETIFF\): (?:Device or resource busy|Invalid argument)/u, reason: 'exists' },
  { pattern: /File exists|Exclusivity flag on|address already assigned/iu, reason: 'exists' },
  { pattern: /Cannot assign requested address|address not found/iu, reason: 'no-such-address' },
  {
    pattern:
      /Cannot find (?:bridge )?device|(?:Cannot find specified|must match existing) (?:qdisc|filter)|Parent Qdisc doesn't exist|Cannot delete qdisc with handle of zero|Invalid handle|does not exist|No such device|No such file or directory/u,
    reason: 'missing',
  },
  { pattern: /Nexthop has invalid gateway|No route to host|Network is unreachable/u, reason: 'unreachable' },
  {
    pattern: /Operation not supported|Unknown device type|TC classifier not found|qdisc kind is unknown/iu,
    reason: 'unsupported',
  },
  { pattern: /Exchange full/u, reason: 'full' },
  { pattern: /Operation not permitted/u, reason: 'not-permitted' },
];

/** "Command failed -:3" is the third line; for a word that it cannot parse, ip prints the word alone and ends. */
function failedLine(stderr: string, lines: readonly string[]): number | undefined {
  const number = /^Command failed -:(\d+)$/mu.exec(stderr)?.[1];
  if (number !== undefined && lines[Number(number) - 1] !== undefined) return Number(number) - 1;
  const word = /argument "([^"]*)" is wrong/u.exec(stderr)?.[1];
  const index = word === undefined ? -1 : lines.findIndex((text) => text.split(' ').includes(word));
  return index === -1 ? undefined : index;
}

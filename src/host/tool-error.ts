/** The one reader of what ip, bridge, tc, nsenter and tee print when they fail: iproute2 5.10 to 7.3. */
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

/** Whether a file could not be written because /proc/sys is read-only. */
export function saysReadOnly({ stderr }: ToolOutput): boolean {
  return stderr.includes('Read-only file system');
}

/** The first that matches counts. */
const patterns: readonly { readonly pattern: RegExp; readonly reason: LinkFailure }[] = [
  { pattern: /Invalid "netns" value|nsenter: (?:cannot open|reassociate)/u, reason: 'netns' },
  { pattern: /IPv6 is disabled/u, reason: 'ipv6-disabled' },
  { pattern: /File exists|Exclusivity flag on|address already assigned/iu, reason: 'exists' },
  { pattern: /Cannot assign requested address|address not found/iu, reason: 'no-such-address' },
  {
    pattern:
      /Cannot find (?:bridge )?device|(?:Cannot find specified|must match existing) (?:qdisc|filter)|Parent Qdisc doesn't exist|Cannot delete qdisc with handle of zero|does not exist|No such device|No such file or directory/u,
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

import { CniError, codes, type ErrorCode } from '../cni/errors.ts';
import { applyLines } from './netlink/apply.ts';
import { CommandError, findProgram, run, runNow, tell, type RunResult } from './run.ts';
import { begin } from './trace.ts';

/** Why a line failed, as far as a caller can do something about it. */
export type BatchFailure =
  | 'exists'
  | 'missing'
  | 'ipv6-disabled'
  | 'netns'
  | 'unreachable'
  | 'unsupported'
  | 'not-permitted'
  | 'full'
  | 'other';

/** A line of a batch that the kernel or the program refused. Lines before it were carried out, later ones were not. */
export class BatchError extends CniError {
  readonly reason: BatchFailure;
  /** Place of the line in the batch, from 0; undefined when the program did not say which it was. */
  readonly index: number | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: string,
    { reason, index }: { reason: BatchFailure; index: number | undefined },
  ) {
    super(code, message, details);
    this.reason = reason;
    this.index = index;
  }
}

export interface Where {
  /** Path of a network namespace; absent means that of this process. */
  readonly netns?: string;
}

/**
 * Carries out lines of `ip -batch` (or of `bridge` or `tc`), which stops at the first line that fails.
 *
 * Throws {@link BatchError} naming that line; nothing is taken back.
 */
export async function applyBatch(
  lines: readonly string[],
  { netns, program = 'ip', family }: Where & { program?: 'ip' | 'bridge' | 'tc'; family?: '-4' | '-6' } = {},
): Promise<void> {
  if (lines.length === 0) return;
  if (program === 'ip' && family === undefined && (await applyHere(lines, netns))) return;
  try {
    await runIn(netns, program, [...(family === undefined ? [] : [family]), '-batch', '-'], `${lines.join('\n')}\n`);
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== undefined) throw explain(error, lines, netns);
    throw error;
  }
}

/** Carries out lines in this process; false when they are to be left to `ip`. */
async function applyHere(lines: readonly string[], netns: string | undefined): Promise<boolean> {
  const command = netns === undefined ? 'ip -batch -' : `nsenter --net=${netns} -- ip -batch -`;
  const input = `${lines.join('\n')}\n`;
  const end = begin('netlink', { command, input });
  const applied = await applyLines(lines, netns);
  if (applied === 'not understood') return false;
  tell(command, input);
  end();
  if (applied === 'done') return true;
  const { stderr } = applied;
  throw explain(new CommandError(`Cannot run "${command}"`, { stderr, stdout: '', exitCode: 1 }), lines, netns);
}

/**
 * Runs `ip -json …` (or `tc -json …`) and returns what it printed; undefined when it says that the interface does not
 * exist.
 */
export async function showJson(
  args: readonly string[],
  { netns, program = 'ip' }: Where & { program?: 'ip' | 'tc' } = {},
): Promise<unknown> {
  try {
    return jsonOf(await runIn(netns, program, ['-json', ...args]));
  } catch (error) {
    return unlessMissing(error, netns);
  }
}

/** As {@link showJson} of `ip` in the namespace of this process, which stands still meanwhile. */
export function showJsonNow(args: readonly string[]): unknown {
  try {
    return jsonOf(runNow('ip', ['-json', ...args]));
  } catch (error) {
    return unlessMissing(error, undefined);
  }
}

function jsonOf({ stdout }: RunResult): unknown {
  return stdout.trim() === '' ? [] : JSON.parse(stdout);
}

/** An interface that is not there is an answer. Throws everything else. */
function unlessMissing(error: unknown, netns: string | undefined): undefined {
  if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
  const { reason } = causeOf(error.stderr);
  if (reason === 'missing') return undefined;
  throw reason === 'netns' ? explain(error, [], netns) : error;
}

/**
 * Runs a program in a network namespace, in the mount namespace of this process: paths and programs are the
 * host's, and below /proc/sys/net/ it finds the namespace's values.
 */
export async function runIn(
  netns: string | undefined,
  program: string,
  args: readonly string[],
  input = '',
): Promise<RunResult> {
  if (netns === undefined) return run(program, args, { input });
  // nsenter looks for the program in PATH alone, which a runtime may have left empty.
  return run('nsenter', [`--net=${netns}`, '--', findProgram(program) ?? program, ...args], { input });
}

/** Ports that a bridge of Linux takes (BR_MAX_PORTS of net/bridge/br_private.h, of which it never gives number 0). */
export const mostPorts = 1023;

/** What ip 6.1 and kernels 5.10 to 6.18 print; the first that matches counts. */
const causes: readonly { pattern: RegExp; reason: BatchFailure; code?: ErrorCode; advice: string }[] = [
  {
    pattern: /Invalid "netns" value|nsenter: (?:cannot open|reassociate)/u,
    reason: 'netns',
    code: codes.invalidNetns,
    advice:
      'The network namespace does not exist: the container has ended, or the path belongs to another mount namespace',
  },
  { pattern: /IPv6 is disabled/u, reason: 'ipv6-disabled', advice: 'The sysctl "disable_ipv6" is 1 on that interface' },
  {
    pattern: /File exists|Exclusivity flag on/u,
    reason: 'exists',
    advice: 'Something has that name, address or route already',
  },
  {
    pattern:
      /Cannot find (?:bridge )?device|(?:Cannot find specified|must match existing) (?:qdisc|filter)|Parent Qdisc doesn't exist|Cannot delete qdisc with handle of zero|does not exist|No such device|No such file or directory/u,
    reason: 'missing',
    advice: 'Another program removed the interface in the meantime',
  },
  {
    pattern: /Nexthop has invalid gateway|No route to host|Network is unreachable/u,
    reason: 'unreachable',
    advice: 'A gateway has to lie in the network of an address of the same interface',
  },
  {
    pattern: /Operation not supported|Unknown device type|TC classifier not found|qdisc kind is unknown/iu,
    reason: 'unsupported',
    advice:
      'The kernel lacks this feature: bridge and veth need CONFIG_BRIDGE and CONFIG_VETH, VLANs of a bridge need CONFIG_BRIDGE_VLAN_FILTERING, filters CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF',
  },
  {
    pattern: /Exchange full/u,
    reason: 'full',
    advice: `A bridge takes ${mostPorts} ports: give further containers a network with a bridge of its own`,
  },
  {
    pattern: /Operation not permitted/u,
    reason: 'not-permitted',
    advice: 'CAP_NET_ADMIN over both network namespaces is needed',
  },
];

function explain(error: CommandError, lines: readonly string[], netns: string | undefined): BatchError {
  const { reason, code, advice } = causeOf(error.stderr);
  const said =
    error.stderr
      .split('\n')
      .find((text) => text.trim() !== '' && !text.startsWith('Command failed'))
      ?.replace(/^(?:RTNETLINK answers|Error): /u, '') ?? `exit status ${error.exitCode}`;
  const index = failedLine(error.stderr, lines);
  const what = index === undefined ? 'Cannot configure links' : `Cannot apply "${lines[index]}"`;
  const place = netns === undefined ? '' : ` in "${netns}"`;
  return new BatchError(code ?? codes.commandFailed, `${what}${place}: ${said.replace(/\.$/u, '')}`, advice, {
    reason,
    index,
  });
}

function causeOf(stderr: string): { reason: BatchFailure; code?: ErrorCode; advice: string } {
  return (
    causes.find(({ pattern }) => pattern.test(stderr)) ?? { reason: 'other', advice: stderr.trim().slice(0, 2000) }
  );
}

/** "Command failed -:3" is the third line; for a word that it cannot parse, ip prints the word alone and ends. */
function failedLine(stderr: string, lines: readonly string[]): number | undefined {
  const number = /^Command failed -:(\d+)$/mu.exec(stderr)?.[1];
  if (number !== undefined && lines[Number(number) - 1] !== undefined) return Number(number) - 1;
  const word = /argument "([^"]*)" is wrong/u.exec(stderr)?.[1];
  const index = word === undefined ? -1 : lines.findIndex((text) => text.split(' ').includes(word));
  return index === -1 ? undefined : index;
}

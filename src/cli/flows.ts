import type { FlowRecord } from '../flows/flow-record.ts';
import { isMeant, type FlowDestination, type FlowFilter } from '../flows/filter.ts';
import { readFlows } from '../flows/read.ts';
import { formatPrefix, readAnyAddress, readPrefix } from '../ip/address.ts';
import { askAgent } from '../host/agent-socket.ts';
import { followAgent } from '../repair/survey/agent.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { parseSince } from './duration.ts';
import { flowLine } from './flows/line.ts';
import { patternOf } from './list/select.ts';
import type { Terminal } from './terminal.ts';

/** Records that are shown where neither a time nor a number is given. */
const usual = 50;

/** Shows what was recorded of flows, and with --follow what comes. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const filter = filterOf(invocation);
  const show = (record: FlowRecord): void =>
    terminal.out(options['json'] === true ? JSON.stringify(record) : flowLine(record, terminal));
  const stop = new AbortController();
  const isFollowing = options['follow'] === true;
  const early: FlowRecord[] = [];
  let tell = (record: FlowRecord): void => void early.push(record);
  const following = isFollowing
    ? followAgent('follow', (event) => tell(event as FlowRecord), stop.signal)
    : Promise.resolve(true);
  // What is in the middle of its minute is written down first.
  const hasAgent = (await askAgent('flows')) !== undefined;
  const last = lastOf(invocation, filter);
  const { since } = filter;
  const records = await readFlows({
    isWanted: (record) => isMeant(record, filter),
    last,
    ...(since === undefined ? {} : { since: since - longestRecord }),
  });
  records.forEach(show);
  if (!hasAgent)
    terminal.note(
      `${terminal.paint.warn('!')} No agent runs, which records flows: ${isFollowing ? 'there is nothing to follow' : 'what is shown is from before it ended'}.`,
    );
  if (!isFollowing) {
    if (records.length === 0) terminal.note(terminal.paint.faint('Nothing of the kind is recorded.'));
    return 0;
  }
  const shown = new Set(records.map(stateOf));
  tell = (record) => {
    if (!shown.has(stateOf(record)) && isMeant(record, filter)) show(record);
  };
  early.forEach(tell);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
  return (await following) ? 0 : 1;
}

/** Milliseconds: what began before a time may have gone on after it. */
const longestRecord = 60_000;

/** What operand and options select. Throws {@link UsageError}. */
export function filterOf(invocation: Invocation): FlowFilter {
  const { operands, options } = invocation;
  const [container] = operands;
  if (container === '') throw new UsageError('Cannot look for a container without a name: the pattern is empty');
  const [since, network, policy, to] = ['since', 'network', 'policy', 'to'].map((name) => valueOf(invocation, name));
  return {
    ...(since === undefined ? {} : { since: parseSince(since) }),
    ...(container === undefined ? {} : { container: patternOf(container) }),
    ...(network === undefined ? {} : { network }),
    ...(policy === undefined ? {} : { policy }),
    isDenied: options['denied'] === true,
    ...(to === undefined ? {} : { to: destinationOf(to) }),
  };
}

function destinationOf(text: string): FlowDestination {
  const prefix = readPrefix(text);
  if (prefix !== undefined) return { prefix: formatPrefix(prefix) };
  return readAnyAddress(text) === undefined ? { name: text.toLowerCase() } : { prefix: text };
}

function lastOf(invocation: Invocation, { since }: FlowFilter): number {
  const text = valueOf(invocation, 'last');
  if (text === undefined) return since === undefined ? usual : Infinity;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new UsageError(`Cannot use "--last ${text}": a whole number is expected`);
}

/** Tells a record and what is known of it so far. */
function stateOf({ id, count, ended }: FlowRecord): string {
  return `${id} ${count} ${ended ?? ''}`;
}

import type { FlowRecord } from '../flows/flow-record.ts';
import { isMeant, type FlowDestination, type FlowFilter } from '../flows/filter.ts';
import type { FlowsAnswer } from '../flows/flows-answer.ts';
import { readFlows } from '../flows/read.ts';
import { formatPrefix, readAnyAddress, readPrefix } from '../ip/address.ts';
import { askAgent } from '../host/agent-socket.ts';
import { followAgent } from '../repair/survey/agent.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { parseSince } from './duration.ts';
import { flowLine, ownerWords } from './flows/line.ts';
import { tellLosses } from './flows/losses.ts';
import { showAgain } from './list/again.ts';
import { flowTotals, sortFlows, type FlowSortKey } from './flows/order.ts';
import { formatOf, printValue, type ListFormat } from './list/format.ts';
import { patternOf, select, statesOf } from './list/select.ts';
import { surveyAttachments } from '../repair/survey/attachments.ts';
import type { Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** Records that are shown where neither a time nor a number is given. */
const usual = 50;

/** Shows what was recorded of flows, and with --follow what comes. */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { options } = invocation;
  const format = formatOf(invocation);
  if (options['follow'] !== true)
    return showAgain(invocation, format, terminal, async (to) => show(invocation, format, to));
  for (const other of ['watch', 'sort'])
    if (options[other] !== undefined) throw new UsageError(`Cannot use "--follow" and "--${other}" at once`);
  if (format === 'name' || format === 'yaml')
    throw new UsageError(`Cannot follow in the form "${format}": the records come one by one`);
  return follow(invocation, format, terminal);
}

/** What is recorded, each as it is by now, and how much it is. */
async function show(invocation: Invocation, format: ListFormat, terminal: Terminal): Promise<number> {
  const filter = filterOf(invocation);
  const { records, answer } = await recorded(filter, lastOf(invocation, filter), await attachedMeant(invocation));
  const sorted = sortFlows(records, valueOf(invocation, 'sort') as FlowSortKey | undefined);
  if (format === 'yaml') await printValue(terminal, sorted, 'yaml');
  else if (format === 'name') for (const name of new Set(sorted.map(ownerWords))) terminal.out(name);
  else for (const record of sorted) terminal.out(lineOf(record, format, terminal));
  tellLosses(answer, terminal);
  if (answer === undefined)
    terminal.note(`${terminal.paint.warn('!')} ${withoutAgent}: what is shown is from before it ended.`);
  if (records.length === 0) terminal.note(terminal.paint.faint('Nothing of the kind is recorded.'));
  else if (format === 'table' || format === 'wide') {
    terminal.out('');
    terminal.out(wrap(flowTotals(records), terminal.width));
  }
  return 0;
}

const withoutAgent = 'No agent runs, which records flows';

function lineOf(record: FlowRecord, format: ListFormat, terminal: Terminal): string {
  return format === 'json' ? JSON.stringify(record) : flowLine(record, terminal, format === 'wide');
}

/** Attachments that `--stale` and `--no-policy` mean, as they are now; undefined without these options. */
async function attachedMeant(invocation: Invocation): Promise<FlowChoice | undefined> {
  const { options } = invocation;
  if (options['stale'] !== true && options['no-policy'] !== true) return undefined;
  const { attachments } = await surveyAttachments();
  const known = new Set(attachments.map(({ record }) => record.containerId));
  const meant = select(attachments, { isDenied: false, ...statesOf(invocation) }, new Map());
  const ids = new Set(meant.map(({ record }) => record.containerId));
  // What is not there any more is stale too, and nobody knows its policy.
  return ({ container }) => ids.has(container) || (options['no-policy'] !== true && !known.has(container));
}

type FlowChoice = (record: FlowRecord) => boolean;

async function recorded(
  filter: FlowFilter,
  last: number,
  isMeantToo: FlowChoice = () => true,
): Promise<{ readonly records: FlowRecord[]; readonly answer: FlowsAnswer | undefined }> {
  // What is in the middle of its minute is written down first.
  const answer = (await askAgent('flows')) as FlowsAnswer | undefined;
  const { since } = filter;
  const records = await readFlows({
    isWanted: (record) => isMeant(record, filter) && isMeantToo(record),
    last,
    ...(since === undefined ? {} : { since: since - longestRecord }),
  });
  return { records, answer };
}

/** What is recorded, and each record that comes from then on. */
async function follow(invocation: Invocation, format: ListFormat, terminal: Terminal): Promise<number> {
  const filter = filterOf(invocation);
  const isMeantToo = (await attachedMeant(invocation)) ?? (() => true);
  const show = (record: FlowRecord): void => terminal.out(lineOf(record, format, terminal));
  const stop = new AbortController();
  const early: FlowRecord[] = [];
  let tell = (record: FlowRecord): void => void early.push(record);
  const following = followAgent('follow', (event) => tell(event as FlowRecord), stop.signal);
  const { records, answer } = await recorded(filter, lastOf(invocation, filter), isMeantToo);
  records.forEach(show);
  tellLosses(answer, terminal);
  if (answer === undefined) terminal.note(`${terminal.paint.warn('!')} ${withoutAgent}: there is nothing to follow.`);
  const shown = new Set(records.map(stateOf));
  tell = (record) => {
    if (!shown.has(stateOf(record)) && isMeant(record, filter) && isMeantToo(record)) show(record);
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

import { judge, type Verdict } from '../egress/judge.ts';
import type { Policy } from '../egress/policy.ts';
import type { FlowRecord } from '../flows/flow-record.ts';
import { isMeant } from '../flows/filter.ts';
import { readFlows } from '../flows/read.ts';
import { hostText } from '../ip/host-text.ts';
import { readAnyAddress } from '../ip/address.ts';
import { nameCovers } from '../egress/name.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { listRecords } from '../records/store.ts';
import { askAgent } from '../host/agent-socket.ts';
import { surroundingsOf } from '../repair/survey/surroundings.ts';
import { count } from '../repair/survey/words.ts';
import { visible } from '../text/visible.ts';
import { valueOf, type Invocation } from './command.ts';
import { parseSince } from './duration.ts';
import { ownerWords } from './flows/line.ts';
import { patternOf } from './list/select.ts';
import { findPolicy } from './policy/source.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** What became of a destination, and what would become of it. */
interface Change {
  readonly container: string;
  readonly destination: string;
  readonly name: string | null;
  readonly before: 'allow' | 'deny';
  readonly after: 'allow' | 'deny';
  readonly rule: string;
  readonly count: number;
}

/**
 * Holds a policy against what was recorded: which destinations it would deny that were reached, and open that were
 * denied. Exit status 1 when it would deny one.
 */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { operands, options } = invocation;
  const { policy, title } = await findPolicy(operands[0] ?? '');
  const container = valueOf(invocation, 'container');
  const since = parseSince(valueOf(invocation, 'since') ?? '7d');
  await askAgent('flows');
  const { records } = listRecords();
  const flows = await readFlows({
    since,
    isWanted: (flow) =>
      flow.direction !== 'ingress' && isMeant(flow, container === undefined ? {} : { container: patternOf(container) }),
  });
  const changes = distinct(flows).map((flow) => changeOf(flow, policy, records));
  const denied = changes.filter(({ before, after }) => before === 'allow' && after === 'deny');
  const opened = changes.filter(({ before, after }) => before === 'deny' && after === 'allow');
  if (options['json'] === true) printJson(terminal, { destinations: changes.length, denied, opened });
  else print(title, { changes, denied, opened }, terminal);
  return denied.length === 0 ? 0 : 1;
}

/** Each destination of each container once, with the sum of its counts and its latest verdict. */
function distinct(flows: readonly FlowRecord[]): FlowRecord[] {
  const found = new Map<string, FlowRecord>();
  for (const flow of flows) {
    const key = `${flow.container} ${flow.destination} ${flow.protocol} ${flow.port ?? ''}`;
    found.set(key, { ...flow, count: flow.count + (found.get(key)?.count ?? 0) });
  }
  return [...found.values()];
}

function changeOf(flow: FlowRecord, policy: Policy, records: readonly AttachmentRecord[]): Change {
  const { count: times, destination, name, port, protocol, verdict } = flow;
  const { rule, verdict: after } = verdictFor(flow, policy, records);
  const ported = `${port === undefined ? '' : `:${port}`}/${protocol}`;
  return {
    container: ownerWords(flow),
    destination: protocol === 'dns' ? `${destination} (DNS)` : `${hostText(destination)}${ported}`,
    name: name ?? null,
    // What an audit let pass was reached.
    before: verdict === 'deny' ? 'deny' : 'allow',
    after,
    rule,
    count: times,
  };
}

/** A name opens what it led to; a name that was asked for alone is opened by an entry for it. */
function verdictFor(
  { container, destination, name, network, port, protocol }: FlowRecord,
  policy: Policy,
  records: readonly AttachmentRecord[],
): Pick<Verdict, 'verdict' | 'rule'> {
  if (readAnyAddress(destination) === undefined) {
    const entry = policy.names.find((one) => nameCovers(one.name, destination));
    const isAnswered = policy.mode !== 'allowlist' || policy.audit || entry !== undefined;
    return { verdict: isAnswered ? 'allow' : 'deny', rule: entry?.source ?? `mode "${policy.mode}"` };
  }
  const record = records.find((one) => one.containerId === container && one.network === network);
  return judge(
    policy,
    {
      address: destination,
      protocol,
      ...(port === undefined ? {} : { port }),
      names: name === undefined ? [] : [name],
    },
    record === undefined ? undefined : surroundingsOf(record, records),
  );
}

function print(
  title: string,
  { changes, denied, opened }: { changes: readonly Change[]; denied: readonly Change[]; opened: readonly Change[] },
  { note, out, paint, width }: Terminal,
): void {
  if (changes.length === 0)
    return note(
      wrap(
        `Nothing was recorded that ${title} could be held against: the agent records what is denied, and with "record": "all" in a policy what is allowed.`,
        width,
      ),
    );
  out(
    `${title} would deny ${denied.length} of ${count(changes.length, 'destination')} that ${denied.length === 1 ? 'was' : 'were'} reached, and open ${opened.length} that ${opened.length === 1 ? 'was' : 'were'} denied.`,
  );
  const line = (mark: string, { container, destination, name, rule, count: times }: Change): string =>
    `${mark} ${paint.strong(container)}  ${visible(destination)}${name === null || destination.startsWith(name) ? '' : ` ${paint.link(`(${visible(name)})`)}`}  x${times}  ${paint.faint(`by ${visible(rule)}`)}`;
  for (const one of denied) out(line(paint.bad('-'), one));
  for (const one of opened) out(line(paint.good('+'), one));
}

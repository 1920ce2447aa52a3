import { answersEveryName, isAnsweredByAgent } from '../egress/dns-service.ts';
import { denyingRule } from '../egress/deny-names.ts';
import { nameCovers } from '../egress/name.ts';
import { familyOf } from '../ip/family.ts';
import { describeBroken } from '../records/in-force.ts';
import type { AttachmentRecord } from '../records/record.ts';
import { isBroken, listRecords } from '../records/store.ts';
import { CniError, codes } from '../cni/errors.ts';
import { UsageError, type Invocation } from './command.ts';
import { adviceFor, openingEntry } from './explain/advice.ts';
import { findAddresses } from './explain/addresses.ts';
import { parseDestination, type AskedDestination } from './explain/destination.ts';
import { explanationJson } from './explain/explanation-json.ts';
import type { AddressAnswer, Explanation } from './explain/explanation.ts';
import { findForeignWay, verdictThrough } from './explain/foreign-way.ts';
import type { Obstacle } from './explain/obstacle.ts';
import { explainIncoming } from './explain/incoming.ts';
import { incomingOf } from './explain/incoming-question.ts';
import { findObstacles } from './explain/obstacles.ts';
import { incomingJson, printIncoming } from './explain/print-incoming.ts';
import { placeOf, policyFileOf } from '../repair/survey/policy-place.ts';
import { printExplanation } from './explain/print.ts';
import { trace } from './explain/trace.ts';
import { verdictOf, type Ground } from '../repair/survey/verdict.ts';
import { isAgentRunning } from '../repair/survey/agent.ts';
import { shownName } from '../repair/survey/container-names.ts';
import { findAttachments, UnknownContainer } from '../repair/survey/find.ts';
import { readOpenNames } from '../repair/survey/open-names.ts';
import { bypassWords } from '../repair/survey/second-networks.ts';
import { surroundingsOf } from '../repair/survey/surroundings.ts';
import { unappliedPolicies } from '../repair/survey/unapplied-policies.ts';
import { addressesOf, portsOf } from '../records/sections.ts';
import { guestNotes } from './explain/guest.ts';
import { printJson, type Terminal } from './terminal.ts';

/**
 * Whether a container reaches a destination, or somebody outside a container, by which rule, and what to do about it.
 * Exit status 1 when it does not.
 */
export async function run(invocation: Invocation, terminal: Terminal): Promise<number> {
  const { operands, options } = invocation;
  const { records, broken } = listRecords();
  for (const record of broken.filter(isBroken)) terminal.note(`${terminal.paint.warn('!')} ${describeBroken(record)}`);
  const incoming = incomingOf(invocation, records);
  if (incoming !== undefined) {
    const explanation = await explainIncoming(incoming, records);
    if (options['json'] === true) printJson(terminal, incomingJson(explanation));
    else printIncoming(explanation, terminal);
    return explanation.verdict === 'allow' ? 0 : 1;
  }
  const [container = '', destination] = operands;
  if (destination === undefined)
    throw new UsageError(`Cannot tell what "${container}" is to reach: a destination is missing`);
  const asked = withContainer(parseDestination(destination), records);
  const [record] = findAttachments(container, records);
  if (record === undefined) return 1;
  if (record.state === 'adding')
    throw new CniError(
      codes.tryAgainLater,
      `Cannot tell what container "${record.containerId}" reaches: it is being added, or its ADD was cut short`,
      'Try again; "drawbridge list" shows whether it is stale',
    );
  const explanation = await explain({ record, records, asked, isTraced: options['trace'] === true });
  if (options['json'] === true) printJson(terminal, explanationJson(explanation));
  else printExplanation(explanation, terminal);
  return explanation.verdict === 'allow' ? 0 : 1;
}

/**
 * A name without dots, or one that a container has whole, is that of a container, if there is one. The DNS is asked for
 * every other.
 */
function withContainer(asked: AskedDestination, records: readonly AttachmentRecord[]): AskedDestination {
  if (!asked.isName) return asked;
  const isMeant = ({ containerId }: AttachmentRecord): boolean =>
    containerId.toLowerCase() === asked.host || !asked.host.includes('.');
  try {
    const found = findAttachments(asked.host, records).filter(isMeant);
    return found.length === 0 ? asked : { ...asked, container: [...new Set(found.flatMap(addressesOf))] };
  } catch (error) {
    // No name of the DNS has a slash.
    if (error instanceof UnknownContainer && !asked.host.includes('/')) return asked;
    throw error;
  }
}

interface Question {
  readonly record: AttachmentRecord;
  readonly records: readonly AttachmentRecord[];
  readonly asked: AskedDestination;
  readonly isTraced: boolean;
}

async function explain({ record, records, asked, isTraced }: Question): Promise<Explanation> {
  const ground: Ground = {
    record,
    surroundings: surroundingsOf(record, records),
    open: record.egress === undefined ? [] : await readOpenNames(record.egress),
  };
  const { addresses, problems } = await findAddresses(asked, ground);
  const families = new Set(addressesOf(record).map((address) => familyOf(address)));
  const usable = asked.isName ? addresses.filter((address) => families.has(familyOf(address))) : addresses;
  const refused = await refusedLookup(asked, record);
  const closed = closingEntry(asked, record);
  if (closed === undefined && addresses.length === 0 && problems.length > 0 && isOpenQuestion(asked, record))
    throw new CniError(
      codes.tryAgainLater,
      `Cannot tell whether "${shownName(record.containerId)}" reaches "${asked.host}": no address of it is known`,
      `${problems.join('; ')}. Ask for an address, or try again when the name can be resolved`,
    );
  const answers = (await Promise.all(usable.map(async (address) => answerFor(address, asked, ground, records)))).map(
    (answer) => ({ ...answer, obstacles: [...refused, ...answer.obstacles] }),
  );
  const overall =
    closed === undefined
      ? withLookup(overallOf(asked, answers, record), refused)
      : { verdict: 'deny' as const, rule: closed, reason: `its lookup is refused: ${closed} closes "${asked.host}"` };
  const decisive = answers.find(({ rule }) => rule === overall.rule);
  const file = policyFileOf(record);
  const unapplied = ((await unappliedPolicies([record])).get(record.key) ?? []).map(({ what }) => what);
  const own = records.filter(({ containerId }) => containerId === record.containerId);
  const bypassed = bypassWords(own).map(({ what }) => `the container ${what}`);
  const policy = record.egress?.policy;
  const isByPolicy =
    policy !== undefined &&
    (decisive === undefined ? /^(?:mode|deny) /.test(overall.rule) : decisive.verdict === 'deny');
  const [first] = usable;
  return {
    record,
    asked,
    ...overall,
    answers,
    left: addresses.filter((address) => !usable.includes(address)),
    problems: [...problems, ...unapplied, ...bypassed, ...guestNotes(record)],
    file,
    place: file === undefined || decisive?.theirs === true ? undefined : placeOf(decisive?.rule ?? overall.rule, file),
    opening: isByPolicy ? openingEntry(overall.rule, { asked, address: decisive?.address ?? asked.host }) : undefined,
    advice: isByPolicy
      ? adviceFor(overall.rule, {
          policy,
          asked,
          address: decisive?.address ?? asked.host,
          theirs: decisive?.theirs === true,
          published: publishedPort(decisive?.address ?? asked.host, asked, records),
        })
      : undefined,
    trace: isTraced && first !== undefined ? await trace(record, decisive?.address ?? first, asked) : undefined,
  };
}

async function answerFor(
  address: string,
  asked: AskedDestination,
  ground: Ground,
  records: readonly AttachmentRecord[],
): Promise<AddressAnswer> {
  const foreign = await findForeignWay(address, asked, ground);
  const verdict = foreign === undefined ? verdictOf(address, asked, ground) : verdictThrough(foreign, asked, ground);
  const { protocol } = asked;
  const port = foreign === undefined ? asked.port : foreign.port;
  const way = {
    record: ground.record,
    address: foreign?.target ?? address,
    protocol,
    ...(port === undefined ? {} : { port }),
    records,
  };
  const obstacles = verdict.rule === 'itself' ? [] : await findObstacles(way);
  return { address, ...verdict, open: ground.open.filter((one) => one.address === address), obstacles };
}

/** The entry of `deny` by which a name is refused, in its words. */
function closingEntry({ host, isName, container }: AskedDestination, { egress }: AttachmentRecord): string | undefined {
  if (!isName || container !== undefined || egress === undefined || egress.policy.audit) return undefined;
  return denyingRule(egress.policy, host)?.source;
}

/** The agent answers names of the policy alone where a policy has names; "REFUSED" is all that others get. */
async function refusedLookup(asked: AskedDestination, record: AttachmentRecord): Promise<Obstacle[]> {
  const { host, isName, container } = asked;
  const { egress } = record;
  if (!isName || container !== undefined || egress === undefined || closingEntry(asked, record) !== undefined)
    return [];
  const { policy } = egress;
  const isRefused = isAnsweredByAgent(policy) && !answersEveryName(policy) && !policy.audit;
  const isAnswered = !isRefused || policy.names.some(({ name }) => nameCovers(name, host));
  if (isAnswered || !(await isAgentRunning())) return [];
  return [
    {
      kind: 'dns',
      what: `its lookup is refused: the policy does not name "${host}"`,
      remedy: `add "${host}" to "allow", or ask for the address`,
      isAdvice: true,
    },
  ];
}

/** What is not even looked up is denied by that, whatever its addresses are. */
function withLookup(
  overall: Pick<Explanation, 'verdict' | 'rule' | 'reason'>,
  [refused]: readonly Obstacle[],
): Pick<Explanation, 'verdict' | 'rule' | 'reason'> {
  if (refused === undefined || overall.rule === refused.kind) return overall;
  return { ...overall, reason: `${refused.what}; besides, ${overall.reason}` };
}

/** Port of the host that leads to a port of a container. */
function publishedPort(
  address: string,
  { protocol, port }: AskedDestination,
  records: readonly AttachmentRecord[],
): number | undefined {
  return records
    .filter((record) => addressesOf(record).includes(address))
    .flatMap(portsOf)
    .find((mapping) => mapping.protocol === protocol && mapping.containerPort === port)?.hostPort;
}

/** Allowed when every address is: a client takes whichever it likes. */
function overallOf(
  asked: AskedDestination,
  answers: readonly AddressAnswer[],
  record: AttachmentRecord,
): Pick<Explanation, 'verdict' | 'rule' | 'reason'> {
  const [first] = answers;
  if (first === undefined) return withoutAddress(asked, record);
  const denied = answers.find(({ verdict }) => verdict === 'deny');
  const stopped = answers.find(({ obstacles }) => obstacles.length > 0);
  const obstacle = stopped?.obstacles[0];
  if (denied !== undefined) {
    const others = answers.filter(({ verdict, obstacles }) => verdict === 'allow' && obstacles.length === 0).length;
    return {
      verdict: 'deny',
      rule: denied.rule,
      reason:
        others === 0
          ? denied.reason
          : `${others} of ${answers.length} addresses are open, but of ${denied.address}: ${denied.reason}`,
    };
  }
  if (obstacle !== undefined)
    return { verdict: 'deny', rule: obstacle.kind, reason: `the policy allows it, but ${obstacle.what}` };
  return { verdict: 'allow', rule: first.rule, reason: first.reason };
}

/** What does not resolve is not reached, and perhaps would not be if it did. */
function withoutAddress(
  { host }: AskedDestination,
  record: AttachmentRecord,
): Pick<Explanation, 'verdict' | 'rule' | 'reason'> {
  const why = `"${host}" has no address that the container could use`;
  if (isOpenQuestion({ host }, record)) return { verdict: 'deny', rule: 'no address', reason: why };
  return { verdict: 'deny', rule: 'mode "allowlist"', reason: `nothing that is listed opens it; besides, ${why}` };
}

/** Whether it depends on the addresses of a name that it is reached. */
function isOpenQuestion({ host }: Pick<AskedDestination, 'host'>, { egress }: AttachmentRecord): boolean {
  const isListed = egress?.policy.names.some(({ name }) => nameCovers(name, host)) ?? false;
  return egress?.policy.mode !== 'allowlist' || isListed;
}

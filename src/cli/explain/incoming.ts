import { CniError, codes } from '../../cni/errors.ts';
import { reservedRangeOf } from '../../egress/ranges-reserved.ts';
import { findListeners, listeningAddresses } from '../../host/listeners.ts';
import { familyOf } from '../../ip/family.ts';
import type { PortMapping } from '../../ports/mapping.ts';
import type { AttachmentRecord } from '../../records/record.ts';
import { addressesOf, portsOf } from '../../records/sections.ts';
import { waitsForPolicy } from '../../records/waiting.ts';
import { shownName } from '../../repair/survey/container-names.ts';
import { mappingWords } from '../../repair/survey/words.ts';
import { internet, type IncomingQuestion } from './incoming-question.ts';
import type { Obstacle } from './obstacle.ts';
import { findIncomingObstacles } from './obstacles.ts';

/** One way by which what comes in finds a container. */
export interface IncomingWay {
  readonly record: AttachmentRecord;
  /** The published port; absent where the container's own address is asked for. */
  readonly mapping?: PortMapping;
  readonly verdict: 'allow' | 'deny';
  /** What decides: a key with its value, "published", "listener", or the kind of an obstacle. */
  readonly rule: string;
  readonly reason: string;
  /** Whether a program inside listens at the port; null where that cannot be told. */
  readonly listens: boolean | null;
  readonly obstacles: readonly Obstacle[];
}

/** What becomes of what comes in. */
export interface IncomingExplanation extends Pick<IncomingWay, 'verdict' | 'rule' | 'reason'> {
  readonly question: IncomingQuestion;
  readonly ways: readonly IncomingWay[];
  /** What opens it, one sentence without a period. */
  readonly advice: string | undefined;
}

/** Who gets a packet that comes in, whether it is let in, and whether anybody waits for it. Throws code 11. */
export async function explainIncoming(
  question: IncomingQuestion,
  records: readonly AttachmentRecord[],
): Promise<IncomingExplanation> {
  const ways = await Promise.all(waysTo(question, records).map(async (way) => judgeWay(way, question)));
  const direct = question.record === undefined || ways.length > 0 ? [] : [await judgeDirect(question.record, question)];
  const all = [...ways, ...direct];
  const [decisive] = all.toSorted((one, other) => Number(one.verdict === 'deny') - Number(other.verdict === 'deny'));
  if (decisive === undefined) return { question, ways: [], ...(await unpublished(question)) };
  const { verdict, rule, reason, mapping } = decisive;
  return { question, ways: all, verdict, rule, reason, advice: adviceFor(question, rule, mapping) };
}

interface AskedWay {
  readonly record: AttachmentRecord;
  readonly mapping: PortMapping;
}

/** The published ports that are asked for: by the port of the host, or by that of the container. */
function waysTo({ record, host, port, protocol }: IncomingQuestion, records: readonly AttachmentRecord[]): AskedWay[] {
  return records
    .filter((one) => record === undefined || one.key === record.key)
    .flatMap((one) =>
      portsOf(one)
        .filter((mapping) => mapping.protocol === protocol)
        .filter(({ hostPort, containerPort }) => (record === undefined ? hostPort : containerPort) === port)
        .filter(({ hostIp }) => host === undefined || hostIp === undefined || hostIp === host)
        .map((mapping) => ({ record: one, mapping })),
    );
}

async function judgeWay({ record, mapping }: AskedWay, { from, host }: IncomingQuestion): Promise<IncomingWay> {
  refuseUnfinished(record);
  const name = shownName(record.containerId);
  const published = `${name} publishes ${mappingWords(mapping)}`;
  const known = familyAsked(from, host);
  const families = mapping.families.filter((one) => known === undefined || known === one);
  const [family] = families;
  const deny = (rule: string, reason: string): IncomingWay => ({
    record,
    mapping,
    verdict: 'deny',
    rule,
    reason,
    listens: null,
    obstacles: [],
  });
  if (family === undefined) return deny('published', `${published}, and not by IPv${known}`);
  const { hostIp } = mapping;
  if (hostIp !== undefined && isLoopback(hostIp) && !isLoopback(from))
    return deny('published', `${published} at ${hostIp} alone, which programs of the host reach and nobody else`);
  if (hostIp !== undefined && from === internet && reservedRangeOf(hostIp) !== undefined)
    return deny('published', `${published} at ${hostIp} alone, which the internet has no route to`);
  if (waitsForPolicy(record))
    return deny(
      'awaited policy',
      `${published}, but it waits for a policy that never came, and nothing passes until then`,
    );
  return finish(
    { record, mapping, verdict: 'allow', rule: 'published', reason: published },
    { protocol: mapping.protocol, port: mapping.containerPort, family },
  );
}

/** What asks for the container's own address: past the host's ports. */
async function judgeDirect(record: AttachmentRecord, { from, port, protocol }: IncomingQuestion): Promise<IncomingWay> {
  refuseUnfinished(record);
  const name = shownName(record.containerId);
  const none = `no port of the host leads to port ${port}/${protocol} of ${name}`;
  const policy = record.egress?.policy;
  const deny = (rule: string, reason: string): IncomingWay => ({
    record,
    verdict: 'deny',
    rule,
    reason,
    listens: null,
    obstacles: [],
  });
  if (waitsForPolicy(record)) return deny('awaited policy', `${none}, and it waits for a policy that never came`);
  if (policy !== undefined && policy.ingress === 'published' && !policy.audit)
    return deny('ingress "published"', `${none}, and its policy lets nothing else in`);
  const known = familyAsked(from, undefined);
  const address = addressesOf(record).find((one) => known === undefined || familyOf(one) === known);
  if (address === undefined) return deny('address', `${none}, and it has no IPv${known} address of its own`);
  if (from === internet && reservedRangeOf(address) !== undefined)
    return deny('address', `${none}, and the internet has no route to its address ${address}`);
  const rule = policy === undefined ? 'no policy' : policy.audit ? 'audit' : 'ingress "open"';
  const reason = `its address ${address} is open to whoever has a route to it by way of this host`;
  return finish({ record, verdict: 'allow', rule, reason }, { protocol, port, family: familyOf(address) });
}

/** What the rules let in still needs links, rules and somebody who listens. */
async function finish(
  way: Omit<IncomingWay, 'listens' | 'obstacles'>,
  { protocol, port, family }: { readonly protocol: string; readonly port: number; readonly family: 4 | 6 },
): Promise<IncomingWay> {
  const { record } = way;
  const obstacles = await findIncomingObstacles(record, family);
  const listens = isListening(record, { protocol, port, family });
  const [obstacle] = obstacles;
  if (obstacle !== undefined)
    return {
      ...way,
      verdict: 'deny',
      rule: obstacle.kind,
      reason: `${way.reason}, but ${obstacle.what}`,
      listens,
      obstacles,
    };
  if (listens === false)
    return {
      ...way,
      verdict: 'deny',
      rule: 'listener',
      reason: `${way.reason}, but no program inside listens at port ${port}/${protocol} of its address`,
      listens,
      obstacles,
    };
  return { ...way, listens, obstacles };
}

function isListening(
  { netns }: AttachmentRecord,
  { protocol, port, family }: { readonly protocol: string; readonly port: number; readonly family: 4 | 6 },
): boolean | null {
  const addresses = listeningAddresses(netns, protocol, port);
  if (addresses === undefined) return null;
  // What listens at "::" hears IPv4 too, unless it asked for IPv6 alone.
  return addresses.some((one) => one === '::' || (!isLoopback(one) && familyOf(one) === family));
}

/** Nobody has the port: who has it then, and how it is published. */
async function unpublished({
  port,
  protocol,
}: IncomingQuestion): Promise<Pick<IncomingExplanation, 'verdict' | 'rule' | 'reason' | 'advice'>> {
  const none = `no container publishes port ${port}/${protocol}`;
  const [listener] = await findListeners([{ protocol, hostPort: port }]);
  const advice = `"drawbridge port add CONTAINER ${port}:PORT${protocol === 'tcp' ? '' : `/${protocol}`}" publishes it`;
  if (listener === undefined)
    return {
      verdict: 'deny',
      rule: 'not published',
      reason: `${none}, and no program of the host listens there`,
      advice,
    };
  return {
    verdict: 'deny',
    rule: 'host',
    reason: `${none}; ${listener.process ?? 'a program'} of the host listens there, and gets it`,
    advice: undefined,
  };
}

function adviceFor(
  { record, port, protocol }: IncomingQuestion,
  rule: string,
  mapping: PortMapping | undefined,
): string | undefined {
  if (record === undefined || mapping !== undefined || !['address', 'ingress "published"'].includes(rule))
    return undefined;
  return `"drawbridge port add ${shownName(record.containerId)} ${port}${protocol === 'tcp' ? '' : `/${protocol}`}" publishes it`;
}

function refuseUnfinished({ state, containerId }: AttachmentRecord): void {
  if (state === 'adding')
    throw new CniError(
      codes.tryAgainLater,
      `Cannot tell what reaches container "${shownName(containerId)}": it is being added, or its ADD was cut short`,
      'Try again; "drawbridge list" shows whether it is stale',
    );
}

/** The family of what comes in, as far as an address tells it. */
function familyAsked(from: string, host: string | undefined): 4 | 6 | undefined {
  if (host !== undefined) return familyOf(host);
  return from === internet ? undefined : familyOf(from);
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}

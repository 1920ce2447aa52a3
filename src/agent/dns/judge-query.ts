import { denyingRule } from '../../egress/deny-names.ts';
import type { NameRule } from '../../egress/policy.ts';
import { addressBytes } from '../../ip/bytes.ts';
import { familyOf } from '../../ip/family.ts';
import { soaRdata } from './codec.ts';
import { isSearchProduct, rulesFor, type NamesPolicy } from './names-policy.ts';
import type { Query } from './read-query.ts';
import type { ResourceRecord } from './read-response.ts';
import { extendedErrors, forwardedTypes, rcodes, recordTypes, transferTypes, typeName } from './record-types.ts';
import type { Answer } from './write-message.ts';

/** Seconds for which clients may remember that a name is denied, or a neighbour's: both can change. */
const deniedTtl = 5;

const notInPolicy = 'the name is not in the policy';

export type QueryVerdict =
  | {
      readonly verdict: 'forward';
      readonly rules: readonly NameRule[];
      /** Why it would be denied if the policy did more than audit. */
      readonly wouldDeny?: string;
      /** No entry of the policy has the name. */
      readonly isUnlisted?: boolean;
    }
  /** The name is the container's to ask for, and records of the type are nobody's. */
  | { readonly verdict: 'empty'; readonly answer: Answer }
  | { readonly verdict: 'deny'; readonly why: string; readonly answer: Answer; readonly isUnlisted?: boolean };

/**
 * Whether a query leaves the host. What is denied gets the policy's answer, and nothing of it goes anywhere,
 * so that a name is no way to send data out.
 *
 * `policy` is undefined for a source that no attachment has, `ledTo` are the rules by which the container was led to
 * the name (alias-targets.ts).
 */
export function judgeQuery(
  query: Query,
  policy: NamesPolicy | undefined,
  ledTo: readonly NameRule[] = [],
): QueryVerdict {
  const { name, type } = query;
  if (query.edns !== undefined && query.edns.version > 0)
    return deny('its version of EDNS is not known', rcodes.badVers);
  if (policy === undefined) return deny('no policy belongs to the source address', rcodes.refused);
  if (query.class !== 1) return deny('it is not of class IN', rcodes.refused);
  const closed = query.isHostName ? denyingRule(policy, name) : undefined;
  if (closed !== undefined && policy.audit !== true) return denyName(query, policy, closedBy(closed));
  const listed = policy.names === 'any' || !query.isHostName ? [] : rulesFor(policy.names, name);
  const rules = listed.length === 0 ? ledTo : listed;
  const isOutside = policy.names !== 'any' && rules.length === 0;
  if (!query.isHostName || (isOutside && policy.audit !== true))
    return { ...denyName(query, policy, notInPolicy), isUnlisted: query.isHostName };
  if (transferTypes.has(type)) return deny(`a zone is not transferred`, rcodes.notImp);
  // Whose names an address has is nothing that a list of names opens.
  const isForwarded = forwardedTypes.has(type) && (type !== recordTypes.PTR || policy.names === 'any');
  if (!isForwarded) return { verdict: 'empty', answer: emptyAnswer(query) };
  const wouldDeny = closed === undefined ? (isOutside ? notInPolicy : undefined) : closedBy(closed);
  return { verdict: 'forward', rules, isUnlisted: isOutside, ...(wouldDeny === undefined ? {} : { wouldDeny }) };
}

/**
 * Judges the names that an answer leads on to: one that is denied is not told by another name. Undefined where none is,
 * and under an audit.
 */
export function judgeAliases(
  query: Query,
  policy: NamesPolicy,
  answers: readonly ResourceRecord[],
): Extract<QueryVerdict, { verdict: 'deny' }> | undefined {
  if (policy.denyNames === undefined || policy.audit === true) return undefined;
  for (const { target } of answers) {
    const closed = target === undefined ? undefined : denyingRule(policy, target.toLowerCase());
    if (closed !== undefined) return denyName(query, policy, `it leads to "${target}", and ${closedBy(closed)}`);
  }
  return undefined;
}

function closedBy({ source }: NameRule): string {
  return `${source} closes it`;
}

/**
 * The answer to a query for the name of a container of the asker's own network, which leaves the host for nobody. What
 * a resolver makes of such a name and a search domain does not exist, so that it goes on. Undefined for other names.
 */
export function answerNeighbour(
  { name, type }: Query,
  find: (name: string) => readonly string[] | undefined,
): Answer | undefined {
  const addresses = find(name);
  const [label = ''] = name.split('.', 1);
  if (addresses === undefined)
    return label === name || find(label) === undefined
      ? undefined
      : { rcode: rcodes.nxDomain, authorities: [deniedAuthority(name)] };
  const family = type === recordTypes.A ? 4 : type === recordTypes.AAAA ? 6 : undefined;
  const answers = addresses
    .filter((address) => familyOf(address) === family)
    .map((address) => ({ name, type, ttl: deniedTtl, rdata: Buffer.from(addressBytes(address) ?? []) }));
  return answers.length === 0
    ? { rcode: rcodes.noError, authorities: [deniedAuthority(name)] }
    : { rcode: rcodes.noError, answers };
}

/** The start of authority that a negative answer needs: without one a JVM remembers it for ever (cilium PR#38002). */
export function deniedAuthority(name: string): ResourceRecord {
  const rdata = soaRdata({ mname: 'drawbridge.invalid', rname: 'nobody.invalid', serial: 1, minimum: deniedTtl });
  return { name, type: recordTypes.SOA, ttl: deniedTtl, rdata };
}

/** No records of the type: "not implemented" makes some clients give a name up (ANY, DS, SSHFP, …). */
function emptyAnswer({ name, type }: Query): Answer {
  const error = { code: extendedErrors.other, text: `drawbridge: records of type ${typeName(type)} are not looked up` };
  return { rcode: rcodes.noError, authorities: [deniedAuthority(name)], error };
}

function denyName(
  { name, isHostName }: Query,
  policy: NamesPolicy,
  why: string,
): Extract<QueryVerdict, { verdict: 'deny' }> {
  const isMissing = policy.denied === 'nxdomain' || (isHostName && isSearchProduct(policy, name));
  if (!isMissing) return deny(why, rcodes.refused);
  // A name that cannot be written as text gets no authority record.
  return deny(why, rcodes.nxDomain, isHostName ? [deniedAuthority(name)] : []);
}

function deny(
  why: string,
  rcode: number,
  authorities: readonly ResourceRecord[] = [],
): Extract<QueryVerdict, { verdict: 'deny' }> {
  const error = { code: extendedErrors.prohibited, text: `drawbridge: ${why}` };
  return { verdict: 'deny', why, answer: { rcode, authorities, error } };
}

import { compilePolicy } from '../../egress/compile.ts';
import {
  egressElements,
  guardElements,
  isolatesPort,
  linkLocalOf,
  mostConnections,
} from '../../dataplane/elements/egress.ts';
import { connectionsGroup } from '../../egress/connections.ts';
import { quotaGroups } from '../../egress/quota.ts';
import { policyId } from '../../egress/policy-id.ts';
import type { Policy } from '../../egress/policy.ts';
import type { RuleGroup } from '../../nft/group.ts';
import type { EgressRecord } from '../record.ts';
import { hardwareAddress, interfaceName, ipText, list, matching, object, text, whole } from './read-value.ts';
import type { Section } from './section.ts';

/** What the policy plugin made: what the container may reach, and what keeps it to that. */
export const egress: Section<EgressRecord> = {
  read,
  elements: (_, record) => [...egressElements(record), ...guardElements(record)],
  groups: (value, { key }) => [
    compiled(value),
    ...quotaGroups(key, value.policy),
    connectionsGroup(mostConnections(value)),
  ],
  claims: ({ addresses, mac, ingressInterface, port, policy }) => ({
    addresses,
    ingressInterface,
    isOpened: true,
    isPortIsolated: isolatesPort(policy),
    isEnforced: true,
    ...(mac === undefined ? {} : { mac, linkLocal: [linkLocalOf(mac)] }),
    ...(port === undefined ? {} : { hostInterface: port }),
  }),
  port: ({ port, ingressInterface, vlanGateway, mac }) =>
    port === undefined
      ? undefined
      : {
          name: port,
          bridge: vlanGateway?.bridge ?? ingressInterface,
          learns: false,
          ...(mac === undefined ? {} : { mac }),
        },
  // The interface of ours goes with the plugin before in the chain: until then it reaches nothing, not everything.
  leave: (rest) => (rest.link === undefined ? rest : { ...rest, link: { ...rest.link, enforced: true } }),
};

/** Addresses of the container that the policy is not tied to. */
export function withoutPolicy({ addresses }: EgressRecord, found: readonly string[]): string[] {
  return found.filter((address) => !addresses.includes(address));
}

/**
 * The policy's id is made anew: that of another version of this program may be another, and names chains of its own.
 */
function read(value: unknown): EgressRecord {
  const from = object(value, '"egress"');
  matching(from, 'ingressInterface', interfaceName);
  if (from['vlanGateway'] !== undefined)
    for (const key of ['bridge', 'port']) matching(object(from['vlanGateway'], '"vlanGateway"'), key, interfaceName);
  if (from['port'] !== undefined) matching(from, 'port', interfaceName);
  if (from['mac'] !== undefined) matching(from, 'mac', hardwareAddress);
  for (const key of ['addresses', 'gateways']) list(from, key).forEach((ip) => ipText(ip, key));
  if (from['policyName'] !== undefined) text(from, 'policyName');
  if (from['usualConnections'] !== undefined) whole(from, 'usualConnections', 1, 2 ** 32);
  object(from['policy'], '"policy"');
  const record = from as unknown as EgressRecord;
  return { ...record, ...identified(record.policy) };
}

const policies = new Map<string, { readonly policy: WeakRef<Policy>; readonly policyId: string }>();

/** Texts that are remembered before those are forgotten whose policy nobody has any more. */
const mostPolicies = 1000;

/**
 * Many records hold the same policy, and a long one takes a while and some memory: each is there once for as long as
 * somebody has it. Throws for a policy that lacks a part.
 */
function identified(policy: Policy): Pick<EgressRecord, 'policy' | 'policyId'> {
  const text = JSON.stringify(policy);
  const known = policies.get(text);
  const same = known?.policy.deref();
  if (known !== undefined && same !== undefined) return { policy: same, policyId: known.policyId };
  if (policies.size >= mostPolicies)
    for (const [old, { policy: held }] of policies) if (held.deref() === undefined) policies.delete(old);
  const one = { policy: new WeakRef(policy), policyId: known?.policyId ?? policyId(policy) };
  policies.set(text, one);
  return { policy, policyId: one.policyId };
}

const groups = new Map<string, RuleGroup>();

/** Many attachments share a policy, and compiling a long one takes a while. */
function compiled({ policyId: id, policy }: EgressRecord): RuleGroup {
  const known = groups.get(id);
  if (known !== undefined) return known;
  const group = compilePolicy(policy);
  groups.set(id, group);
  return group;
}

import { familyOf } from '../../ip/family.ts';
import type { JudgedPod, NodePolicies } from '../../kubernetes/policy/node-policies.ts';
import type { Profile, ProfileRule } from '../../kubernetes/policy/profile.ts';
import type { ChainDeclaration, SetDeclaration } from '../../nft/declaration.ts';
import type { Element, Part, Verdict } from '../../nft/element.ts';
import type { RuleGroup } from '../../nft/group.ts';
import { perFamily } from '../catalogue/per-family.ts';
import type { Contents } from '../transaction.ts';
import { openChain, podGroup, profileChain } from './pod-group.ts';

const table = 'inet drawbridge';

/** Chains and sets for what holds on a node, and who is in them. */
export function compilePodPolicies({ pods, profiles }: NodePolicies): Contents {
  return {
    groups: [podGroup, ...profiles.map(groupOf)],
    elements: [...pods.flatMap(podElements), ...profiles.flatMap(profileElements)],
  };
}

function podElements({ addresses, into, out }: JudgedPod): Element[] {
  const isFree = into === undefined && out === undefined;
  return addresses.flatMap((address) => {
    const n = familyOf(address);
    return [
      inet(`pods_into${n}`, [address], leadingTo(into)),
      inet(`pods_out${n}`, [address], leadingTo(out)),
      ...(isFree ? [inet(`pods_free${n}`, [address])] : []),
    ];
  });
}

function leadingTo(profile: string | undefined): Verdict {
  return { goto: profile === undefined ? openChain : profileChain(profile) };
}

/** Pods of rules, which come and go. */
function profileElements({ id, rules, named = [] }: Profile): Element[] {
  return [
    ...rules.flatMap(({ addresses }, at) =>
      addresses.map((address) => inet(`${profileChain(id)}_${at}_pods${familyOf(address)}`, [address])),
    ),
    ...unique(
      named.map(({ address, protocol, port }) =>
        inet(`${profileChain(id)}_named${familyOf(address)}`, [address, protocol, port]),
      ),
    ),
  ];
}

/**
 * The rules of a profile: as many as it has distinct lists of ports, whatever the number of policies and of pods.
 * "return" allows. A connection that is not allowed is refused, so that clients need not wait.
 */
function groupOf(profile: Profile): RuleGroup {
  const { id, direction, rules, named } = profile;
  const chain = profileChain(id);
  const peer = direction === 'into' ? 'original' : 'reply';
  const namedRules =
    named === undefined
      ? []
      : [4, 6].map((n) => `${hasPort} ct reply ${n === 4 ? 'ip' : 'ip6'} saddr . ${port} @${chain}_named${n} return`);
  return {
    id: `pods-${id}`,
    sets: [
      ...rules.flatMap((rule, at) => setsOf(rule, `${chain}_${at}`)),
      ...(named === undefined ? [] : namedSets(chain)),
    ],
    chains: [
      {
        table,
        name: chain,
        rules: [
          ...rules.flatMap((rule, at) => rulesOf(rule, `${chain}_${at}`, peer)),
          ...namedRules,
          'meta l4proto tcp counter reject with tcp reset',
          'counter reject with icmpx admin-prohibited',
        ],
      } satisfies ChainDeclaration,
    ],
  };
}

// nft takes the type of a port from the protocol.
const hasPort = 'meta l4proto { tcp, udp, sctp }';
const port = 'meta l4proto . ct reply proto-src';

function rulesOf({ ports, isForEverybody, blocks }: ProfileRule, name: string, peer: 'original' | 'reply'): string[] {
  const at = ports === undefined ? '' : `${hasPort} ${port} @${name}_ports `;
  if (isForEverybody) return [`${at}return`];
  return perFamily((n) => {
    const from = `ct ${peer} ${n === 4 ? 'ip' : 'ip6'} saddr`;
    const hasBlocks = blocks.some((block) => familyOf(block) === n);
    return [`${from} @${name}_pods${n} ${at}return`, ...(hasBlocks ? [`${from} @${name}_blocks${n} ${at}return`] : [])];
  }).flat();
}

function setsOf({ ports, isForEverybody, blocks }: ProfileRule, name: string): SetDeclaration[] {
  const portSet: SetDeclaration = {
    table,
    name: `${name}_ports`,
    key: ['inet_proto', 'inet_service'],
    flags: ['interval'],
    elements: (ports ?? []).map(({ protocol, from, to }) => [protocol, from === to ? from : `${from}-${to}`]),
    filledBy: 'constant',
    about: 'ports of a rule',
  };
  const peerSets = perFamily((n, address): SetDeclaration[] => {
    const own = blocks.filter((block) => familyOf(block) === n);
    return [
      { table, name: `${name}_pods${n}`, key: [address], filledBy: 'peers', about: 'pods of a rule' },
      ...(own.length === 0
        ? []
        : [
            {
              table,
              name: `${name}_blocks${n}`,
              key: [address],
              flags: ['interval'],
              elements: own.map((block) => [block]),
              filledBy: 'constant',
              about: 'networks of a rule',
            } satisfies SetDeclaration,
          ]),
    ];
  }).flat();
  return [...(ports === undefined ? [] : [portSet]), ...(isForEverybody ? [] : peerSets)];
}

function namedSets(chain: string): SetDeclaration[] {
  return perFamily((n, address): SetDeclaration => ({
    table,
    name: `${chain}_named${n}`,
    key: [address, 'inet_proto', 'inet_service'],
    filledBy: 'peers',
    about: 'ports of pods that a rule names',
  }));
}

function inet(set: string, key: readonly Part[], value?: Verdict): Element {
  return { table, set, key, ...(value === undefined ? {} : { value }) };
}

function unique(elements: readonly Element[]): Element[] {
  return [...new Map(elements.map((element) => [JSON.stringify([element.set, element.key]), element])).values()];
}

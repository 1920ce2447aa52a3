/**
 * Everything that our tables declare, besides the chains and sets of policies (egress/compile.ts). The text of the
 * layout, its hash, what may be judged, carried over and watched, and the list in docs/internals.md follow from it.
 *
 * A packet costs the same number of lookups whatever the number of containers and of published ports.
 */
import type { ChainDeclaration, CounterDeclaration, SetDeclaration, TimeoutDeclaration } from '../nft/declaration.ts';
import type { TableName } from '../nft/element.ts';
import { routerSets } from './catalogue/guard-routers.ts';
import { withinSets } from './catalogue/guard-within.ts';
import { guardSets } from './catalogue/guard-sets.ts';
import { guardChains, guardCounters } from './catalogue/guard.ts';
import { ingressPolicyChains, ingressPolicySets } from './catalogue/ingress-policy.ts';
import { denialChains, judgementHooks } from './catalogue/judgement-hooks.ts';
import { judgementCounters, judgementSets } from './catalogue/judgement-sets.ts';
import { judgementChains } from './catalogue/judgement.ts';
import { boundChains, boundCounters, boundSets, boundTimeouts } from './catalogue/bounds.ts';
import { lastResortChains, lastResortSets } from './catalogue/last-resort.ts';
import { namesChains, namesCounters, namesSets } from './catalogue/names.ts';
import { routedChains, routedCounters, routedSets } from './catalogue/routed.ts';
import { publishingChains, publishingSets } from './catalogue/publishing.ts';
import { quotaChains, quotaCounters, quotaSets } from './catalogue/quotas.ts';
import { recordingChains, recordingCounters, recordingSets } from './catalogue/recording.ts';

export interface Catalogue {
  readonly sets: readonly SetDeclaration[];
  readonly counters: readonly CounterDeclaration[];
  readonly timeouts: readonly TimeoutDeclaration[];
  readonly chains: readonly ChainDeclaration[];
}

export const catalogue: Catalogue = {
  sets: [
    ...publishingSets,
    ...routedSets,
    ...ingressPolicySets,
    ...judgementSets,
    ...boundSets,
    ...recordingSets,
    ...quotaSets,
    ...namesSets,
    ...guardSets,
    ...withinSets,
    ...routerSets,
    ...lastResortSets,
  ],
  counters: [
    ...judgementCounters,
    ...routedCounters,
    ...boundCounters,
    ...recordingCounters,
    ...quotaCounters,
    ...namesCounters,
    ...guardCounters,
  ],
  timeouts: boundTimeouts,
  chains: [
    ...publishingChains,
    ...routedChains,
    ...ingressPolicyChains,
    ...judgementHooks,
    ...judgementChains,
    ...boundChains,
    ...recordingChains,
    ...quotaChains,
    ...namesChains,
    ...denialChains,
    ...guardChains,
    ...lastResortChains,
  ],
};

let byName: ReadonlyMap<string, SetDeclaration> | undefined;

/** The set or map of a name; undefined for one of a policy, or of somebody else. */
export function declaredSet(table: TableName, name: string): SetDeclaration | undefined {
  byName ??= new Map(catalogue.sets.map((set) => [`${set.table} ${set.name}`, set]));
  return byName.get(`${table} ${name}`);
}

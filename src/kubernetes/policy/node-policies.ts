/** What the NetworkPolicies of a cluster mean for the pods of one node, without a look at the machine. */
import type { Namespace, NetworkPolicy, Pod } from './objects.ts';
import { profileOf, type Direction, type Profile } from './profile.ts';
import { selects } from './selector.ts';

/** All that is known of the cluster. */
export interface ClusterObjects {
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
  readonly policies: readonly NetworkPolicy[];
}

/** A pod that has its network on this node. */
export interface LocalPod {
  readonly namespace: string;
  readonly name: string;
  /** "" where the runtime did not say. */
  readonly uid: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
}

/** What holds on a node. */
export interface NodePolicies {
  readonly pods: readonly JudgedPod[];
  /** What several pods have in common is there once. */
  readonly profiles: readonly Profile[];
}

/** Which profile judges a pod in each direction; absent where no policy selects it there. */
export interface JudgedPod {
  readonly addresses: readonly string[];
  readonly into?: string;
  readonly out?: string;
}

/**
 * Which policies hold for the pods of a node. A local pod that the cluster does not know (yet, or any more, or under
 * another uid) is left out, and so closed. Its address is known here before the API tells of it.
 */
export function nodePolicies(objects: ClusterObjects, local: readonly LocalPod[]): NodePolicies {
  const known = withLocal(objects.pods, local);
  const labels = new Map(objects.namespaces.map((namespace) => [namespace.name, namespace.labels]));
  const objectOf = podFinder(objects.pods);
  const peers = known.filter((pod) => !pod.isOnHostNetwork && !pod.hasEnded && pod.addresses.length > 0);
  const byNamespace = Map.groupBy(objects.policies, ({ namespace }) => namespace);
  const profiles = new Map<string, Profile>();
  const judge = (pod: Pod, direction: Direction): string | undefined => {
    const holding = (byNamespace.get(pod.namespace) ?? []).filter(
      (policy) => policy[direction] !== undefined && selects(policy.selects, pod.labels),
    );
    if (holding.length === 0) return undefined;
    const profile = profileOf(direction, holding, { pod, peers, labels }, profiles);
    profiles.set(profile.id, profile);
    return profile.id;
  };
  const pods = local.flatMap(({ addresses, ...identity }): JudgedPod[] => {
    const pod = objectOf(identity);
    if (pod === undefined) return [];
    const [into, out] = [judge(pod, 'into'), judge(pod, 'out')];
    return [{ addresses, ...(into === undefined ? {} : { into }), ...(out === undefined ? {} : { out }) }];
  });
  return { pods, profiles: [...profiles.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1)) };
}

/** Finds the object of a pod that has its network here; undefined where the cluster does not know it. */
export function podFinder(pods: readonly Pod[]): (sought: Omit<LocalPod, 'addresses'>) => Pod | undefined {
  const byName = new Map(pods.map((pod) => [`${pod.namespace}/${pod.name}`, pod]));
  return ({ namespace, name, uid }) => {
    const found = byName.get(`${namespace}/${name}`);
    return found === undefined || uid === '' || found.uid === uid ? found : undefined;
  };
}

/** A pod whose address its node has given, and the API does not tell yet. */
function withLocal(pods: readonly Pod[], local: readonly LocalPod[]): Pod[] {
  const given = new Map(local.map((one) => [`${one.namespace}/${one.name}`, one]));
  return pods.map((pod) => {
    const here = given.get(`${pod.namespace}/${pod.name}`);
    if (here === undefined || (here.uid !== '' && here.uid !== pod.uid)) return pod;
    return { ...pod, addresses: here.addresses };
  });
}

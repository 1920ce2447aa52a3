import type { CniArgs } from '../../cni/args.ts';
import type { AttachmentRequest } from '../../cni/request.ts';
import { sha256 } from '../../digest/sha256.ts';
import { findName, nerdctlId } from '../../host/container-names/find-name.ts';

/** Characters; a pod's name has up to 253 and its namespace 63. */
const longest = 400;

/**
 * What the interface of a container is known by, over all lives of the container: the pod of CNI_ARGS (podman passes
 * the name of its container there), or the name that nerdctl or podman gave, or the id, which stays the same while a
 * container is merely stopped.
 */
export function lastingName({ id: { containerId, ifname }, args }: AttachmentRequest): string {
  const name = `${podOf(args) ?? givenName(containerId) ?? `id ${containerId}`} ${ifname}`;
  return name.length > longest ? sha256(name) : name;
}

function podOf({ pairs }: CniArgs): string | undefined {
  const pod = pairs.get('K8S_POD_NAME') ?? '';
  return pod === '' ? undefined : `pod ${pairs.get('K8S_POD_NAMESPACE') ?? ''}/${pod}`;
}

/** Names are unique inside a namespace of nerdctl, which its ids begin with. */
function givenName(containerId: string): string | undefined {
  const found = findName(containerId);
  return found === undefined ? undefined : `name ${nerdctlId.exec(containerId)?.[1] ?? ''}/${found.name}`;
}

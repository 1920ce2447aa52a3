import { parseConfArgs, parseRuntimeConfig } from '../cni/runtime-config.ts';
import type { AttachmentRequest } from '../cni/request.ts';
import type { AttachmentRecord } from '../records/record.ts';

/** Labels that are kept: they stand in every record of a flow. */
const most = 16;
/** Characters of a name, as Kubernetes has it (a prefix of 253, a slash and 63), and of a value. */
const longestName = 317;
const longestValue = 128;

/**
 * What a runtime says of a container besides its name: the labels of `args.cni`, and the annotations of a pod
 * (capability "io.kubernetes.cri.pod-annotations"), sixteen of them at most. Longer ones are left out: some annotations
 * hold whole manifests.
 */
export function labelsOf({ config: { fields } }: AttachmentRequest): Pick<AttachmentRecord, 'labels'> {
  const told = [...parseRuntimeConfig(fields).podAnnotations, ...parseConfArgs(fields).labels];
  const kept = [...new Map(told)].filter(
    ([name, value]) => name !== '' && name.length <= longestName && value.length <= longestValue,
  );
  return kept.length === 0 ? {} : { labels: Object.fromEntries(kept.slice(0, most)) };
}

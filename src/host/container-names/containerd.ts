import { readRegularFile } from '../../egress/load-file.ts';
import { listReadable } from '../files.ts';
import { longestFile, type ContainerName } from './container-name.ts';

/** Folder of the specifications of running tasks. */
export const bundleRoot = '/run/containerd/io.containerd.runtime.v2.task';

/**
 * Names of pods, and those that nerdctl gave, out of the specification of each running task of containerd
 * (ROOT/NAMESPACE/ID/config.json): its annotations. A pod is known to CNI by the id of its sandbox.
 */
export function containerdNames(root = bundleRoot): ContainerName[] {
  return listReadable(root).flatMap((namespace) =>
    listReadable(`${root}/${namespace}`).flatMap((id) =>
      nameOf(namespace, id, annotationsOf(`${root}/${namespace}/${id}`)),
    ),
  );
}

/** The name that annotations give; none where they give none. */
export function nameOf(
  containerdNamespace: string,
  id: string,
  annotations: Readonly<Record<string, unknown>>,
): ContainerName[] {
  const kind = annotations['io.kubernetes.cri.container-type'];
  const [pod, namespace, name] = [
    annotations['io.kubernetes.cri.sandbox-name'],
    annotations['io.kubernetes.cri.sandbox-namespace'],
    annotations['nerdctl/name'],
  ];
  if (kind === 'sandbox' && typeof pod === 'string' && typeof namespace === 'string')
    return [{ containerId: id, name: pod, namespace }];
  return typeof name === 'string' ? [{ containerId: `${containerdNamespace}-${id}`, name }] : [];
}

/** Annotations of the specification in a bundle; none where there is no such bundle. */
export function annotationsOf(bundle: string): Record<string, unknown> {
  try {
    const { annotations } = JSON.parse(readRegularFile(`${bundle}/config.json`, longestFile)) as {
      annotations?: Record<string, unknown>;
    };
    return annotations ?? {};
  } catch {
    return {};
  }
}

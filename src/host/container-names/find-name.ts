import { annotationsOf, bundleRoot, nameOf } from './containerd.ts';
import type { ContainerName } from './container-name.ts';
import { nerdctlNames } from './nerdctl.ts';
import { podmanNames } from './podman.ts';

/**
 * What a runtime calls one container, which may just be starting. The specification of nerdctl's container is one file
 * that its id leads to; only without it all names of the host are read.
 */
export function findName(containerId: string): ContainerName | undefined {
  const [, namespace, id] = nerdctlId.exec(containerId) ?? [];
  const [own] =
    namespace === undefined || id === undefined
      ? []
      : nameOf(namespace, id, annotationsOf(`${bundleRoot}/${namespace}/${id}`));
  return own ?? [...podmanNames(), ...nerdctlNames()].find((one) => one.containerId === containerId);
}

/** "NAMESPACE-ID", as nerdctl calls a container to CNI. */
export const nerdctlId = /^(.+)-([0-9a-f]{64})$/;

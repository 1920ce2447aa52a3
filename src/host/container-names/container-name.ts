/** What a runtime calls a container: how people know it. */
export interface ContainerName {
  /** Id as CNI has it. */
  readonly containerId: string;
  readonly name: string;
  /** Kubernetes namespace of a pod, whose name `name` is then. */
  readonly namespace?: string;
}

/** Bytes of a file of a runtime; those of podman list every container of the host. */
export const longestFile = 32 << 20;

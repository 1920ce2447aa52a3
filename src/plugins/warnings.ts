import { warn } from '../cni/warn.ts';
import { findListeners } from '../host/listeners.ts';
import { describeMapping, type PortMapping } from '../ports/mapping.ts';

/** Names the ports that are not published, because the container has no address of their family. */
export function warnOfUnserved(unserved: readonly PortMapping[]): void {
  for (const mapping of unserved)
    warn(
      `${describeMapping(mapping)} is not published: the container has no IPv${mapping.families.join(' or IPv')} address`,
    );
}

/**
 * Names the processes of the host that listen on a port to be published, which then no longer get its traffic.
 * No reason to refuse: nerdctl reserves the ports that it publishes with sockets of its own.
 */
export async function warnOfListeners(ports: readonly PortMapping[]): Promise<void> {
  for (const { protocol, port, process: owner } of await findListeners(ports)) {
    warn(
      `port ${port}/${protocol} of the host is published, and ${owner ?? 'a process'} listens on it; its traffic now goes to the container`,
    );
  }
}

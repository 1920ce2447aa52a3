import { readRegularFile } from '../../egress/load-file.ts';
import { longestFile, type ContainerName } from './container-name.ts';

/** Where containers/storage keeps its list: on disk, and of containers that live in memory alone. */
const files = ['containers.json', 'volatile-containers.json'];

/** Names that podman gave: containers/storage lists containers with id and names. */
export function podmanNames(root = '/var/lib/containers/storage/overlay-containers'): ContainerName[] {
  return files.flatMap((file) => {
    try {
      const listed: unknown = JSON.parse(readRegularFile(`${root}/${file}`, longestFile));
      return Array.isArray(listed) ? listed.flatMap(nameIn) : [];
    } catch {
      return [];
    }
  });
}

function nameIn(entry: unknown): ContainerName[] {
  const { id, names } = (entry ?? {}) as { id?: unknown; names?: unknown };
  const [name]: unknown[] = Array.isArray(names) ? names : [];
  return typeof id === 'string' && typeof name === 'string' ? [{ containerId: id, name }] : [];
}

import { readRegularFile } from '../../egress/load-file.ts';
import { listReadable } from '../files.ts';
import { longestFile, type ContainerName } from './container-name.ts';

/**
 * Names that nerdctl gave: in /var/lib/nerdctl/ADDRESS/names/NAMESPACE there is one file of each name, and in it the id
 * (nerdctl, pkg/namestore). To CNI it calls the container "NAMESPACE-ID".
 */
export function nerdctlNames(root = '/var/lib/nerdctl'): ContainerName[] {
  return listReadable(root).flatMap((address) =>
    listReadable(`${root}/${address}/names`).flatMap((namespace) =>
      listReadable(`${root}/${address}/names/${namespace}`).flatMap((name): ContainerName[] => {
        const id = read(`${root}/${address}/names/${namespace}/${name}`);
        return id === '' ? [] : [{ containerId: `${namespace}-${id}`, name }];
      }),
    ),
  );
}

function read(file: string): string {
  try {
    return readRegularFile(file, longestFile).trim();
  } catch {
    return '';
  }
}

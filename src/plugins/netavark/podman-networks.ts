import { readFileSync } from 'node:fs';
import { Fields } from '../../cni/fields.ts';
import { listReadable } from '../../host/files.ts';
import { readPrefix } from '../../ip/address.ts';

/** Where podman keeps the networks of root. */
const networksFolder = '/etc/containers/networks';

/** Subnets of podman's networks, in use or not. A file that cannot be read is podman's to complain of. */
export function readPodmanSubnets(folder = networksFolder): string[] {
  return listReadable(folder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => subnetsOf(`${folder}/${file}`));
}

function subnetsOf(file: string): string[] {
  try {
    const subnets = new Fields(JSON.parse(readFileSync(file, 'utf8'))).objects('subnets') ?? [];
    return subnets.map((one) => one.string('subnet') ?? '').filter((text) => readPrefix(text) !== undefined);
  } catch {
    return [];
  }
}

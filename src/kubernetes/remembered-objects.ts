import { runDir } from '../host/paths.ts';
import { readText, writeWhole } from '../host/state-file.ts';
import type { Namespace, NetworkPolicy, Pod } from './policy/objects.ts';

/** What an agent knew of the cluster; by namespace and name. */
export interface RememberedObjects {
  readonly pods: readonly (readonly [string, Pod])[];
  readonly namespaces: readonly (readonly [string, Namespace])[];
  readonly policies: readonly (readonly [string, NetworkPolicy])[];
}

const file = `${runDir}/cluster/objects.json`;

/** For an agent that starts while the API is away. Undefined when there is nothing, or it is not whole. */
export function recallObjects(): RememberedObjects | undefined {
  const text = readText(file);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as RememberedObjects);
  } catch {
    return undefined;
  }
}

/** Throws code 5. */
export function rememberObjects(objects: RememberedObjects): void {
  writeWhole(file, JSON.stringify(objects), `Cannot write "${file}"`);
}

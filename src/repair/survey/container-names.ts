import { visible } from '../../text/visible.ts';
import { containerdNames } from '../../host/container-names/containerd.ts';
import type { ContainerName } from '../../host/container-names/container-name.ts';
import { nerdctlId } from '../../host/container-names/find-name.ts';
import { nerdctlNames } from '../../host/container-names/nerdctl.ts';
import { podmanNames } from '../../host/container-names/podman.ts';
import { shortId } from './words.ts';

let known: ReadonlyMap<string, ContainerName> | undefined;
let shared: ReadonlySet<string> = new Set();

/** What runtimes call the containers of this host, by their ids. Read once: a command is short. */
export function containerNames(): ReadonlyMap<string, ContainerName> {
  if (known !== undefined) return known;
  known = readContainerNames();
  const words = [...known.values()].map(wordsOf);
  shared = new Set(words.filter((word, index) => words.indexOf(word) !== index));
  return known;
}

/** Has the names read anew when they are asked for next: by a command that goes on. */
export function forgetContainerNames(): void {
  known = undefined;
}

/** As {@link containerNames}, read now. */
export function readContainerNames(): ReadonlyMap<string, ContainerName> {
  const found = [...podmanNames(), ...containerdNames(), ...nerdctlNames()].filter(({ name }) => name !== '');
  return new Map(found.map((one) => [one.containerId, { ...one, name: visible(one.name) }]));
}

/**
 * How a container is shown: "web", "default/web" of a pod, with the short id when two have one name; else the short id.
 */
export function shownName(containerId: string): string {
  const name = containerNames().get(containerId);
  if (name === undefined) return shortId(containerId);
  const words = wordsOf(name);
  return shared.has(words) ? `${words} (${idOf(containerId)})` : words;
}

/** "web", or "default/web" of a pod. */
export function wordsOf({ name, namespace }: ContainerName): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** nerdctl puts its namespace before the id. */
function idOf(containerId: string): string {
  return shortId(nerdctlId.exec(containerId)?.[2] ?? containerId);
}

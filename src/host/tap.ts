import { CniError, codes } from '../cni/errors.ts';
import type { LinkCommand } from '../links/command.ts';
import type { ShownFilter } from '../links/shaping.ts';
import type { FoundRedirections } from '../links/state.ts';
import { applyCommands } from './apply.ts';
import { showJson } from './ip.ts';
import { LinkError } from './link-error.ts';
import { readLinksOf, readWith } from './netlink/read.ts';
import { redirectionsOf } from './netlink/redirections.ts';

/** Removes a tap from the namespace of a VMM. Being gone is as good. */
export async function removeTap(name: string, netns: string): Promise<void> {
  await unlessGone([{ kind: 'deleteLink', name }], netns);
}

/** A tap beside an interface, in a namespace. */
interface Redirection {
  readonly tap: string;
  readonly ifname: string;
  readonly netns: string;
}

/** Makes a tap beside an interface of another plugin. After an error nothing of it is left. Throws code 102. */
export async function addRedirection(commands: readonly LinkCommand[], place: Redirection): Promise<void> {
  try {
    await applyCommands(commands, { netns: place.netns });
  } catch (error) {
    const isTaken = error instanceof LinkError && error.reason === 'exists' && error.command?.kind === 'addTap';
    if (!isTaken) await removeRedirection(place);
    if (!isTaken) throw error;
    throw new CniError(
      codes.conflict,
      `Cannot create the tap "${place.tap}" in "${place.netns}": there is an interface of that name`,
      'A tap is added once; send a DEL before the next ADD, or choose another name',
    );
  }
}

/** Takes away a tap, and what hands on to it. Being gone is as good. */
export async function removeRedirection({ tap, ifname, netns }: Redirection): Promise<void> {
  await removeTap(tap, netns);
  await unlessGone([{ kind: 'deleteQueue', name: ifname, queue: 'ingress' }], netns);
}

/** What tap and interface each hand on to: names of interfaces of that namespace. */
export async function readRedirections({ tap, ifname, netns }: Redirection): Promise<FoundRedirections> {
  const [fromTap, fromInterface] = await Promise.all([targetsOf(tap, netns), targetsOf(ifname, netns)]);
  return { fromTap, fromInterface };
}

async function targetsOf(name: string, netns: string): Promise<string[]> {
  const read = await readWith(netns, (conversation) => {
    const links = readLinksOf(conversation);
    const index = links.find((link) => link.name === name)?.index;
    const targets = index === undefined ? [] : redirectionsOf(conversation, index);
    return links.filter((link) => targets.includes(link.index)).map((link) => link.name);
  });
  if (read !== undefined) return read.value;
  const shown = await showJson(['filter', 'show', 'dev', name, 'ingress'], { netns, program: 'tc' });
  return ((shown ?? []) as ShownFilter[]).flatMap(({ options }) =>
    (options?.actions ?? []).flatMap(({ kind, to_dev: to }) => (kind === 'mirred' && to !== undefined ? [to] : [])),
  );
}

async function unlessGone(commands: readonly LinkCommand[], netns: string): Promise<void> {
  try {
    await applyCommands(commands, { netns });
  } catch (error) {
    if (!(error instanceof LinkError && ['missing', 'netns'].includes(error.reason))) throw error;
  }
}

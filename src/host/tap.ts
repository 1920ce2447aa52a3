import { CniError, codes } from '../cni/errors.ts';
import type { LinkCommand } from '../links/command.ts';
import { redirectsTo, type ShownFilter } from '../links/shaping.ts';
import { applyCommands } from './apply.ts';
import { showJson } from './ip.ts';
import { LinkError } from './link-error.ts';
import { readInterfaceOf, readWith } from './netlink/read.ts';
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

/** Says which of the two, tap and interface, does not hand on what it gets; nothing where both do. */
export async function brokenRedirections({ tap, ifname, netns }: Redirection): Promise<string[]> {
  const ways = [
    { from: ifname, to: tap },
    { from: tap, to: ifname },
  ];
  const broken = await Promise.all(
    ways.map(async (way) =>
      (await isRedirected(way, netns)) ? [] : [`"${way.from}" does not hand on to "${way.to}"`],
    ),
  );
  return broken.flat();
}

async function isRedirected(
  { from, to }: { readonly from: string; readonly to: string },
  netns: string,
): Promise<boolean> {
  const read = await readWith(netns, (conversation) => {
    const [source, target] = [from, to].map((name) => readInterfaceOf(conversation, name)?.index);
    return source !== undefined && target !== undefined && redirectionsOf(conversation, source).includes(target);
  });
  if (read !== undefined) return read.value;
  const shown = await showJson(['filter', 'show', 'dev', from, 'ingress'], { netns, program: 'tc' });
  return redirectsTo(to, (shown ?? []) as ShownFilter[]);
}

async function unlessGone(commands: readonly LinkCommand[], netns: string): Promise<void> {
  try {
    await applyCommands(commands, { netns });
  } catch (error) {
    if (!(error instanceof LinkError && ['missing', 'netns'].includes(error.reason))) throw error;
  }
}

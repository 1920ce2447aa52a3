/** Why a command for links failed, and the words for it. */
import { CniError, codes } from '../cni/errors.ts';
import type { LinkCommand } from '../links/command.ts';
import { textOf } from '../links/text.ts';
import type { Refusal } from './netlink/apply.ts';
import { strerror } from './netlink/errno.ts';
import { failureOf, type LinkFailure } from './link-failure.ts';
import type { ToolError } from './tool-error.ts';

/** A command that the kernel or a program refused. Commands before it were carried out, later ones were not. */
export class LinkError extends CniError {
  readonly reason: LinkFailure;
  /** As in errno(3); undefined when a program told, which prints words alone. */
  readonly errno: number | undefined;
  /** Undefined when a program did not say which it was. */
  readonly command: LinkCommand | undefined;
  /** Its place among the commands, from 0. */
  readonly index: number | undefined;

  private constructor({ reason, errno, said, printed = said, index, commands, netns }: FailedCommand) {
    const command = index === undefined ? undefined : commands[index];
    const what = command === undefined ? 'Cannot configure links' : `Cannot apply "${textOf(command)}"`;
    const place = netns === undefined ? '' : ` in "${netns}"`;
    super(
      reason === 'netns' ? codes.invalidNetns : codes.commandFailed,
      `${what}${place}: ${said}`,
      reason === 'other' ? printed : advice[reason],
    );
    this.reason = reason;
    this.errno = errno;
    this.command = command;
    this.index = index;
  }

  /** What the kernel refused. */
  static ofKernel(refusal: Refusal, { commands, netns }: CommandsAt): LinkError {
    const { index, errno, sentence, missing } = refusal;
    const reason = missing?.kind === 'namespace' ? 'netns' : failureOf(errno, commands[index]);
    const said = sentence ?? (missing === undefined ? strerror(errno) : wordsOfMissing(missing));
    return new LinkError({ reason, errno, said, index, commands, netns });
  }

  /** What a program said. */
  static ofTool(error: ToolError, { commands, netns }: CommandsAt): LinkError {
    return new LinkError({ ...error, errno: undefined, commands, netns });
  }
}

/** Commands, and the network namespace that they were for; absent means that of this process. */
export interface CommandsAt {
  readonly commands: readonly LinkCommand[];
  readonly netns: string | undefined;
}

interface FailedCommand extends CommandsAt {
  readonly reason: LinkFailure;
  readonly errno: number | undefined;
  readonly said: string;
  readonly printed?: string;
  readonly index: number | undefined;
}

function wordsOfMissing({ kind, name }: NonNullable<Refusal['missing']>): string {
  return kind === 'interface' ? `Cannot find device "${name}"` : `there is no network namespace "${name}"`;
}

/** Ports that a bridge of Linux takes (BR_MAX_PORTS of net/bridge/br_private.h, of which it never gives number 0). */
export const mostPorts = 1023;

const advice: Readonly<Record<Exclude<LinkFailure, 'other'>, string>> = {
  netns:
    'The network namespace does not exist: the container has ended, or the path belongs to another mount namespace',
  'ipv6-disabled': 'The sysctl "disable_ipv6" is 1 on that interface',
  exists: 'Something has that name, address or route already',
  missing: 'Another program removed the interface in the meantime',
  'no-such-address': 'Another program removed the address in the meantime',
  unreachable: 'A gateway has to lie in the network of an address of the same interface',
  unsupported:
    'The kernel lacks this feature: bridge and veth need CONFIG_BRIDGE and CONFIG_VETH, VLANs of a bridge need CONFIG_BRIDGE_VLAN_FILTERING, filters CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF',
  full: `A bridge takes ${mostPorts} ports: give further containers a network with a bridge of its own`,
  'not-permitted': 'CAP_NET_ADMIN over both network namespaces is needed',
};

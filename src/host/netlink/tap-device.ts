import { closeSync, openSync } from 'node:fs';
import type { LinkCommand } from '../../links/command.ts';
import { RefusedError } from './conversation.ts';
import type { Kernel } from './libc.ts';
import { u16 } from './message.ts';

/**
 * Makes a tap that stays when nobody has it open: netlink makes none, only its own device does (drivers/net/tun.c).
 * Throws {@link RefusedError}; nothing is there then.
 */
export function makeTap(
  kernel: Kernel,
  { name, owner, group, multiQueue = false, vnetHeader = false }: LinkCommand<'addTap'>,
  netns: string | undefined,
): void {
  const file = openDevice(kernel, netns);
  try {
    const flags =
      flag.tap | flag.plain | flag.exclusive | (multiQueue ? flag.queues : 0) | (vnetHeader ? flag.header : 0);
    const settings: readonly (readonly [number, Uint8Array | number])[] = [
      [request.make, interfaceRequest(name, flags)],
      ...(owner === undefined ? [] : ([[request.owner, owner]] as const)),
      ...(group === undefined ? [] : ([[request.group, group]] as const)),
      [request.persist, 1],
    ];
    for (const [number, value] of settings) {
      const errno = kernel.control(file, number, value);
      if (errno !== 0) throw new RefusedError(errno, undefined);
    }
  } finally {
    closeSync(file);
  }
}

const device = '/dev/net/tun';

/** Which namespace its interfaces are in is settled when it is opened. */
function openDevice(kernel: Kernel, netns: string | undefined): number {
  const open = (): number => openSync(device, 'r+');
  try {
    return netns === undefined ? open() : kernel.within(netns, open);
  } catch (error) {
    const { errno = EIO } = error as NodeJS.ErrnoException;
    throw new RefusedError(Math.abs(errno), `the device "${device}" cannot be opened`);
  }
}

const EIO = 5;

/** Of linux/if_tun.h; powerpc has the bits for the direction elsewhere (asm/ioctl.h). */
const write = process.arch === 'ppc64' ? 0x80000000 : 0x40000000;
const intRequest = (number: number): number => write + (4 << 16) + ('T'.charCodeAt(0) << 8) + number;
const request = {
  make: intRequest(202),
  persist: intRequest(203),
  owner: intRequest(204),
  group: intRequest(206),
} as const;
/** "plain" is a frame without a header of the driver's own; "exclusive" fails where there is one of the name. */
const flag = { tap: 0x2, plain: 0x1000, exclusive: 0x8000, queues: 0x100, header: 0x4000 } as const;

/** struct ifreq: a name of 16 bytes, then what is asked for. */
function interfaceRequest(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(40);
  bytes.set(new TextEncoder().encode(name).subarray(0, 15));
  bytes.set(u16(flags), 16);
  return bytes;
}

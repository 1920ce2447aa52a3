import { setTimeout as sleep } from 'node:timers/promises';
import type { Container, Daemon, Host } from '../helpers/private-host.ts';
import type { GuestImage } from './image.ts';

/** What `drawbridge tap add --json` and `list --json` say of a guest. */
export interface GuestWords {
  readonly tap: string;
  readonly mac: string;
  readonly kernelArgument?: string;
  readonly initArgument?: string;
}

/** A guest that runs. */
export interface VirtualMachine {
  /** Runs a line of sh in the guest, as root; what it prints, and its exit status. */
  run(line: string, options?: { readonly timeout?: number }): Promise<{ readonly code: number; readonly text: string }>;
  readonly daemon: Daemon;
}

/** Milliseconds for a boot: a machine that QEMU plays on a loaded machine takes a minute and more. */
const bootDeadline = 300_000;

let machines = 0;

/**
 * Boots a guest behind a tap of the host, and waits for it; `further` are taps of more
 * network cards, `where` is the container whose namespace has the taps. It ends with the
 * host, or by `daemon.stop(9)`.
 */
export async function bootGuest(
  host: Host,
  image: GuestImage,
  { tap, mac, kernelArgument = '', initArgument = '' }: GuestWords,
  { further = [], where }: { readonly further?: readonly GuestWords[]; readonly where?: Container } = {},
): Promise<VirtualMachine> {
  const lines = `/run/vm-${++machines}.in`;
  const machine = '-M q35 -accel tcg -cpu max -smp 1 -m 256 -nodefaults -display none -no-reboot -monitor none';
  const words = [
    ...image.qemu,
    ...machine.split(' '),
    '-serial',
    'stdio',
    '-kernel',
    image.kernel,
    '-initrd',
    image.initramfs,
    '-append',
    `console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable ${kernelArgument} ${initArgument}`,
    ...[{ tap, mac }, ...further].flatMap((card, place) => cardWords(card, place)),
  ];
  const start = 'mkfifo "$1"; exec 3<>"$1"; shift; exec nice "$@" <&3';
  const daemon = await host.spawn(['/bin/sh', '-ec', start, 'sh', lines, ...words], where && { where });
  await waitFor(host, daemon, '@@ready', bootDeadline);
  let number = 0;
  return {
    daemon,
    run: async (line, { timeout = 30_000 } = {}) => {
      number += 1;
      const before = (await readLog(host, daemon)).length;
      await host.run(['/bin/sh', '-ec', 'cat > "$1"', 'sh', lines], { input: `${line}\n` });
      const found = await waitFor(host, daemon, `@@${number} `, timeout, before);
      const end = found.indexOf(`@@${number} `);
      const code = Number(/^@@\d+ (\d+)/u.exec(found.slice(end))?.[1] ?? -1);
      return { code, text: found.slice(0, end).trim() };
    },
  };
}

function cardWords({ tap, mac }: GuestWords, place: number): string[] {
  return [
    '-netdev',
    `tap,id=net${place},ifname=${tap},script=no,downscript=no`,
    '-device',
    `virtio-net-pci,netdev=net${place},mac=${mac},romfile=`,
  ];
}

/** What the console printed from `from` on, when it has the mark and the rest of its line. */
async function waitFor(host: Host, daemon: Daemon, mark: string, timeout: number, from = 0): Promise<string> {
  const start = performance.now();
  for (;;) {
    const text = (await readLog(host, daemon)).slice(from);
    const at = text.indexOf(mark);
    if (at !== -1 && text.includes('\n', at)) return text;
    if (performance.now() - start > timeout || !(await daemon.running()))
      throw new Error(`The guest did not say "${mark}" in ${timeout} ms; it said:\n${text.slice(-2000)}`);
    await sleep(200);
  }
}

async function readLog(host: Host, { log }: Daemon): Promise<string> {
  return (await host.run(['cat', log])).replaceAll('\r', '');
}

/** The program that stands for a VM's guest behind a tap (guest.py). */
import { join } from 'node:path';
import type { Container, Host, Json } from './host.ts';

const program = join(import.meta.dirname, 'guest.py');

/** A guest, as the result of its ADD tells it. */
export interface ToldGuest {
  readonly tap: string;
  readonly mac: string;
  /** Of IPv4, without prefix length. */
  readonly address: string;
  /** What stands for the VM: its program with its tap, MAC, address and gateway. */
  readonly cmd: readonly string[];
}

/** The guest whose interface is in a sandbox of this name. */
export function toldGuest(result: Json, sandbox: string): ToldGuest {
  const { interfaces, ips } = result as { interfaces: Json[]; ips: Json[] };
  const at = interfaces.findIndex((one) => one['sandbox'] === sandbox);
  const ip = ips.find((one) => one['interface'] === at && !String(one['address']).includes(':'));
  const [tap, mac] = [String(interfaces[at]?.['name']), String(interfaces[at]?.['mac'])];
  const address = String(ip?.['address']).split('/', 1)[0] ?? '';
  return { tap, mac, address, cmd: guestCommand([tap, mac, address, String(ip?.['gateway'])]) };
}

export function guestCommand(words: readonly string[]): string[] {
  return ['/usr/bin/python3', program, ...words];
}

/** Carries out orders in the guest, one after the other; what each of them answers. */
export async function ask(
  host: Host,
  { container, cmd }: { readonly container?: Container; readonly cmd: readonly string[] },
  orders: readonly Json[],
): Promise<unknown[]> {
  const input = orders.map((order) => `${JSON.stringify(order)}\n`).join('');
  const where = container === undefined ? {} : { where: container };
  const printed = await host.run(cmd, { ...where, input, timeout: 30_000 });
  return printed
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => JSON.parse(line) as unknown);
}

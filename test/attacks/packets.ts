import type { Host, Place } from '../helpers/host.ts';

/** Sends what an expression of scapy makes, from a namespace; `modules` are those beyond its usual ones. */
export async function sendPacket(
  host: Host,
  from: Place,
  expression: string,
  modules: readonly string[] = [],
): Promise<void> {
  const imports = ['scapy.all', ...modules].map((one) => `from ${one} import *\n`).join('');
  const script = `${imports}send(${expression}, verbose=False)`;
  await host.run(['/usr/bin/python3', '-c', script], { where: from, timeout: 20_000 });
}

/** Sends frames: the MAC that each is for, and what an expression of scapy makes inside. */
export async function sendFrames(
  host: Host,
  from: Place,
  frames: readonly (readonly [mac: string, expression: string])[],
): Promise<void> {
  const list = frames.map(([mac, expression]) => `Ether(dst="${mac}")/${expression}`).join(', ');
  const script = `from scapy.all import *\nsendp([${list}], iface="eth0", verbose=False)`;
  await host.run(['/usr/bin/python3', '-c', script], { where: from, timeout: 20_000 });
}

/** Has bridged packets pass rules of the inet family, or not; false where the kernel cannot. */
export async function setBridgeNetfilter(host: Host, value: 0 | 1): Promise<boolean> {
  const files = '/proc/sys/net/bridge/bridge-nf-call-ip*tables';
  await host.sh(`for file in ${files}; do [ ! -e $file ] || echo ${value} > $file; done`);
  return value === 0 || (await host.exec(['sh', '-c', `ls ${files}`])).code === 0;
}

/** Has a namespace count what is let in to it and matches; the function reads how many packets there were so far. */
export async function countArrivals(
  host: Host,
  where: Place,
  match: string,
  hook = 'input priority 100',
): Promise<() => Promise<number>> {
  await host.run(['nft', '-f', '-'], {
    where,
    input: `table inet arrivals {\n chain counted {\n type filter hook ${hook};\n ${match} counter\n }\n}\n`,
  });
  return async () =>
    Number(/packets (\d+)/u.exec(await host.run(['nft', 'list', 'table', 'inet', 'arrivals'], { where }))?.[1] ?? -1);
}

/** Waits until what was sent would have arrived. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 150));
}

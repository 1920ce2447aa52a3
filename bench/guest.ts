/** What a policy costs a guest: a VM with two network cards, of which one is under a policy. */
import { makeHost, type Host } from '../test/helpers/private-host.ts';
import { pluginFolder } from '../test/helpers/executable.ts';
import { makeImage, missingForGuests, removeImage } from '../test/microvm/image.ts';
import { bootGuest, type GuestWords, type VirtualMachine } from '../test/microvm/vm.ts';
import { compare, type Row } from './row.ts';

export const guestRows = ['guest-throughput'];

/** The outside has an address for each card, so that routes keep them apart. */
const servers = ['198.51.99.1', '198.51.99.2'] as const;

/**
 * Both cards are of one guest, since two guests would not have the same share of a processor. Nothing is measured where
 * there is no QEMU: no row comes back then, and the reason is printed.
 */
export async function measureGuest(rounds: number, seconds: number): Promise<Row[]> {
  const missing = missingForGuests();
  if (missing !== undefined) {
    console.error(`bench: ${guestRows.join(', ')} left out: ${missing} is not here ("sh test/kernels/roots.sh guest")`);
    return [];
  }
  const image = makeImage();
  const host = await makeHost();
  try {
    await host.outside();
    await sink(host);
    const cards = [await addCard(host, 'judged', { egress: { allow: [servers[0]] } }), await addCard(host, 'open', {})];
    const [first, ...others] = cards;
    if (first === undefined) return [];
    const vm = await bootGuest(host, image, first, { further: others });
    for (const [place, card] of cards.entries()) await configure(vm, `eth${place}`, card, servers[place] ?? '');
    const rates: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round += 1)
      for (const place of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        rates[place].push(await throughput(vm, servers[place], seconds));
    return [
      compare(
        {
          id: 'guest-throughput',
          what: 'TCP throughput of a guest, restricted to a list',
          peer: 'the same guest, by a card without a policy',
          unit: 'Mbit/s',
          toReach: 0.97,
          beyond: 0.99,
          better: 'more',
          note: `${rounds} rounds, a guest that QEMU plays`,
        },
        ...rates,
      ),
    ];
  } finally {
    removeImage(image);
    await host[Symbol.asyncDispose]();
  }
}

async function sink(host: Host): Promise<void> {
  const outside = { netns: '/run/netns/outside' };
  for (const server of servers) await host.sh(`ip addr add ${server}/32 dev lo`, { where: outside });
  const script =
    'import socket,threading\n' +
    'def drain(c):\n  b=bytearray(1<<20)\n  while c.recv_into(b): pass\n' +
    's=socket.create_server(("",5001)); print("ready",flush=True)\n' +
    'while True: threading.Thread(target=drain,args=(s.accept()[0],),daemon=True).start()';
  await host.spawn(['python3', '-c', script], { where: outside });
}

interface Card extends GuestWords {
  readonly addresses: readonly { readonly address: string; readonly gateway?: string }[];
}

/** A port of one bridge, as a runtime asks for it. */
async function addCard(host: Host, name: string, policy: object): Promise<Card> {
  const conf = {
    cniVersion: '1.1.0',
    name,
    type: 'drawbridge',
    bridge: `br-${name}`,
    isDefaultGateway: true,
    ipMasq: true,
    tap: { onHost: true, name },
    ipam: { type: 'host-local', subnet: name === 'open' ? '10.89.0.0/24' : '10.88.0.0/24' },
    ...policy,
  };
  const added = await host.cni('ADD', conf, { containerId: name, netns: '/proc/self/ns/net' });
  if (added.code !== 0) throw new Error(added.stdout);
  const told = await host.run([`${pluginFolder}/drawbridge`, 'tap', 'show', name, '--json']);
  return (JSON.parse(told) as { guest: Card }).guest;
}

async function configure(vm: VirtualMachine, name: string, { addresses }: Card, server: string): Promise<void> {
  const [first] = addresses;
  const lines = `ip addr flush dev ${name}; ip link set ${name} up; ip addr add ${first?.address} dev ${name}; ip route add ${server}/32 via ${first?.gateway}`;
  const { code, text } = await vm.run(lines);
  if (code !== 0) throw new Error(text);
}

/** Megabits a second by the guest's own clock. */
async function throughput(vm: VirtualMachine, server: string, seconds: number): Promise<number> {
  const { text } = await vm.run(`perl /send.pl ${server} 5001 ${seconds}`, { timeout: 1000 * (seconds + 60) });
  return Number(text);
}

import type { Command } from '../command.ts';
import { json } from './options.ts';

/** Commands about taps for VMs that no runtime starts. */
export const tapsCommands: readonly Command[] = [
  {
    name: 'tap add',
    summary: 'Make a tap on the host for a VM, with an address, a policy and ports',
    about: [
      'For a VM that is started by hand, or by a tool that knows no CNI: the tap is guarded and judged as a container is, "drawbridge list", "explain", "port add" and all others know it by its name, and the agent repairs it. Prints what the guest is to be told, with the argument of its kernel and the words of QEMU and Firecracker ready to paste.',
      'Without --network the host routes to the guest, point to point: 172.16.0.1 is the host and the first guest 172.16.0.2. Without --policy, --preset or --allow the guest reaches the public internet, and nothing private, no metadata and nothing of the host but DNS.',
      'The tap stays until "tap remove". With --ephemeral the agent removes it when no process has held it for the time of "agent --grace".',
    ],
    operands: [{ name: 'NAME', about: 'Of the tap and of the guest, at most 15 characters', required: true }],
    options: [
      { flag: '--policy NAME', about: 'A named policy of /etc/drawbridge/policies', completes: 'policies' },
      { flag: '--preset PRESET', about: 'A preset, as "drawbridge presets" lists them', repeats: true },
      { flag: '--allow ENTRY', about: 'A destination, as "allow" of a policy has it: "github.com:443"', repeats: true },
      {
        flag: '--publish PORT',
        short: '-p',
        about: 'A port of the host that leads to the guest: [ADDRESS:]HOSTPORT[:GUESTPORT][/PROTOCOL]',
        repeats: true,
      },
      {
        flag: '--network NETWORK',
        about: 'The network of a list in /etc/cni/net.d, with its bridge, addresses and policy',
      },
      { flag: '--bridge BRIDGE', about: 'Make the tap a port of this bridge; without it the host routes to the guest' },
      { flag: '--subnet PREFIX', about: '172.16.0.0/16 unless given; once for each family', repeats: true },
      { flag: '--ip ADDRESS', about: 'An address of the subnet for the guest; once for each family', repeats: true },
      { flag: '--mac MAC', about: 'That of the guest; made of its address unless given' },
      { flag: '--dns ADDRESS', about: 'A server of DNS that the guest is told', repeats: true },
      { flag: '--mtu BYTES', about: 'That of the uplink unless given' },
      { flag: '--owner UID', about: 'The number of a user who may open the tap besides root' },
      { flag: '--group GID', about: 'The number of a group whose members may' },
      { flag: '--multi-queue', about: 'More than one queue may be opened' },
      { flag: '--vnet-header', about: 'Frames have the header of virtio_net' },
      { flag: '--ephemeral', about: 'The agent may remove it when no process holds it' },
      json,
    ],
    examples: [
      {
        line: 'drawbridge tap add vm1 --preset dev -p 8080:80',
        about: 'a guest that reaches what the preset "dev" lists',
      },
      {
        line: 'drawbridge tap add vm2 --subnet 172.16.0.0/30 --owner 1000 --ephemeral',
        about: 'a link of its own for a VMM that user 1000 runs',
      },
      { line: 'drawbridge tap add vm3 --network drawbridge --json', about: 'beside the containers of a network' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('../tap.ts')).add }),
  },
  {
    name: 'tap show',
    summary: 'Tell what a guest and its VMM are to be told',
    about: [
      'For every guest, also one that a runtime added with a CNI plugin: MAC, addresses, gateway and DNS, the argument of its kernel, and the words of QEMU and Firecracker, as "tap add" prints them.',
    ],
    operands: [{ name: 'NAME', about: 'Of the guest, as "list" has it', required: true, completes: 'containers' }],
    options: [json],
    examples: [
      { line: 'drawbridge tap show vm1', about: 'what the VM is started with' },
      { line: 'drawbridge tap show vm1 --json', about: 'the same for programs' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('../tap.ts')).show }),
  },
  {
    name: 'tap remove',
    summary: 'Remove the tap of a VM, with its address, ports and rules',
    operands: [{ name: 'NAME', about: 'Of the tap', required: true, completes: 'containers' }],
    options: [{ flag: '--force', about: 'Also while a process holds it' }, json],
    examples: [{ line: 'drawbridge tap remove vm1', about: 'when the VM has ended' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../tap.ts')).remove }),
  },
];

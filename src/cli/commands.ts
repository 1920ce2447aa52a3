import type { Command, Option } from './command.ts';

const json: Option = { flag: '--json', about: 'Print JSON, as its schema in conf/schema/ has it' };
const container = {
  name: 'CONTAINER',
  about: 'Its id or the beginning of it, one of its addresses, or the name of its namespace',
  required: true,
  completes: 'containers',
} as const;

/** Every command, in the order in which help shows them. */
export const commands: readonly Command[] = [
  {
    name: 'list',
    summary: 'Show every attachment: addresses, ports, policy, denials',
    about: [
      'One line for each interface of a container that drawbridge made or polices. A "!" marks what is not as its record says; the reason stands below the table.',
      'DENIED counts packets that the policy refused since it came in force.',
    ],
    options: [{ flag: '--wide', about: 'Show everything on one line, however long' }, json],
    examples: [
      { line: 'drawbridge list', about: 'what is attached, and how it is doing' },
      {
        line: `drawbridge list --json | jq -r '.[] | select(.denied > 0).containerId'`,
        about: 'containers that were denied something',
      },
    ],
    needsRoot: true,
    load: async () => import('./list.ts'),
  },
  {
    name: 'explain',
    summary: 'Say whether a container reaches a destination, and why',
    about: [
      'Answers as the rules in the kernel do: by which rule of which policy, in which file and line; which addresses a name has now and until when they are open; and what else on this host would stop the packet, such as a foreign firewall, forwarding that is off, or a missing route.',
      'The destination is HOST[:PORT[/PROTOCOL]]: a name, an address, or a URL as pasted; 443/tcp unless it says otherwise. Exit status 0: it is reached; 1: it is not.',
    ],
    operands: [
      container,
      { name: 'DESTINATION', about: 'HOST[:PORT[/PROTOCOL]], protocol tcp, udp, sctp or icmp', required: true },
    ],
    options: [{ flag: '--trace', about: 'Send one packet from the container and show every rule that it meets' }, json],
    examples: [
      { line: 'drawbridge explain web0 api.github.com', about: 'may web0 connect to it?' },
      { line: 'drawbridge explain web0 10.0.0.5:5432 --trace', about: 'follow a packet to a database' },
      { line: "drawbridge explain web0 '[2001:db8::1]:53/udp'", about: 'an IPv6 address, and UDP' },
    ],
    needsRoot: true,
    load: async () => import('./explain.ts'),
  },
  {
    name: 'clean',
    summary: 'Remove what no living container owns',
    about: [
      'Finds attachments whose container is gone, interfaces without record and bridge, elements and policies in our tables that no attachment wants, routing gates, leases, accepts in other firewalls for bridges without containers, hints, notes and half-written files. What is alive, or not ours, is never touched; what may be alive is shown and left.',
    ],
    options: [
      {
        flag: '--orphans',
        about:
          'Only what belongs to nobody; without it also what is merely of no use any more, such as old remembered names',
      },
      { flag: '--dry-run', about: 'List what would be removed, and change nothing' },
      json,
    ],
    examples: [
      { line: 'drawbridge clean --dry-run', about: 'see what is left over' },
      { line: 'drawbridge clean --orphans', about: 'after a crash of the runtime' },
    ],
    needsRoot: true,
    load: async () => import('./clean.ts'),
  },
  {
    name: 'probe',
    summary: 'Open one connection, or send one datagram, and say what became of it',
    operands: [
      { name: 'ADDRESS', about: 'An address', required: true },
      { name: 'PORT', about: 'A port', required: true },
      { name: 'PROTOCOL', about: 'tcp or udp', required: true },
    ],
    examples: [{ line: 'drawbridge probe 8.8.8.8 443 tcp', about: 'what explain --trace does inside a container' }],
    needsRoot: false,
    hidden: true,
    load: async () => import('./probe.ts'),
  },
];

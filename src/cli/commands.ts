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
    name: 'doctor',
    summary: 'Find what keeps containers from working, and the command that mends it',
    about: [
      'Looks at programs, kernel, forwarding, bridges, interfaces, rules, routing gates, other firewalls, overlapping networks, the table of connections, free addresses, records, policy files, the agent, name resolution, the clock, and leftovers. Says what was found, why it matters, and the command that mends it.',
      'With a SYMPTOM, in the words of the error that was seen, the likeliest causes come first. Exit status 1 when a problem is left.',
    ],
    operands: [{ name: 'SYMPTOM...', about: 'What was seen: "no route to host", "dns", "timeout"', required: false }],
    options: [{ flag: '--fix', about: 'Mend what can be mended without harm, after saying so' }, json],
    examples: [
      { line: 'drawbridge doctor', about: 'look at everything' },
      { line: 'drawbridge doctor "no route to host"', about: 'start from what a container says' },
      { line: 'drawbridge doctor --fix', about: 'after another program flushed all rules' },
    ],
    needsRoot: true,
    load: async () => import('./doctor.ts'),
  },
  {
    name: 'policy check',
    summary: 'Find what is wrong with policy files, by line and column',
    about: [
      'Reads files with one policy each, as in /etc/drawbridge/policies, or whole network configurations. Names the nearest key for one that is unknown, and notices what is valid but does not do what it seems to. Exit status 1 when something is wrong.',
    ],
    operands: [
      {
        name: 'FILE...',
        about: 'A policy, or a network configuration; "-" is stdin',
        required: true,
        completes: 'files',
      },
    ],
    options: [json],
    examples: [
      { line: 'drawbridge policy check /etc/drawbridge/policies/*.json', about: 'before containers come under them' },
      { line: 'drawbridge policy check /etc/cni/net.d/10-drawbridge.conflist', about: 'the policy of a network' },
    ],
    needsRoot: false,
    load: async () => import('./policy-check.ts'),
  },
  {
    name: 'policy show',
    summary: 'Show a policy with defaults, presets and addresses of names',
    operands: [
      {
        name: 'NAME',
        about: 'A name in /etc/drawbridge/policies, a file, or a container',
        required: true,
        completes: 'policies',
      },
    ],
    options: [json],
    examples: [
      { line: 'drawbridge policy show work', about: 'a named policy' },
      { line: 'drawbridge policy show web0', about: 'the policy that a container is under' },
    ],
    needsRoot: false,
    load: async () => import('./policy-show.ts'),
  },
  {
    name: 'policy diff',
    summary: 'Show how two policies differ in what they do',
    about: [
      'Presets are unfolded and words that mean the same count as the same. Exit status 0: they do the same; 1: they differ.',
    ],
    operands: [
      {
        name: 'A',
        about: 'A name in /etc/drawbridge/policies, a file, or a container',
        required: true,
        completes: 'policies',
      },
      { name: 'B', about: 'The same', required: true, completes: 'policies' },
    ],
    options: [json],
    examples: [{ line: 'drawbridge policy diff work ./work-new.json', about: 'what a change would change' }],
    needsRoot: false,
    load: async () => import('./policy-diff.ts'),
  },
  {
    name: 'presets',
    summary: 'Show the lists of destinations that policies can name',
    operands: [{ name: 'NAME', about: 'Show the entries of one', required: false }],
    options: [json],
    examples: [
      { line: 'drawbridge presets', about: 'all of them, in a line each' },
      { line: 'drawbridge presets registries', about: 'what one opens' },
    ],
    needsRoot: false,
    load: async () => import('./presets.ts'),
  },
  {
    name: 'watch',
    summary: 'Show denials as they happen',
    about: [
      'One line for each destination, at most twice a second: the container, where it wanted to go, the name of the address where an answer named it, and the rule. With --json one object on each line.',
    ],
    options: [
      { flag: '--container CONTAINER', about: 'Only of this one', completes: 'containers' },
      { flag: '--for SECONDS', about: 'End by itself after this time' },
      json,
    ],
    examples: [
      { line: 'drawbridge watch', about: 'until Ctrl-C' },
      {
        line: 'drawbridge watch --container ci-runner --json --for 60',
        about: 'a minute of one container, for a program',
      },
    ],
    needsRoot: true,
    load: async () => import('./watch.ts'),
  },
  {
    name: 'learn',
    summary: 'Turn what a container did into the smallest policy that allows it',
    about: [
      'Takes what the policy of a container denied in the last ten minutes, or would have denied under "audit", and prints a policy that allows it: names where an answer named an address, ports and protocols as they were used. Says what it could not name, and what no policy opens.',
    ],
    operands: [container],
    options: [{ flag: '--for SECONDS', about: 'Go on collecting for this time' }, json],
    examples: [
      { line: 'drawbridge learn ci-runner > /etc/drawbridge/policies/ci.json', about: 'after one build under audit' },
      { line: 'drawbridge learn ci-runner --for 600', about: 'while a long build runs' },
    ],
    needsRoot: true,
    load: async () => import('./learn.ts'),
  },
  {
    name: 'refresh',
    summary: 'Read policy files and resolve names again, now',
    about: [
      'Applies what changed in /etc/drawbridge/policies to the containers under it, and opens the addresses that names have now. The agent does the same by itself.',
    ],
    options: [{ flag: '--force', about: 'Ask also about names whose last answer has not run out' }, json],
    examples: [{ line: 'drawbridge refresh --force', about: 'after a change in the DNS' }],
    needsRoot: true,
    load: async () => import('./refresh.ts'),
  },
  {
    name: 'port add',
    summary: 'Publish a port for a container that runs',
    about: ['The port stays published through repairs and refreshes, and goes with the container.'],
    operands: [container, { name: 'PORT', about: '[ADDRESS:]HOSTPORT[:CONTAINERPORT][/PROTOCOL]', required: true }],
    options: [json],
    examples: [
      { line: 'drawbridge port add web0 8080:80', about: 'port 8080 of every address of the host' },
      { line: 'drawbridge port add web0 127.0.0.1:5353:53/udp', about: 'of one address, and UDP' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('./port.ts')).add }),
  },
  {
    name: 'port remove',
    summary: 'Take a published port back',
    operands: [container, { name: 'PORT', about: '[ADDRESS:]HOSTPORT[/PROTOCOL]', required: true }],
    options: [json],
    examples: [{ line: 'drawbridge port remove web0 8080', about: 'whoever published it' }],
    needsRoot: true,
    load: async () => ({ run: (await import('./port.ts')).remove }),
  },
  {
    name: 'agent',
    summary: 'Keep names right, put rules back, apply policies as they change',
    about: [
      'The resident process of a host whose policies allow by name; conf/drawbridge-agent.service runs it. A host without it keeps working: what needs no name stays enforced, and addresses of names run out.',
      'It answers at /run/drawbridge/agent.sock and writes its log, one JSON object a line, to stderr.',
    ],
    options: [
      {
        flag: '--clean',
        about: 'Remove attachments whose container is gone without a DEL; else they are only reported',
      },
      {
        flag: '--grace SECONDS',
        about: 'How long such an attachment has to be dead before it is removed; 60 unless given',
      },
      { flag: '--metrics-address ADDRESS:PORT', about: 'Serve metrics for Prometheus there too, at /metrics' },
      {
        flag: '--log-level LEVEL',
        about: 'The least that is logged',
        values: ['debug', 'info', 'warn', 'error', 'silent'],
      },
    ],
    examples: [
      { line: 'drawbridge agent --clean', about: 'as the systemd unit runs it' },
      { line: 'drawbridge agent --metrics-address 127.0.0.1:9440', about: 'with metrics on loopback' },
    ],
    needsRoot: true,
    load: async () => import('./agent.ts'),
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

import type { Command } from '../command.ts';
import { container, formatOption, json, selecting, sortKeys, watch } from './options.ts';

/** Commands about containers. */
export const containersCommands: readonly Command[] = [
  {
    name: 'list',
    summary: 'Show every attachment: addresses, ports, policy, denials',
    about: [
      'One line for each interface of a container that drawbridge made or that has a policy. A "!" marks what is not as its record says; the reason stands below the table.',
      'DENIED counts packets that the policy refused since the container was attached.',
    ],
    operands: [
      {
        name: 'PATTERN',
        about: 'Only those with it in their name, id, network, bridge or address; "web*" is the whole word',
        required: false,
      },
    ],
    options: [
      ...selecting,
      {
        flag: '--sort KEY',
        about: 'By network and age unless given',
        values: sortKeys,
      },
      watch,
      formatOption('"wide" shows everything on one line, however long; "name" names alone, one a line'),
      { flag: '--names', about: 'The same as "--format name"' },
      { flag: '--wide', about: 'The same as "--format wide"' },
      json,
    ],
    examples: [
      { line: 'drawbridge list', about: 'what is attached, and how it is doing' },
      {
        line: `drawbridge list --json | jq -r '.[] | select(.denied > 0).containerId'`,
        about: 'containers that were denied something',
      },
      { line: 'drawbridge list web --watch', about: 'some of them, as they come, change and go' },
    ],
    needsRoot: true,
    load: async () => import('../list.ts'),
  },
  {
    name: 'status',
    summary: 'Say in one line whether all is well, as Nagios asks',
    about: [
      'Looks at records, links, rules and the agent. Exit status as monitoring plugins have it: 0 all is well, 1 something may keep a container from working, 2 something does, 3 that cannot be told.',
    ],
    options: [json],
    examples: [{ line: 'drawbridge status', about: 'for a monitoring system, or a prompt' }],
    needsRoot: true,
    isQuestion: true,
    load: async () => import('../status.ts'),
  },
  {
    name: 'explain',
    summary: 'Say whether a container reaches a destination, and why',
    about: [
      'Answers as the rules in the kernel do: by which rule of which policy, in which file and line; which addresses a name has now and until when they are open; and what else on this host would stop the packet, such as a foreign firewall, forwarding that is off, or a missing route.',
      'The destination is HOST[:PORT[/PROTOCOL]]: a name, an address, or a URL as pasted; 443/tcp unless it says otherwise. Exit status 0: it is reached; 1: it is not; 3: that cannot be told.',
      'With --from, or with "internet" as CONTAINER, it says what becomes of what comes in: who publishes the port, whether the policy lets it in, what stops it, and whether a program inside listens. The destination is then ":8080" for a port of the host, "192.0.2.1:8080" for that of one address, or "web:80" for a port of a container.',
    ],
    operands: [
      container,
      { name: 'DESTINATION', about: 'HOST[:PORT[/PROTOCOL]], protocol tcp, udp, sctp or icmp', required: false },
    ],
    options: [
      {
        flag: '--from ADDRESS',
        about: 'Who comes in from outside, in the place of CONTAINER; "internet" is any public address',
      },
      { flag: '--trace', about: 'Send one packet from the container and show every rule that it meets' },
      json,
    ],
    examples: [
      { line: 'drawbridge explain web0 api.github.com', about: 'may web0 connect to it?' },
      { line: 'drawbridge explain web0 10.0.0.5:5432 --trace', about: 'follow a packet to a database' },
      { line: "drawbridge explain web0 '[2001:db8::1]:53/udp'", about: 'an IPv6 address, and UDP' },
      { line: 'drawbridge explain --from 203.0.113.9 :8080', about: 'who gets it?' },
      { line: 'drawbridge explain internet web:80', about: 'is web open to the world?' },
    ],
    isQuestion: true,
    needsRoot: true,
    load: async () => import('../explain.ts'),
  },
  {
    name: 'allow',
    summary: 'Let a container reach one more destination, for a time',
    about: [
      'A grant is on top of the policy of the container, which has to be a list; it is judged as an entry of "allow" is, so "deny", private and reserved ranges hold. The kernel ends it, with the connections that it opened. It is not written into any policy, and goes with the container. The policy key "maxGrants" says how far grants may go.',
    ],
    operands: [
      container,
      {
        name: 'DESTINATION',
        about: 'As an entry of "allow": "api.example.org:443", "203.0.113.0/24:5432/tcp"',
        required: true,
      },
    ],
    options: [{ flag: '--for TIME', about: 'So long, "10m"; 1h unless given' }, json],
    examples: [
      { line: 'drawbridge allow web0 api.example.org:443 --for 30m', about: 'for half an hour' },
      { line: 'drawbridge allow web0 203.0.113.7:5432/tcp', about: 'for an hour' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('../grant.ts')).allow }),
  },
  {
    name: 'revoke',
    summary: 'Take back what a container was granted',
    about: ['Connections that were opened by it end.'],
    operands: [
      container,
      { name: 'DESTINATION', about: 'As it was granted; everything unless given', required: false },
    ],
    options: [json],
    examples: [{ line: 'drawbridge revoke web0 api.example.org:443', about: 'before its time is over' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../grant.ts')).revoke }),
  },
  {
    name: 'watch',
    summary: 'Show denials as they happen',
    about: [
      'Prints one line for each destination, at most twice a second: the container, the destination, its name if a DNS answer gave one, and the rule that denied it; first the last twenty that the agent recorded. With --json it prints one object on each line.',
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
    load: async () => import('../watch.ts'),
  },
  {
    name: 'learn',
    summary: 'Turn what a container did into the smallest policy that allows it',
    about: [
      'Takes what the policy of a container denied, or would have denied under "audit", as far as the agent has recorded it (seven days at most), and without an agent in the last ten minutes, and prints a policy that allows it: names where an answer named an address, ports and protocols as they were used. Says what it could not name, and what no policy opens.',
    ],
    operands: [container],
    options: [
      { flag: '--since TIME', about: 'Only what was recorded from so long ago on, "2d", or from a date' },
      { flag: '--for SECONDS', about: 'Go on collecting for this time' },
      json,
    ],
    examples: [
      { line: 'drawbridge learn ci-runner > /etc/drawbridge/policies/ci.json', about: 'after one build under audit' },
      { line: 'drawbridge learn ci-runner --for 600', about: 'while a long build runs' },
    ],
    needsRoot: true,
    load: async () => import('../learn.ts'),
  },
  {
    name: 'port list',
    summary: 'Show every published port and the container that it leads to',
    options: [json],
    examples: [{ line: 'drawbridge port list', about: 'who has port 8080?' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../port.ts')).list }),
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
    load: async () => ({ run: (await import('../port.ts')).add }),
  },
  {
    name: 'port remove',
    summary: 'Stop publishing a port',
    operands: [container, { name: 'PORT', about: '[ADDRESS:]HOSTPORT[/PROTOCOL]', required: true }],
    options: [json],
    examples: [{ line: 'drawbridge port remove web0 8080', about: 'whoever published it' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../port.ts')).remove }),
  },
];

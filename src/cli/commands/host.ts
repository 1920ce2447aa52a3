import type { Command } from '../command.ts';
import { formatOption, json, selecting, sortKeys, watch } from './options.ts';

/** Commands about the host. */
export const hostCommands: readonly Command[] = [
  {
    name: 'doctor',
    summary: 'Find what keeps containers from working, and the command that mends it',
    about: [
      'Looks at programs, kernel, forwarding, bridges, interfaces, rules, routing gates, other firewalls, overlapping networks, the table of connections, free addresses, records, policy files, the agent, name resolution, the clock, and leftovers. Says what was found, why it matters, and the command that mends it.',
      'With a SYMPTOM, in the words of the error that was seen, the likeliest causes come first. Exit status 1 when a problem is left, 3 when there is none and something could not be looked at.',
    ],
    operands: [{ name: 'SYMPTOM...', about: 'What was seen: "no route to host", "dns", "timeout"', required: false }],
    options: [
      { flag: '--fix', about: 'Mend what can be mended without harm, after saying so' },
      { flag: '--versions', about: 'Print versions of kernel, programs and C library instead, and what is needed' },
      json,
    ],
    examples: [
      { line: 'drawbridge doctor', about: 'look at everything' },
      { line: 'drawbridge doctor --versions --json', about: 'what this host has, for a report' },
      { line: 'drawbridge doctor "no route to host"', about: 'start from what a container says' },
      { line: 'drawbridge doctor --fix', about: 'after another program flushed all rules' },
    ],
    isQuestion: true,
    needsRoot: true,
    load: async () => import('../doctor.ts'),
  },
  {
    name: 'clean',
    summary: 'Remove what no living container owns',
    about: [
      'Finds attachments whose container is gone, interfaces without record and bridge, elements and policies in our tables that no attachment wants, routing gates, leases, accepts in other firewalls for bridges without containers, index files, notes and half-written files. What is alive, or not ours, is never touched; what may be alive is shown and left.',
    ],
    operands: [
      {
        name: 'PATTERN',
        about:
          'Only those with it in their name, or the name, id or network of their container; "web*" is the whole word',
        required: false,
      },
    ],
    options: [
      {
        flag: '--orphans',
        about:
          'Remove only what belongs to no container; without it, also what is of no use any more, such as old addresses of names',
      },
      { flag: '--dry-run', about: 'List what would be removed, and change nothing' },
      { flag: '--network NETWORK', about: 'Only of this network' },
      { flag: '--policy NAME', about: 'Only of containers under this named policy', completes: 'policies' },
      { flag: '--denied', about: 'Only of containers that were denied something' },
      { flag: '--stale', about: 'Only of containers that have a record' },
      { flag: '--no-policy', about: 'Only of containers without a policy' },
      { flag: '--sort KEY', about: 'By kind unless given', values: ['name', 'container'] },
      watch,
      formatOption('"wide" shows whole ids; "name" prints the names of things alone, one a line'),
      json,
    ],
    examples: [
      { line: 'drawbridge clean --dry-run', about: 'see what is left over' },
      { line: 'drawbridge clean --orphans', about: 'after a crash of the runtime' },
      { line: "drawbridge clean 'ci-*' --dry-run", about: 'what containers of one kind have left' },
    ],
    needsRoot: true,
    load: async () => import('../clean.ts'),
  },
  {
    name: 'graph',
    summary: 'Draw networks, containers, ports and policies as a picture',
    about: [
      'Containers of one network that are alike in everything but name and address are one card of the SVG when there are four or more; "--format wide" draws each. What is cut short is whole in the title that a browser shows under the pointer.',
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
      { flag: '--sort KEY', about: 'By network and age unless given', values: sortKeys },
      watch,
      formatOption('svg unless given; "wide" is svg without folding; "name" prints the containers alone, one a line', [
        'svg',
        'dot',
        'mermaid',
        'text',
      ]),
      { flag: '--html', about: 'The page of "drawbridge ui" with what is there now, as one file' },
      { flag: '--output FILE', about: 'Write there instead of stdout', completes: 'files' },
      json,
    ],
    examples: [
      { line: 'drawbridge graph --output host.svg', about: 'for a browser' },
      { line: 'drawbridge graph --html --output host.html', about: 'for a ticket' },
      { line: 'drawbridge graph --format text', about: 'for a terminal' },
    ],
    needsRoot: true,
    load: async () => import('../graph.ts'),
  },
  {
    name: 'ui',
    summary: 'Serve a page that shows containers, what they reach, and what is refused, live',
    about: [
      'Prints the address to open. The page only reads unless --write is given; everything on it is also a command with --json. The part of the address after "#" is a secret of this run: whoever has it reads what root may read, and with --write opens destinations. Nothing is loaded from elsewhere.',
    ],
    options: [
      {
        flag: '--listen ADDRESS',
        about: 'An address with a port, or the path of a Unix socket; 127.0.0.1:9441 unless given',
      },
      {
        flag: '--write',
        about: 'The page may open a destination: for a container for an hour, or in a named policy',
      },
    ],
    examples: [
      { line: 'drawbridge ui', about: 'for a browser on this host' },
      { line: 'drawbridge ui --write', about: 'to open from the page what it shows as refused' },
      { line: 'drawbridge ui --listen /run/drawbridge-ui.sock', about: 'behind "ssh -L 9441:/run/drawbridge-ui.sock"' },
    ],
    needsRoot: true,
    load: async () => import('../ui.ts'),
  },
  {
    name: 'agent',
    summary: 'Keep names right, put rules back, apply policies as they change',
    about: [
      'The resident process of a host whose policies allow by name; conf/drawbridge-agent.service runs it. A host without it keeps working: policies stay enforced, and addresses of names expire.',
      'It answers at /run/drawbridge/agent.sock and writes its log, one JSON object a line, to stderr.',
    ],
    options: [
      {
        flag: '--clean',
        about: 'Remove attachments whose container is gone without a DEL; without it they are only reported',
      },
      {
        flag: '--grace SECONDS',
        about: 'How long the container of such an attachment must be gone before it is removed; default 60',
      },
      { flag: '--metrics-address ADDRESS:PORT', about: 'Serve metrics for Prometheus there too, at /metrics' },
      {
        flag: '--flows-journal',
        about: 'Send records of flows to the journal too, with fields (DRAWBRIDGE_CONTAINER=)',
      },
      { flag: '--flows-file FILE', about: 'Append them to a file too, a JSON line each' },
      { flag: '--flows-otlp URL', about: 'Send them to a collector of OpenTelemetry too, by OTLP over HTTP' },
      {
        flag: '--kubernetes',
        about:
          'Make this host a node of a Kubernetes cluster: its list in /etc/cni/net.d, routes to other nodes, and NetworkPolicies in force. The API is that of the KUBECONFIG file, or of the pod that this runs in',
      },
      { flag: '--node NAME', about: 'Name of the Node that this host is; NODE_NAME unless given' },
      {
        flag: '--pod-networks NETWORKS',
        about:
          'Ranges of all pods, separated by commas: there pods keep their own addresses; those of the nodes that are known unless given',
      },
      { flag: '--install-plugin', about: 'Put this executable into /opt/cni/bin, as the DaemonSet does' },
      {
        flag: '--log-level LEVEL',
        about: 'The lowest level that is logged',
        values: ['debug', 'info', 'warn', 'error', 'silent'],
      },
    ],
    examples: [
      { line: 'drawbridge agent --clean', about: 'as the systemd unit runs it' },
      { line: 'drawbridge agent --metrics-address 127.0.0.1:9440', about: 'with metrics on loopback' },
      { line: 'drawbridge agent --kubernetes --node worker-1', about: 'as the agent of a node of a cluster' },
    ],
    needsRoot: true,
    load: async () => import('../agent.ts'),
  },
  {
    name: 'install',
    summary: 'Put executable, links, network, unit and manual pages in place',
    about: [
      'Writes each file under another name and renames it, so that no program reads half a file; the executable has to answer VERSION before. It overwrites a file that is not ours only with --replace; then it keeps that file beside the new one, and "uninstall" brings it back.',
      'A network or a unit that an operator has edited stays as it is, and ours comes beside it as NAME.new. With --replace ours takes its place, but not that of a network while containers run.',
    ],
    options: [
      {
        flag: '--drop-in',
        about:
          'Stand in for bridge, host-local, portmap, firewall, tuning, bandwidth, loopback and tc-redirect-tap too',
      },
      {
        flag: '--bin-dir DIR',
        about: 'Where runtimes look for plugins; /opt/cni/bin unless given',
        completes: 'folders',
      },
      {
        flag: '--conf-dir DIR',
        about: 'Where runtimes look for networks; /etc/cni/net.d unless given',
        completes: 'folders',
      },
      { flag: '--replace', about: 'Put foreign files aside as NAME.before-drawbridge' },
      json,
    ],
    examples: [
      { line: './drawbridge install', about: 'for containerd, nerdctl and podman' },
      { line: './drawbridge install --drop-in --replace', about: 'under the configurations that are there' },
    ],
    needsRoot: true,
    load: async () => import('../install.ts'),
  },
  {
    name: 'uninstall',
    summary: 'Remove every rule, link, lease and file of ours, and prove it',
    about: [
      'Refuses while containers are attached. Looks once more when it is done and lists what is left; exit status 1 when something is.',
    ],
    options: [{ flag: '--force', about: 'Cut off the containers that are attached' }, json],
    examples: [{ line: 'drawbridge uninstall', about: 'when the last container has ended' }],
    needsRoot: true,
    load: async () => import('../uninstall.ts'),
  },
  {
    name: 'completion',
    summary: 'Print what makes a shell complete these commands',
    operands: [{ name: 'SHELL', about: 'bash, zsh or fish', required: true, values: ['bash', 'zsh', 'fish'] }],
    examples: [
      { line: 'eval "$(drawbridge completion bash)"', about: 'in ~/.bashrc' },
      { line: 'drawbridge completion fish > ~/.config/fish/completions/drawbridge.fish', about: 'once' },
    ],
    needsRoot: false,
    load: async () => import('../completion.ts'),
  },
  {
    name: 'man',
    summary: 'Print a man page',
    operands: [{ name: 'COMMAND...', about: 'The command; without it, the page of the program', required: false }],
    examples: [
      { line: 'drawbridge man explain | man -l -', about: 'read one' },
      { line: 'drawbridge man > /usr/local/share/man/man8/drawbridge.8', about: 'keep one' },
    ],
    needsRoot: false,
    load: async () => import('../man.ts'),
  },
  {
    name: 'complete',
    summary: 'Print the words that a shell may offer',
    operands: [{ name: 'KIND', about: 'containers or policies', required: true, values: ['containers', 'policies'] }],
    examples: [{ line: 'drawbridge complete containers', about: 'what completion calls' }],
    needsRoot: false,
    hidden: true,
    load: async () => ({ run: (await import('../completion.ts')).offer }),
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
    load: async () => import('../probe.ts'),
  },
  {
    name: 'answer-dns',
    summary: 'Answer DNS for the agent that started this process',
    examples: [{ line: 'drawbridge answer-dns', about: 'what the agent starts beside itself' }],
    needsRoot: true,
    hidden: true,
    load: async () => import('../answer-dns.ts'),
  },
];

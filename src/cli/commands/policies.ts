import type { Command } from '../command.ts';
import { processors, tierNames } from '../../seccomp/tiers.ts';
import { json } from './options.ts';

const policySource =
  'A name in /etc/drawbridge/policies, a file, or a container by anything that "explain" takes: its id or the beginning of it, an address, the name of its namespace';

/** Commands about policies and names. */
export const policiesCommands: readonly Command[] = [
  {
    name: 'policy check',
    summary: 'Find what is wrong with policy files, by line and column',
    about: [
      'Reads files with one policy each, as in /etc/drawbridge/policies, or whole network configurations, whose plugins of ours are read as ADD reads them. Names the nearest key for one that is unknown, and notices what is valid but does not do what it seems to. Exit status 1 when something is wrong, 3 when a file cannot be read.',
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
    isQuestion: true,
    needsRoot: false,
    load: async () => import('../policy-check.ts'),
  },
  {
    name: 'policy list',
    summary: 'Show named policies, who is under them, and what is wrong with them',
    about: ['Exit status 1 when the file of one is gone or invalid.'],
    options: [json],
    examples: [{ line: 'sudo drawbridge policy list', about: 'with the containers, which only root may see' }],
    needsRoot: false,
    isQuestion: true,
    load: async () => import('../policy-list.ts'),
  },
  {
    name: 'policy test',
    summary: 'Say what a policy would deny and open of what containers did',
    about: [
      'Holds a policy against the flows that the agent recorded: which destinations that were reached it would deny, and which that were denied it would open. What is allowed is recorded under a policy with "record": "all" or "audit": true. Exit status 1 when it would deny one.',
    ],
    operands: [{ name: 'POLICY', about: policySource, required: true, completes: 'files' }],
    options: [
      {
        flag: '--container CONTAINER',
        about: 'Only what those with it in their name or id did',
        completes: 'containers',
      },
      { flag: '--since TIME', about: 'From so long ago, "24h", or from a date; 7d unless given' },
      json,
    ],
    examples: [{ line: 'drawbridge policy test new.json --container web --since 24h', about: 'before it is applied' }],
    isQuestion: true,
    needsRoot: true,
    load: async () => import('../policy-test.ts'),
  },
  {
    name: 'policy apply',
    summary: 'Put a policy in force, for good or for a time',
    about: [
      'Checks a file, shows how it differs from the policy of its name and which containers are under that, writes it to /etc/drawbridge/policies whole, and waits until it is in force. Exit status 1 when it is not after 15 seconds.',
      'With --for the agent puts it back when the time is over, also after a restart.',
    ],
    operands: [{ name: 'FILE', about: 'A policy; "-" is stdin', required: true, completes: 'files' }],
    options: [
      { flag: '--name NAME', about: "The policy's name; that of the file unless given", completes: 'policies' },
      { flag: '--for TIME', about: 'Go back by itself after this time, "10m"' },
      json,
    ],
    examples: [
      { line: 'drawbridge policy apply web.json', about: 'as the policy "web"' },
      { line: 'drawbridge policy apply wide.json --name web --for 10m', about: 'to try something' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('../policy-apply.ts')).apply }),
  },
  {
    name: 'policy add',
    summary: 'Add an entry to a policy, and put it in force',
    about: [
      'Shows the difference and the containers that are under the policy, writes the file of it with one entry more, comments and all, and waits until it is in force. "policy undo" takes it back.',
    ],
    operands: [
      { name: 'NAME', about: 'A policy in /etc/drawbridge/policies', required: true, completes: 'policies' },
      { name: 'ENTRY', about: 'As the list takes it: "api.example.org:443"', required: true },
    ],
    options: [
      {
        flag: '--key KEY',
        about: 'The list; allow unless given',
        values: ['allow', 'allowPrivate', 'deny', 'hostPorts'],
      },
      { flag: '--dry-run', about: 'Show the difference, and change nothing' },
      { flag: '--for TIME', about: 'Go back by itself after this time, "10m"' },
      json,
    ],
    examples: [
      { line: 'drawbridge policy add web api.example.org:443', about: 'one more destination for all under "web"' },
      { line: 'drawbridge policy add web 10.0.0.5:5432 --key allowPrivate --dry-run', about: 'what it would change' },
    ],
    needsRoot: true,
    load: async () => ({ run: (await import('../policy-apply.ts')).add }),
  },
  {
    name: 'policy edit',
    summary: 'Change a policy in an editor, and put it in force',
    operands: [
      {
        name: 'NAME',
        about: 'A policy in /etc/drawbridge/policies, or a new one',
        required: true,
        completes: 'policies',
      },
    ],
    options: [{ flag: '--for TIME', about: 'Go back by itself after this time, "10m"' }, json],
    examples: [{ line: 'EDITOR=nano drawbridge policy edit web', about: 'checked before it is written' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../policy-apply.ts')).edit }),
  },
  {
    name: 'policy undo',
    summary: 'Put a policy back as it was before the last command changed it',
    operands: [
      {
        name: 'NAME',
        about: 'A policy that "policy apply" or "policy edit" changed',
        required: true,
        completes: 'policies',
      },
    ],
    options: [json],
    examples: [{ line: 'drawbridge policy undo web', about: 'said again, it takes that back' }],
    needsRoot: true,
    load: async () => ({ run: (await import('../policy-apply.ts')).undo }),
  },
  {
    name: 'policy show',
    summary: 'Show a policy with defaults, presets and addresses of names',
    operands: [
      {
        name: 'NAME',
        about: policySource,
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
    load: async () => import('../policy-show.ts'),
  },
  {
    name: 'policy diff',
    summary: 'Show how two policies differ in what they do',
    about: [
      'Presets are expanded, and entries that mean the same count as equal. Exit status 0: they do the same; 1: they differ; 3: one of them cannot be read.',
    ],
    operands: [
      {
        name: 'A',
        about: policySource,
        required: true,
        completes: 'policies',
      },
      { name: 'B', about: 'The same', required: true, completes: 'policies' },
    ],
    options: [json],
    examples: [{ line: 'drawbridge policy diff work ./work-new.json', about: 'what a change would change' }],
    isQuestion: true,
    needsRoot: false,
    load: async () => import('../policy-diff.ts'),
  },
  {
    name: 'presets',
    summary: 'Show the lists of destinations that policies can name',
    operands: [{ name: 'NAME', about: 'Show the entries of one', required: false }],
    about: [
      'Own presets are files in /etc/drawbridge/presets: NAME.json holds { "about": "what it is for", "allow": ["api.example.org:443"] }. A change applies to running containers whose policy file names it.',
    ],
    options: [
      { flag: '--check', about: "Ask the host's resolver for each name, and tell which have no address any more" },
      json,
    ],
    examples: [
      { line: 'drawbridge presets', about: 'all of them, in a line each' },
      { line: 'drawbridge presets registries', about: 'what one opens' },
      { line: 'drawbridge presets --check', about: 'names that are gone; exit status 1 when there are some' },
    ],
    needsRoot: false,
    load: async () => import('../presets.ts'),
  },
  {
    name: 'seccomp',
    summary: 'Print a seccomp profile: which system calls a container may make',
    about: [
      'The tiers are cumulative: essential, minimal, standard, network, unrestricted. Without TIER they are listed. Use a profile with no_new_privs: a runtime otherwise applies it before its own last steps, and those fail.',
    ],
    operands: [{ name: 'TIER', about: 'Print its profile', required: false, values: tierNames }],
    options: [
      {
        flag: '--form FORM',
        about: 'oci unless given: what container runtimes take; guest: seccomp.json for the init of a virtual machine',
        values: ['oci', 'guest'],
      },
      { flag: '--processor NAME', about: 'That of this host unless given', values: processors },
      json,
    ],
    examples: [
      { line: 'drawbridge seccomp', about: 'the tiers, in a line each' },
      { line: 'drawbridge seccomp standard > profile.json', about: 'everything but sockets' },
    ],
    needsRoot: false,
    load: async () => import('../seccomp.ts'),
  },
  {
    name: 'refresh',
    summary: 'Read policy files and resolve names again, now',
    about: [
      'Applies what changed in /etc/drawbridge/policies to the containers under it, and opens the addresses that names have now. The agent does the same by itself.',
    ],
    options: [{ flag: '--force', about: 'Ask also about names whose last answer has not expired' }, json],
    examples: [{ line: 'drawbridge refresh --force', about: 'after a change in the DNS' }],
    needsRoot: true,
    load: async () => import('../refresh.ts'),
  },
];

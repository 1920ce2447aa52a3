import type { Command } from '../command.ts';
import { formatOption, json, watch } from './options.ts';

/** Commands about what containers did. */
export const flowsCommands: readonly Command[] = [
  {
    name: 'flows',
    summary: 'Show what was denied, which names were refused, and what was allowed',
    about: [
      'The agent writes down what the kernel tells it: each denial, each name that its proxy refused, each hit of an audit, once for the same destination and minute, with a count; and under a policy with "record": "all" each connection, with its bytes when it is over. What is written outlives the container and the agent: 64 MB, and seven days at most.',
      'Without --since and --last the last fifty are shown. With --json it prints one object on each line; an object whose "id" came before has what is known of it now.',
    ],
    operands: [
      {
        name: 'CONTAINER',
        about: 'Only of those with it in their name or id; "web*" is the whole word',
        required: false,
        completes: 'containers',
      },
    ],
    options: [
      { flag: '--since TIME', about: 'From so long ago, "90s", "10m", "1h", "2d", or from a date, "2026-11-27T08:00"' },
      { flag: '--denied', about: 'Only what was denied, or would have been' },
      { flag: '--to DESTINATION', about: 'Only to this name, "*.example.org", address or prefix' },
      { flag: '--network NETWORK', about: 'Only of this network' },
      { flag: '--policy NAME', about: 'Only under this named policy', completes: 'policies' },
      { flag: '--stale', about: 'Only of containers that are not as their records say now, or are gone' },
      { flag: '--no-policy', about: 'Only of containers that have no policy now' },
      { flag: '--last NUMBER', about: 'Only the latest so many' },
      { flag: '--sort KEY', about: 'By time unless given', values: ['time', 'container', 'destination', 'count'] },
      { flag: '--follow', about: 'Go on with what comes, until Ctrl-C' },
      watch,
      formatOption(
        '"wide" tells network and the place of the rule too; "name" prints the containers alone, one a line',
      ),
      json,
    ],
    examples: [
      { line: 'drawbridge flows --denied --since 1h', about: 'what was denied in the last hour' },
      { line: "drawbridge flows web0 --to '*.example.org' --follow", about: 'what one container asks of one domain' },
      {
        line: `drawbridge flows --since 1d --json | jq -r 'select(.verdict == "deny").destination' | sort | uniq -c`,
        about: 'how often each destination was denied today',
      },
    ],
    needsRoot: true,
    load: async () => import('../flows.ts'),
  },
  {
    name: 'top',
    summary: 'Show what containers send and receive now, and to where',
    about: [
      'Bytes a second, connections and denials of each container and of the destinations that it talks to most, every two seconds, as the kernel counts them. On a terminal the keys b (bytes), c (connections), d (denials) and n (name) sort, and q ends.',
      'Bytes need nf_conntrack_acct, which is set while it runs and put back after; connections that were there before are not counted.',
    ],
    operands: [
      {
        name: 'CONTAINER',
        about: 'Only those with it in their name or id; "web*" is the whole word',
        required: false,
        completes: 'containers',
      },
    ],
    options: [
      {
        flag: '--sort KEY',
        about: 'What comes first; bytes unless given',
        values: ['bytes', 'connections', 'denied', 'name'],
      },
      { flag: '--destinations NUMBER', about: 'Of each container; 3 unless given' },
      { flag: '--interval SECONDS', about: 'Between two looks; 2 unless given' },
      { flag: '--once', about: 'Show one picture, of one interval, and end' },
      json,
    ],
    examples: [
      { line: 'drawbridge top', about: 'until q or Ctrl-C' },
      { line: 'drawbridge top --once --json --interval 10', about: 'ten seconds, for a program' },
    ],
    needsRoot: true,
    load: async () => import('../top.ts'),
  },
];

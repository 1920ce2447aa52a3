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
];
void container;

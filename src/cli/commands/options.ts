import type { Option } from '../command.ts';

/** The option of every command that answers a question. */
export const json: Option = { flag: '--json', about: 'Print JSON, as its schema in conf/schema/ has it' };

/** What every command about one container takes first. */
export const container = {
  name: 'CONTAINER',
  about:
    'Its id or the beginning of it, one of its addresses, or the name of its namespace; "/net1" behind it means that interface',
  required: true,
  completes: 'containers',
} as const;

/** Which attachments a list is about: what `selectionOf` (list/select.ts) reads. */
export const selecting: readonly Option[] = [
  { flag: '--network NETWORK', about: 'Only of this network' },
  { flag: '--policy NAME', about: 'Only under this named policy', completes: 'policies' },
  { flag: '--denied', about: 'Only those that were denied something' },
  { flag: '--stale', about: 'Only those that are not as their records say' },
  { flag: '--no-policy', about: 'Only those without a policy' },
];

/** What a list of attachments is sorted by. */
export const sortKeys = ['name', 'address', 'policy', 'denied', 'age'] as const;

/** Shows a list again when it has changed (list/again.ts). */
export const watch: Option = {
  flag: '--watch',
  about: 'Look every two seconds, and show what has changed until Ctrl-C',
};

/** How a list is written; `own` are forms of one command beside those that all have (list/format.ts). */
export function formatOption(about: string, own: readonly string[] = []): Option {
  return { flag: '--format FORMAT', short: '-o', about, values: [...own, 'wide', 'json', 'yaml', 'name'] };
}

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

import type { Invocation } from '../command.ts';
import { scripts } from '../completion.ts';
import { commandPage, programPage } from '../man.ts';
import { networkSchema, policySchema } from '../../egress/schema.ts';
import { interfaceKeyNames } from '../../plugins/known-keys.ts';
import type { Item } from './item.ts';

/** Where `man` and shells look besides a distribution's own folders (Filesystem Hierarchy Standard, /usr/local). */
const shared = '/usr/local/share';

const completionFiles = {
  bash: 'bash-completion/completions/drawbridge',
  fish: 'fish/vendor_completions.d/drawbridge.fish',
  zsh: 'zsh/site-functions/_drawbridge',
} as const satisfies Record<keyof typeof scripts, string>;

/** Manual pages, and what makes shells complete our commands. */
export function pagesFor({ commands, version }: Pick<Invocation, 'commands' | 'version'>): Item[] {
  const shown = commands.filter(({ hidden }) => hidden !== true);
  const pages = [
    ['drawbridge', programPage(commands, version)],
    ['egress-policy', '.so man8/drawbridge.8'],
    ...shown.map((command) => [`drawbridge-${command.name.replaceAll(' ', '-')}`, commandPage(command, version)]),
  ];
  return [
    ...pages.map(([name, text]) => ({
      path: `${shared}/man/man8/${name}.8`,
      about: 'a manual page',
      aboutMany: 'manual pages',
      content: `${text}\n`,
      mode: 0o644,
      shownAs: `${shared}/man/man8/`,
    })),
    ...(['bash', 'fish', 'zsh'] as const).map((shell) => ({
      path: `${shared}/${completionFiles[shell]}`,
      about: `completion for ${shell}`,
      content: `${scripts[shell](shown)}\n`,
      mode: 0o644,
      shownAs: `${shared}/${completionFiles[shell]}`,
    })),
    ...schemaFiles().map(({ name, text }) => ({
      path: `${shared}/drawbridge/${name}`,
      about: 'what editors complete policies and networks by',
      aboutMany: 'JSON Schemas, for editors',
      content: text,
      mode: 0o644,
      shownAs: `${shared}/drawbridge/`,
    })),
  ];
}

/** JSON Schema of what operators write; the same as policy.json and network.json in conf/schema. */
export function schemaFiles(): { readonly name: string; readonly text: string }[] {
  return [
    { name: 'policy.json', schema: policySchema() },
    { name: 'network.json', schema: networkSchema(interfaceKeyNames()) },
  ].map(({ name, schema }) => ({ name, text: `${JSON.stringify(schema, null, 2)}\n` }));
}

import { describePolicy, policyNotices } from '../egress/describe.ts';
import { recallName } from '../egress/names-store.ts';
import type { Policy } from '../egress/policy.ts';
import type { Invocation } from './command.ts';
import { findPolicy } from './policy/source.ts';
import { entryText, unfold } from './policy/entries.ts';
import { count, durationWords } from '../repair/survey/words.ts';
import { printJson, type Terminal } from './terminal.ts';
import { wrap } from './wrap.ts';

/** A policy with every default filled in, presets unfolded, and what is remembered of its names. */
export async function run({ operands: [asked = ''], options }: Invocation, terminal: Terminal): Promise<number> {
  const { title, policy, grants = [] } = await findPolicy(asked);
  const names = await rememberedNames(policy);
  if (options['json'] === true) {
    printJson(terminal, {
      title,
      policy: Object.fromEntries(unfold(policy)),
      presets: policy.preset,
      names: Object.fromEntries(names),
      grants,
      notices: policyNotices(policy),
    });
    return 0;
  }
  const { out, paint, width } = terminal;
  out(paint.strong(title));
  for (const line of describePolicy(policy)) out(`  ${wrap(line, width - 2, '    ')}`);
  if (policy.names.length > 0) {
    out('');
    out(`${paint.strong('Names')} ${paint.faint('and the addresses that they last had')}`);
    const column = Math.min(44, Math.max(...policy.names.map((rule) => entryText(rule).length)) + 4);
    for (const rule of policy.names)
      out(`  ${entryText(rule).padEnd(column - 2)}${addressWords(names.get(rule.name), rule.name)}`);
  }
  if (policy.mode === 'allowlist' && policy.allow.length > 0) {
    out('');
    out(paint.strong('Addresses'));
    for (const rule of policy.allow) out(`  ${entryText(rule)}`);
  }
  if (grants.length > 0) {
    out('');
    out(`${paint.strong('Grants')} ${paint.faint('on top of the policy')}`);
    for (const { entry, seconds } of grants) out(`  ${entry} for ${durationWords(seconds)} more`);
  }
  for (const notice of policyNotices(policy)) out(`${paint.warn('!')} ${wrap(notice, width - 2, '  ')}`);
  return 0;
}

async function rememberedNames({ names, dns }: Policy): Promise<Map<string, string[]>> {
  const distinct = [...new Set(names.map(({ name }) => name))];
  return new Map(
    await Promise.all(
      distinct.map(
        async (name) =>
          [name, ((await recallName(name, dns.upstream))?.addresses ?? []).map(({ address }) => address)] as const,
      ),
    ),
  );
}

function addressWords(addresses: readonly string[] | undefined, name: string): string {
  if (name.startsWith('*.')) return 'what a container asks the gateway for';
  if (addresses === undefined || addresses.length === 0) return 'not resolved yet';
  const [first, second, ...more] = addresses;
  return (
    [first, second].filter((one) => one !== undefined).join(' ') +
    (more.length === 0 ? '' : ` and ${count(more.length, 'more', 'more')}`)
  );
}

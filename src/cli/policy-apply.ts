import { formatOfFile } from '../egress/policy-source.ts';
import { basename } from 'node:path';
import { CniError, codes } from '../cni/errors.ts';
import { parsePolicyText, policiesFolder } from '../egress/load-policy.ts';
import { checkPolicyName } from '../egress/conf.ts';
import { policyFormat, policyText, previousPolicy } from '../plugins/egress-policy/previous-policy.ts';
import { editText } from '../host/edit-text.ts';
import { UsageError, valueOf, type Invocation } from './command.ts';
import { parseDuration } from './duration.ts';
import { readPolicy } from './policy-check.ts';
import { withEntry } from './policy/with-entry.ts';
import { putAndWait, type PutOptions } from './policy/put.ts';
import type { Terminal } from './terminal.ts';

/** Makes a file the policy of its name. */
export async function apply(invocation: Invocation, terminal: Terminal): Promise<number> {
  const [file = ''] = invocation.operands;
  const given = valueOf(invocation, 'name');
  if (given === undefined && file === '-')
    throw new UsageError('Cannot tell the name of a policy from stdin: add --name');
  const name = checkPolicyName(given ?? basename(file).replace(/\.(?:json|ya?ml)$/, ''), 'policy');
  return putAndWait(name, { text: readPolicy(file), format: formatOfFile(file) }, optionsOf(invocation), terminal);
}

/** Adds an entry to a list of a policy. */
export async function add(invocation: Invocation, terminal: Terminal): Promise<number> {
  const [given = '', entry = ''] = invocation.operands;
  const name = checkPolicyName(given, 'policy');
  const [before, format] = [policyText(name), policyFormat(name)];
  if (before === null || format === undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot add to the policy "${name}": there is none of this name in ${policiesFolder}`,
      '"drawbridge policy list" shows them; "drawbridge policy apply" makes one',
    );
  // What is no policy is told of by its place, and not made another one.
  await parsePolicyText(before, { what: `the policy "${name}"`, format });
  const text = withEntry(before, { format, key: valueOf(invocation, 'key') ?? 'allow', entry });
  return putAndWait(name, { text, format }, optionsOf(invocation), terminal);
}

/** Opens a policy in the editor, and applies what it is then. */
export async function edit(invocation: Invocation, terminal: Terminal): Promise<number> {
  const name = checkPolicyName(invocation.operands[0] ?? '', 'policy');
  const before = policyText(name) ?? '{\n  "mode": "allowlist",\n  "allow": []\n}\n';
  const format = policyFormat(name) ?? 'json';
  const after = editText(before, `${name}.${format}`);
  if (after === before) {
    terminal.note('Nothing was changed.');
    return 0;
  }
  return putAndWait(name, { text: after, format }, optionsOf(invocation), terminal);
}

/** Puts a policy back as it was before the last command that changed it; said again, it takes that back. */
export async function undo(invocation: Invocation, terminal: Terminal): Promise<number> {
  const name = checkPolicyName(invocation.operands[0] ?? '', 'policy');
  const previous = previousPolicy(name);
  if (previous === undefined)
    throw new CniError(
      codes.invalidConfig,
      `Cannot put the policy "${name}" back: no command has changed it`,
      'What an editor or another program wrote is not remembered',
    );
  return putAndWait(name, previous, optionsOf(invocation), terminal);
}

function optionsOf(invocation: Invocation): PutOptions {
  const time = valueOf(invocation, 'for');
  return {
    isJson: invocation.options['json'] === true,
    isDry: invocation.options['dry-run'] === true,
    ...(time === undefined ? {} : { forMilliseconds: parseDuration(time, '--for') }),
  };
}

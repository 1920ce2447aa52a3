import { CniError, InvalidValueError, codes } from '../cni/errors.ts';
import { Fields, quote } from '../cni/fields.ts';
import { choiceKeys, policyKeys } from './keys.ts';
import type { OnLinkNetwork } from './on-link.ts';
import { parsePolicy } from './parse.ts';
import type { Policy } from './policy.ts';
import { noOwnPresets } from './presets.ts';
import type { OwnPresets } from './presets/own.ts';

/** The keys under which a container may ask for a policy of its own. */
const choiceArg = 'EGRESS_POLICY';
const choiceLabel = 'drawbridge/egress-policy';

/**
 * What a network says about egress: a policy of its own, or the name of one in a file; and what containers may choose
 * instead.
 */
export interface EgressConf {
  readonly policy: Policy | { readonly named: string };
  readonly selectable: readonly string[];
}

/** Where a container may have asked for a policy. */
export interface Choices {
  /** CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>;
  /** `args.cni.labels`. */
  readonly labels: ReadonlyMap<string, string>;
  /** `runtimeConfig` under the capability "io.kubernetes.cri.pod-annotations". */
  readonly annotations: ReadonlyMap<string, string>;
}

/**
 * Keys that runtimes and libcni put into the configuration of a plugin, beside those that the user wrote; matched in
 * any case of letters, as Go does.
 */
const protocolKeys = ['cniVersion', 'name', 'type', 'capabilities', 'runtimeConfig', 'args', 'prevResult'].map((key) =>
  key.toLowerCase(),
);

/** libcni's own keys begin so. */
const protocolPrefix = 'cni.dev/';

/**
 * Reads the whole configuration of the plugin `egress-policy`, as it comes on stdin. Throws as {@link parseEgressConf}
 * does.
 */
export function parsePluginConf(
  raw: unknown,
  own: OwnPresets = noOwnPresets,
  onLink: readonly OnLinkNetwork[] = [],
): EgressConf {
  const fields = new Fields(raw);
  const isPolicy = (key: string): boolean =>
    !protocolKeys.includes(key.toLowerCase()) && !key.toLowerCase().startsWith(protocolPrefix);
  const keys = Object.fromEntries(Object.entries(fields.value).filter(([key]) => isPolicy(key)));
  return parseEgressConf(keys, '', own, onLink);
}

/**
 * Reads the object with the keys of a policy, and `policy` and `selectable`; `where` is its path, `own`
 * are the operator's presets.
 *
 * `policy` names a file that is the whole policy, so no other key may stand beside it but `selectable`.
 * Throws {@link CniError} with code 7.
 */
export function parseEgressConf(
  raw: unknown,
  where: string,
  own: OwnPresets = noOwnPresets,
  onLink: readonly OnLinkNetwork[] = [],
): EgressConf {
  const fields = new Fields(raw, where).only([...policyKeys, ...choiceKeys]);
  const selectable = (fields.strings('selectable') ?? []).map((name, index) =>
    checkPolicyName(name, `${fields.at('selectable')}[${index}]`),
  );
  const named = fields.string('policy');
  const keys = Object.fromEntries(
    Object.entries(fields.value).filter(([key]) => !choiceKeys.some((one) => one === key.toLowerCase())),
  );
  if (named === undefined) {
    if (fields.has('policy'))
      throw new InvalidValueError(fields.at('policy'), 'it is null', 'Leave the key out, or name a policy');
    return { policy: parsePolicy(keys, where, own, onLink), selectable };
  }
  const [extra] = Object.keys(keys);
  if (extra !== undefined) {
    throw new InvalidValueError(
      fields.at(extra),
      `it stands beside "policy": ${quote(named)}, which is the whole policy`,
      `Move "${extra}" to the file of the policy, or leave "policy" out`,
    );
  }
  return { policy: { named: checkPolicyName(named, fields.at('policy')) }, selectable };
}

/**
 * The name of the policy that a container chose; undefined when it chose none.
 *
 * Throws {@link CniError} with code 7 when the name is not in `selectable`, and when the container asks for
 * two different ones.
 */
export function chosenPolicy(
  { selectable }: Pick<EgressConf, 'selectable'>,
  { args, labels, annotations }: Choices,
): string | undefined {
  const asked = [
    { by: `CNI_ARGS ${choiceArg}`, name: args.get(choiceArg) },
    { by: `label ${choiceLabel}`, name: labels.get(choiceLabel) },
    { by: `annotation ${choiceLabel}`, name: annotations.get(choiceLabel) },
  ].filter((choice): choice is { by: string; name: string } => choice.name !== undefined);
  const [first, ...others] = asked;
  if (first === undefined) return undefined;
  const other = others.find(({ name }) => name !== first.name);
  if (other !== undefined) {
    throw new CniError(
      codes.invalidConfig,
      `Cannot choose a policy: the ${first.by} asks for ${quote(first.name)}, the ${other.by} for ${quote(other.name)}`,
      'Ask for one',
    );
  }
  if (selectable.includes(first.name)) return first.name;
  const offer =
    selectable.length === 0
      ? 'The network offers none: its "selectable" is empty'
      : `Selectable are ${selectable.map(quote).join(', ')}`;
  throw new CniError(
    codes.invalidConfig,
    `Cannot use the policy ${quote(first.name)} that the ${first.by} asks for: it is not selectable`,
    offer,
  );
}

/**
 * Returns a name that is safe as a file's, or throws {@link CniError} with code 7; `path` says where the name stands.
 */
export function checkPolicyName(name: string, path: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$/.test(name)) return name;
  throw new InvalidValueError(
    path,
    `${quote(name)} is not the name of a policy`,
    'Expected 1 to 64 letters, digits, dots, hyphens or underscores, the first one a letter or a digit; no path, no ".json"',
  );
}

import { CniError, codes } from '../../../cni/errors.ts';
import { Fields } from '../../../cni/fields.ts';
import type { AttachmentRequest } from '../../../cni/request.ts';
import { isTapName, parseNamespaceTap } from '../../../links/conf.ts';
import type { TapConf } from '../../../links/tap.ts';

/**
 * Reads the tap of a chained element: the object "tap" with the keys that that of `drawbridge` has, and CNI_ARGS as
 * tc-redirect-tap has them (TC_REDIRECT_TAP_NAME, _UID, _GID), which go first. Throws code 7, and 4 for CNI_ARGS.
 */
export function parseRedirection({ config: { fields }, args }: Pick<AttachmentRequest, 'config' | 'args'>): TapConf {
  const tap = parseNamespaceTap(fields.object('tap') ?? new Fields({}, 'tap'));
  const name = args.pairs.get(`${prefix}NAME`);
  if (name !== undefined && !isTapName(name)) throw invalid('NAME', name, 'the name of an interface');
  return {
    ...tap,
    ...(name === undefined ? {} : { name }),
    ...number(args, 'UID', 'owner'),
    ...number(args, 'GID', 'group'),
  };
}

const prefix = 'TC_REDIRECT_TAP_';

function number(
  { pairs }: AttachmentRequest['args'],
  key: 'UID' | 'GID',
  name: 'owner' | 'group',
): { readonly owner?: number; readonly group?: number } {
  const text = pairs.get(`${prefix}${key}`);
  if (text === undefined) return {};
  if (!/^\d{1,9}$/u.test(text)) throw invalid(key, text, 'a number');
  return { [name]: Number(text) };
}

function invalid(key: string, text: string, expected: string): CniError {
  return new CniError(
    codes.invalidEnvironment,
    `Invalid CNI_ARGS: ${prefix}${key} is ${JSON.stringify(text)}, ${expected} is expected`,
  );
}

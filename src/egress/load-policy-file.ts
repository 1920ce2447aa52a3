import { existsSync } from 'node:fs';
import { CniError, codes } from '../cni/errors.ts';
import { quote } from '../cni/fields.ts';
import { checkPolicyName } from './conf.ts';
import { policyFormats, type PolicyFormat } from './policy-source.ts';

export interface PolicyFile {
  readonly file: string;
  readonly format: PolicyFormat;
}

/** The file of a named policy; undefined where there is none. Throws code 7 where there are two of one name. */
export function findPolicyFile(name: string, folder: string): PolicyFile | undefined {
  checkPolicyName(name, 'policy');
  const found = policyFormats
    .map((format) => ({ file: `${folder}/${name}.${format}`, format }))
    .filter(({ file }) => existsSync(file));
  if (found.length < 2) return found[0];
  throw new CniError(
    codes.invalidConfig,
    `Cannot tell which policy ${quote(name)} is: there are ${found.map(({ file }) => quote(file)).join(' and ')}`,
    'Remove one of them',
  );
}

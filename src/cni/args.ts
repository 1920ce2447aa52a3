import { CniError, codes } from './errors.ts';
import { quote } from './fields.ts';

/** What CNI_ARGS holds. Keys are matched with regard to case; of a key given twice the last value counts. */
export interface CniArgs {
  readonly pairs: ReadonlyMap<string, string>;
  /** Parts between semicolons that are not one key, one "=" and one value. */
  readonly malformed: readonly string[];
}

/**
 * Takes CNI_ARGS apart: "K=V;K=V". Never throws: a DEL must remove what it can whatever the text is, and a
 * chained plugin that uses no argument has none to refuse. A plugin that uses some calls {@link checkArgs}.
 */
export function parseArgs(text: string): CniArgs {
  const pairs = new Map<string, string>();
  const malformed: string[] = [];
  for (const pair of text === '' ? [] : text.split(';')) {
    const [key = '', value, ...rest] = pair.split('=');
    if (value === undefined || rest.length > 0) malformed.push(pair);
    else pairs.set(key, value);
  }
  return { pairs, malformed };
}

/**
 * Refuses, with code 4, malformed pairs, and keys outside `known` unless IgnoreUnknown=1 (or true) is among
 * the pairs: the rules of the reference's types.LoadArgs, which runtimes are written for. They send
 * IgnoreUnknown together with keys of their own (K8S_POD_NAME, NERDCTL_CNI_DHCP_HOSTNAME).
 */
export function checkArgs(args: CniArgs, known: readonly string[]): void {
  if (args.malformed.length > 0) {
    throw invalid(
      `ARGS: invalid pair ${args.malformed.map(quote).join(', ')}`,
      'Write CNI_ARGS as "KEY=VALUE;KEY=VALUE", with no "=" or ";" in a value and none at the end',
    );
  }
  if (ignoresUnknown(args)) return;
  const unknown = [...args.pairs].filter(([key]) => key !== 'IgnoreUnknown' && !known.includes(key));
  if (unknown.length === 0) return;
  const list = unknown.map(([key, value]) => quote(`${key}=${value}`)).join(' ');
  throw invalid(
    `ARGS: unknown args [${list}]`,
    `The known keys are ${known.map(quote).join(', ')}; add IgnoreUnknown=1 to let others pass`,
  );
}

function ignoresUnknown({ pairs }: CniArgs): boolean {
  const value = pairs.get('IgnoreUnknown');
  switch (value?.toLowerCase()) {
    case '1':
    case 'true':
      return true;
    case undefined:
    case '0':
    case 'false':
      return false;
    default:
      throw invalid(
        `ARGS: error parsing value of pair ${quote(`IgnoreUnknown=${value ?? ''}`)}: 1, true, 0 or false is expected`,
      );
  }
}

function invalid(problem: string, details?: string): CniError {
  return new CniError(codes.invalidEnvironment, `Invalid "CNI_ARGS": ${problem}`, details);
}

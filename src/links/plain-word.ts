import { CniError, codes } from '../cni/errors.ts';

/**
 * Requires that a value stays one word of a batch, so that none can add a command of its own: `ip` takes a "#" anywhere
 * for a comment, and quotes, backslashes and white space for syntax, and has no way to escape all of them. Throws code
 * 4 for a namespace path or a name of an interface that has such a character.
 */
export function requirePlainWord(text: string): void {
  if (isPlainWord(text)) return;
  throw new CniError(
    codes.invalidEnvironment,
    `Cannot write ${JSON.stringify(text)} in a command for "ip -batch": it is empty or has white space, a quote, a backslash, "#" or ";"`,
    'Choose another name for the interface, the bridge or the network namespace',
  );
}

/** Whether a value has nothing that ip(8), bridge(8) or tc(8) read as syntax. */
export function isPlainWord(text: string): boolean {
  return /^[^\s#"'\\;\p{Cc}]+$/u.test(text);
}

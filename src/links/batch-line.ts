import { CniError, codes } from '../cni/errors.ts';

/**
 * Writes one line of `ip -batch`: line`link del dev ${name}`. A list is written as its words, and an empty one as
 * nothing.
 *
 * What is filled in stays one word. `ip` takes a "#" anywhere for a comment, and quotes, backslashes and white
 * space for syntax, and has no way to escape all of them; a namespace path or an interface name that has such a
 * character is refused with code 4, so that no value can add a command of its own.
 */
export function line(
  words: TemplateStringsArray,
  ...values: (string | number | readonly (string | number)[])[]
): string {
  const texts = values.map((value) => (typeof value === 'object' ? value.map(word).join(' ') : word(value)));
  return String.raw({ raw: words }, ...texts)
    .replaceAll(/ {2,}/gu, ' ')
    .trimEnd();
}

/**
 * Whether a value can be filled in: address text, a name or a path with nothing that ip(8) or bridge(8) read as syntax.
 */
export function isPlainWord(text: string): boolean {
  return /^[^\s#"'\\;\p{Cc}]+$/u.test(text);
}

function word(value: string | number): string {
  const text = String(value);
  if (isPlainWord(text)) return text;
  throw new CniError(
    codes.invalidEnvironment,
    `Cannot write ${JSON.stringify(text)} in a command for "ip -batch": it is empty or has white space, a quote, a backslash, "#" or ";"`,
    'Choose another name for the interface, the bridge or the network namespace',
  );
}

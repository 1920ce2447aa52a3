/** Longest comment that nft takes, in bytes (NFTNL_UDATA_COMMENT_MAXLEN with its final NUL). */
const longestComment = 127;

/** nft text of a comment. */
export function quotedComment(text: string): string {
  return `"${plainComment(text)}"`;
}

/**
 * A comment as the kernel keeps it. nft knows no escape inside double quotes, so what could end the quotes or the
 * line becomes "_": a container's name is data and can never become a command.
 */
export function plainComment(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]|"/gu, '_').slice(0, longestComment);
}

/**
 * nft text of an interface's name.
 *
 * Throws a RangeError for a name that Linux would refuse, or that nft reads as a pattern (a final "*").
 */
export function quotedInterface(name: string): string {
  if (!/^[^\s/:"*\\\x00-\x1f\x7f-\uffff]{1,15}$/u.test(name) || name === '.' || name === '..') {
    throw new RangeError(
      `Cannot name the interface ${JSON.stringify(name)} in a rule: expected 1 to 15 printable ASCII characters without space, "/", ":", "*", "\\" and quotes`,
    );
  }
  return `"${name}"`;
}

/**
 * Why a call to the system failed, in words for people: "there is no such file", without the name of the error, the
 * call and the path, which the sentence around it tells. An error of another kind keeps its message.
 */
export function systemReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code !== 'string') return error.message;
  return words[code] ?? unknownReason(code, error.message);
}

/** Names of errno(3), in the words of this project. */
const words: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the file system',
  EDQUOT: 'the disk quota is used up',
  EEXIST: 'it is there already',
  ENOTEMPTY: 'the folder is not empty',
  EBUSY: 'it is in use',
  ETXTBSY: 'it is being executed',
  ELOOP: 'the link leads back to itself',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'this process has too many files open',
  ENFILE: 'the host has too many files open',
  ENOMEM: 'the host has no memory left',
  EIO: 'the disk failed (input/output error)',
  EFBIG: 'the file would be too long',
  EINVAL: 'the system refuses this value',
  ESTALE: 'its network file system no longer has it',
  EPIPE: 'nobody reads',
  ECONNREFUSED: 'nobody answers there',
};

/** "EXDEV: cross-device link not permitted, rename 'a' -> 'b'" becomes "cross-device link not permitted". */
function unknownReason(code: string, message: string): string {
  const [, text] = /^[A-Z0-9]+: (.*?)(?:, [a-z]+(?: '.*)?)?$/s.exec(message) ?? [];
  return text ?? `the system answered ${code}`;
}

/**
 * Why a call to the file system failed, in plain words without the number's name, as the end of a sentence: "the file
 * system is read-only".
 */
export function fileReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '', message } = error as NodeJS.ErrnoException;
  // "EISDIR: illegal operation on a directory, read": the sentence of libuv is plain enough for what is rare.
  return reasons[code] ?? /^[A-Z0-9]+: ([^,]+)/u.exec(message)?.[1] ?? message;
}

const reasons: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the file system',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EIO: 'the disk does not answer as it should (input/output error)',
};

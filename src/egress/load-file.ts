import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** A path leads to something that is not to be read as a file: a pipe, a device, a folder, or more than the bound. */
export class NotReadableError extends Error {
  override readonly name = 'NotReadableError';
}

/**
 * Text of a regular file of at most `longest` bytes, whatever the path leads to: a pipe is not waited for, and a device
 * that never ends is not read. Links are followed. Throws {@link NotReadableError}, or what the kernel says.
 */
export function readRegularFile(path: string, longest: number): string {
  // Without O_NONBLOCK opening a pipe waits for its writer.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(descriptor).isFile()) throw new NotReadableError('it is no regular file');
    return readBounded(descriptor, longest);
  } finally {
    closeSync(descriptor);
  }
}

/** Text of at most `longest` bytes that a descriptor has until its end. Throws {@link NotReadableError} for more. */
export function readBounded(descriptor: number, longest: number): string {
  const parts: Buffer[] = [];
  for (let left = longest + 1; left > 0;) {
    const part = Buffer.alloc(Math.min(left, 1 << 16));
    const length = readSync(descriptor, part);
    if (length === 0) return Buffer.concat(parts).toString('utf8');
    parts.push(part.subarray(0, length));
    left -= length;
  }
  throw new NotReadableError(`it is longer than ${longest} bytes`);
}

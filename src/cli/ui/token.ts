import { randomBytes } from 'node:crypto';

/** The secret of one page: 128 bits, as hexadecimal digits. */
export function newToken(): string {
  return randomBytes(16).toString('hex');
}

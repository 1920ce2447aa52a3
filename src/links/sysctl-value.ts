/** A file below /proc/sys/net/ and the value that it shall have. */
export interface SysctlValue {
  readonly file: string;
  readonly value: string;
  /**
   * What does not work without it, in words, where the rest does: then a /proc/sys that cannot be written is no error.
   */
  readonly without?: string;
}

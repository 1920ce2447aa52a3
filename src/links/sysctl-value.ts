/** A file below /proc/sys/net/ and the value that it shall have. */
export interface SysctlValue {
  readonly file: string;
  readonly value: string;
}

/** What a package is made of. */
export interface Product {
  readonly version: string;
  readonly architecture: 'amd64' | 'arm64';
  readonly executable: Buffer;
  readonly bill: string;
  /** Of the commit, in seconds since 1970: that of every file that is newer. */
  readonly time: number;
}

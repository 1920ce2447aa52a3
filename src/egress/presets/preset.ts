/**
 * Names that open at the same ports. Each name has its labels reversed, as they hang in the DNS tree
 * ("com.github.api"), and the list is sorted, so that what lies in one zone stands together. A "*" for
 * the last label is a wildcard.
 */
export interface Zone {
  /** As they stand behind a name in an entry of `allow`: "443/tcp". */
  readonly ports: readonly string[];
  readonly names: readonly string[];
}

export interface Preset {
  /** One line for `drawbridge presets`. */
  readonly about: string;
  /** The day on which the names were compared with a public source, and its title; not of the seeds' own lists. */
  readonly checked?: { readonly on: string; readonly against: string };
  readonly zones: readonly Zone[];
  /** Prefixes that open for every protocol. */
  readonly prefixes?: readonly string[];
}

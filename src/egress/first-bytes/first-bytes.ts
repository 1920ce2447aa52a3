/** What the first bytes of a connection say. */
export type FirstBytes =
  /** The message is not complete yet. */
  | { readonly kind: 'more' }
  | {
      readonly kind: 'name';
      readonly protocol: 'tls' | 'http' | 'http2' | 'quic';
      /** Lower case, without a trailing dot and without a port. */
      readonly name: string;
      /** The port that the request names, where it names one. */
      readonly port?: number;
      /** The hello is encrypted: `name` is the outer one. */
      readonly isOuter?: boolean;
    }
  /** They show no name, for the reason given: a clause for "Denied because …". */
  | { readonly kind: 'none'; readonly why: string };

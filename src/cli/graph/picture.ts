/** Whether a container gets to all of a place, to what is listed of it, or nowhere in it. */
export type Reach = 'open' | 'listed' | 'closed';

/** What the picture shows. */
export interface Picture {
  /** ISO 8601: when it was so. */
  readonly time: string;
  readonly host: { readonly name: string; readonly addresses: readonly string[] };
  readonly networks: readonly Network[];
}

export interface Network {
  readonly name: string;
  readonly bridge: string;
  readonly gateways: readonly string[];
  readonly containers: readonly Card[];
}

export interface Card {
  readonly name: string;
  readonly ifname: string;
  readonly addresses: readonly string[];
  readonly ports: readonly string[];
  /** "none" without a policy. */
  readonly mode: 'open' | 'restricted' | 'allowlist' | 'none';
  readonly policy: string;
  /** Where its policy lets it go. */
  readonly reach: Readonly<Record<'internet' | 'lan' | 'host' | 'siblings', Reach>>;
  readonly denied: number;
  readonly isStale: boolean;
  /** Of a guest of a VM. */
  readonly tap?: string;
}

/** What stands on the card of a guest besides: a policy is not all there is to say of it. */
export function guestWords({ tap }: Card): string[] {
  return tap === undefined ? [] : [`guest behind ${tap}; vsock passes no rule`];
}

/** Containers of one network that differ in name and addresses alone, drawn as one. */
export interface FoldedCard extends Card {
  readonly members: readonly Card[];
}

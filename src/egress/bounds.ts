/** What is bounded of one container, for the rules that hold it to that and for those who tell of it. */
export interface BoundKind {
  readonly name: string;
  /** The kernel's name for it: a part of the key of an element. The agent's bounds have none there. */
  readonly number: number;
  /** Where the rules that bound it are. */
  readonly table: 'inet' | 'bridge' | 'both' | 'agent';
  /** What is over passes, or is refused as it would be anyway, and is left out of a list. */
  readonly isCountedOnly?: true;
  /** "maxConnections" of the policy sets it, and new connections do not begin while it is met. */
  readonly stopsConnections?: true;
  /** Of what it has taken as much as one may: "it has met its bound of …". */
  readonly what: string;
  /** What happens to what is over. */
  readonly effect: string;
}

const dropped = 'what is over is dropped';

export const bounds: readonly BoundKind[] = [
  {
    name: 'connections',
    number: 1,
    table: 'inet',
    stopsConnections: true,
    what: 'connections at once',
    effect: dropped,
  },
  {
    name: 'destination',
    number: 2,
    table: 'inet',
    stopsConnections: true,
    what: 'connections to one destination and port',
    effect: dropped,
  },
  {
    name: 'begun',
    number: 3,
    table: 'inet',
    stopsConnections: true,
    what: 'connections that begin in a second',
    effect: dropped,
  },
  { name: 'fragments', number: 4, table: 'both', what: '50 fragments a second', effect: dropped },
  { name: 'echo', number: 5, table: 'inet', what: '10 pings of the host a second', effect: dropped },
  { name: 'queries', number: 6, table: 'inet', what: '500 DNS queries a second to the agent', effect: dropped },
  { name: 'neighbours', number: 7, table: 'inet', what: '10 new neighbours of the host a second', effect: dropped },
  {
    name: 'denials',
    number: 8,
    table: 'both',
    isCountedOnly: true,
    what: 'lines in the lists of denials',
    effect: 'further denials are counted and not listed',
  },
  {
    name: 'names',
    number: 10,
    table: 'agent',
    what: 'new names a minute under one wildcard ("dns.maxQueriesPerMinute")',
    effect: 'further names are refused',
  },
  {
    name: 'addresses',
    number: 11,
    table: 'agent',
    what: 'addresses of names that are open at once',
    effect: 'the oldest are closed',
  },
  { name: 'reports', number: 9, table: 'bridge', what: '10 reports of multicast groups a minute', effect: dropped },
];

/** Minutes for which the kernel remembers that a bound was met. */
export const metMinutes = 60;

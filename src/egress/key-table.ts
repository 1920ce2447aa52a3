/** Shape of the value of a policy's key, as far as a table can tell it: the parser and the JSON Schema both read it. */
export type KeyShape = { readonly about: string } & (
  | { readonly is: 'word'; readonly values: readonly string[] }
  | { readonly is: 'flag' }
  | { readonly is: 'number'; readonly min: number; readonly max: number }
  | { readonly is: 'entries'; readonly example: string }
  | { readonly is: 'ports'; readonly example: string }
  | { readonly is: 'names' }
  | { readonly is: 'amount' }
  | { readonly is: 'time'; readonly example: string }
  | { readonly is: 'object'; readonly keys: Readonly<Record<string, KeyShape>> }
);

/** Minutes; a week. */
const longestRefresh = 10_080;

/** The keys of a policy, in the order in which the manual lists them. */
export const policyTable = {
  mode: {
    is: 'word',
    values: ['open', 'restricted', 'allowlist'],
    about: 'restricted: the public internet; allowlist: only what is listed; open: everything beyond the host',
  },
  preset: { is: 'names', about: 'One or more named lists, ours ("drawbridge presets") and those of the operator' },
  allow: { is: 'entries', example: 'github.com:443', about: 'Names, addresses and prefixes that are open' },
  allowPrivate: { is: 'entries', example: '10.0.0.5:5432/tcp', about: 'Private destinations opened on purpose' },
  deny: { is: 'entries', example: '203.0.113.0/24', about: 'Beats everything' },
  verifyNames: { is: 'flag', about: 'A connection that a name opens must ask for that name in its first bytes' },
  allowLocalNetworks: { is: 'flag', about: 'Private ranges are open' },
  hostAccess: { is: 'word', values: ['ports', 'all', 'none'], about: 'What of the host the container reaches' },
  hostPorts: { is: 'ports', example: '53/udp', about: 'With hostAccess "ports", on the gateway addresses' },
  isolation: { is: 'word', values: ['container', 'bridge', 'none'], about: 'Which siblings reach the container' },
  ingress: { is: 'word', values: ['published', 'open'], about: 'What comes in from outside' },
  ipv6: { is: 'word', values: ['filter', 'disable'], about: 'Whether the container has IPv6' },
  refreshIntervalMinutes: {
    is: 'number',
    min: 0,
    max: longestRefresh,
    about: 'Longest time between two looks at a name; 0 turns them off',
  },
  dns: {
    is: 'object',
    about: 'How the agent answers DNS',
    keys: {
      upstream: { is: 'entries', example: '9.9.9.9', about: "Servers; the host's unless given" },
      denied: { is: 'word', values: ['refused', 'nxdomain'], about: 'The answer for a name that is not allowed' },
      maxQueriesPerMinute: { is: 'number', min: 1, max: 1_000_000, about: 'New names under one wildcard in a minute' },
    },
  },
  onDeny: { is: 'word', values: ['reject', 'drop'], about: 'Whether the container is told' },
  audit: { is: 'flag', about: 'Count and report what would be denied, deny nothing' },
  exclusive: { is: 'flag', about: 'No second network without a policy on the container' },
  maxConnections: { is: 'number', min: 1, max: 1_000_000, about: 'Connections that the container has at once' },
  quota: {
    is: 'object',
    about: 'How many bytes may pass',
    keys: {
      bytes: { is: 'amount', about: 'As in "10GB", "1.5GiB" or 1000000' },
      per: { is: 'word', values: ['hour', 'day', 'week', 'month'], about: 'When it begins anew' },
    },
  },
  maxGrants: {
    is: 'object',
    about: 'How far "drawbridge allow" may go',
    keys: {
      within: { is: 'entries', example: '*.example.org', about: 'What a grant may open' },
      for: { is: 'time', example: '24h', about: 'Longest time of a grant' },
      count: { is: 'number', min: 0, max: 64, about: 'Grants at once' },
    },
  },
  record: { is: 'word', values: ['denied', 'all', 'none'], about: 'Which flows are recorded' },
} as const satisfies Readonly<Record<string, KeyShape>>;

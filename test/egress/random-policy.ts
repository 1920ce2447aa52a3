import fc from 'fast-check';

/** Prefixes and ports that meet the destinations often, overlap, and lie within one another. */
const prefix = fc.constantFrom(
  '8.8.8.8',
  '8.8.8.0/24',
  '8.0.0.0/8',
  '0.0.0.0/0',
  '203.0.113.10',
  '203.0.113.0/24',
  '128.0.0.0/1',
  '10.1.2.3',
  '10.0.0.0/8',
  '192.168.0.0/16',
  '[2606:4700::1111]',
  '[2606:4700::]/32',
  '[2000::]/3',
  '[::]/0',
  '[2001:db8::10]',
  '[fd00:1::3]',
  '[fc00::]/7',
);
const port = fc.constantFrom('', ':443', ':80', ':53', ':80-443', ':1-79', ':53-60000');
const protocol = fc.constantFrom('', '/tcp', '/udp');
const entry = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(prefix, port, protocol).map((parts) => parts.join('')) },
  { weight: 1, arbitrary: prefix.map((text) => `${text}/icmp`) },
);
const entries = fc.uniqueArray(entry, { maxLength: 7 });
const privateEntry = fc
  .tuple(
    fc.constantFrom(
      '10.1.2.3',
      '10.0.0.0/8',
      '10.1.0.0/16',
      '192.168.7.7',
      '169.254.169.254',
      '[fd00:1::3]',
      '[fd00:1::]/32',
    ),
    port,
    protocol,
  )
  .map((parts) => parts.join(''));

/** A policy as one writes it; in the wider modes "allow" means nothing, and is to be left out. */
export const randomPolicy = fc.record(
  {
    mode: fc.constantFrom('open', 'restricted', 'allowlist', 'allowlist'),
    allow: fc.uniqueArray(entry, { minLength: 1, maxLength: 7 }),
    deny: entries,
    allowPrivate: fc.uniqueArray(privateEntry, { maxLength: 3 }),
    allowLocalNetworks: fc.boolean(),
    hostAccess: fc.constantFrom('ports', 'all', 'none'),
    hostPorts: fc.uniqueArray(fc.constantFrom('53', '443/tcp', '80-443', '53/udp'), { minLength: 1, maxLength: 3 }),
  },
  { requiredKeys: ['mode', 'allow'] },
);

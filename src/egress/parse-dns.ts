import { policyTable } from './key-table.ts';
import { show, type Fields } from '../cni/fields.ts';
import { formatAddress, readAnyAddress } from '../ip/address.ts';
import { refusal, type Place } from './entry.ts';
import type { Policy } from './policy.ts';
import { entries, oneOf, refuseNull } from './policy-fields.ts';

/**
 * Five new names a second under one wildcard, and hundreds at once. What was asked before does not count. As a way to
 * send data out in labels it carries less than a kilobyte a second.
 */
export const usualQueriesPerMinute = 300;

const { keys: dnsKeys } = policyTable.dns;

/** Reads `dns` of a policy, undefined where it is absent. Throws code 7. */
export function parseDns(fields: Fields | undefined): Policy['dns'] {
  const dns = fields?.only(Object.keys(dnsKeys));
  if (dns === undefined) return { upstream: [], denied: 'refused', maxQueriesPerMinute: usualQueriesPerMinute };
  refuseNull(dns);
  return {
    upstream: entries(dns, 'upstream').map(({ value, place }) => parseServer(value, place)),
    denied: oneOf(dns, 'denied', dnsKeys.denied.values) ?? 'refused',
    maxQueriesPerMinute: dns.integer('maxQueriesPerMinute', dnsKeys.maxQueriesPerMinute) ?? usualQueriesPerMinute,
  };
}

/** A DNS server: an address, with a port where that is not 53. Canonical: "9.9.9.9", "[2001:db8::1]:5353". */
function parseServer(value: unknown, place: Place): string {
  const match =
    typeof value === 'string' ? /^(?:\[([^\]]+)\]|([^:[\]]+|[^[\]]*:[^[\]]*:[^[\]]*))(?::(\d+))?$/.exec(value) : null;
  const address = readAnyAddress(match?.[1] ?? match?.[2] ?? '');
  const port = Number(match?.[3] ?? 53);
  if (address === undefined || port < 1 || port > 65535)
    throw refusal(
      show(value),
      place,
      'it is not the address of a DNS server',
      'expected "9.9.9.9", "9.9.9.9:5353", "2001:db8::1" or "[2001:db8::1]:5353"',
    );
  const text = formatAddress(address);
  if (port === 53) return text;
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

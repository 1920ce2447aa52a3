import type { CheckName } from './check.ts';

/** What people see, and where its causes lie: the likeliest first. */
const symptoms: readonly { readonly pattern: RegExp; readonly checks: readonly CheckName[] }[] = [
  {
    pattern: /no route to host|unreachable|ehostunreach|enetunreach/i,
    checks: ['firewalls', 'forwarding', 'gates', 'routes', 'bridges', 'links', 'rules'],
  },
  { pattern: /permission denied|eacces|not permitted|eperm/i, checks: ['gates', 'kernel', 'programs', 'rules'] },
  { pattern: /refused|econnrefused|reset/i, checks: ['policies', 'agent', 'rules', 'dns'] },
  {
    pattern: /resolv|dns|name or service|nxdomain|getaddrinfo|enotfound|servfail/i,
    checks: ['dns', 'agent', 'firewalls', 'forwarding', 'clock'],
  },
  {
    pattern: /time[d ]*.?out|hang|slow|etimedout|stall/i,
    checks: ['firewalls', 'conntrack', 'forwarding', 'overlaps', 'routes', 'bridge-netfilter', 'links'],
  },
  {
    pattern: /intermittent|sometimes|flak|now and then|random/i,
    checks: ['conntrack', 'overlaps', 'firewalls', 'agent', 'clock', 'dns'],
  },
  { pattern: /no (?:free )?address|exhaust|all .* leased|pool|lease/i, checks: ['leases', 'leftovers', 'disk'] },
  { pattern: /ipv6|inet6/i, checks: ['ipv6', 'forwarding', 'bridges', 'kernel'] },
  { pattern: /certificate|tls|not yet valid|expired/i, checks: ['clock', 'dns'] },
  { pattern: /port|publish|expose|already in use/i, checks: ['rules', 'firewalls', 'leftovers', 'links'] },
  { pattern: /push|registry|pull|build/i, checks: ['firewalls', 'dns', 'agent', 'policies'] },
  { pattern: /left ?over|stale|orphan|clean/i, checks: ['leftovers', 'records'] },
];

/** Checks in the order in which they explain a symptom; empty when nothing is known of it. */
export function likelyChecks(symptom: string): CheckName[] {
  return [...new Set(symptoms.filter(({ pattern }) => pattern.test(symptom)).flatMap(({ checks }) => checks))];
}

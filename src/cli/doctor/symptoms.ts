import type { CheckName } from './check.ts';

/** What people see, and where its causes lie: the likeliest first. */
const symptoms: readonly { readonly pattern: RegExp; readonly checks: readonly CheckName[] }[] = [
  {
    // Before "unreachable", which curl's words of a name may hold too. EAI_AGAIN, EAI_NONAME and EAI_FAIL of libc.
    pattern:
      /resolv|dns|name or service|temporary failure|name does not resolve|non-recoverable|nxdomain|getaddrinfo|enotfound|eai_|servfail|no address associated|curl: \(6\)|exit(?: code| status)? 6\b/i,
    checks: ['dns', 'agent', 'firewalls', 'forwarding', 'policies', 'clock'],
  },
  {
    pattern: /no route to host|unreachable|ehostunreach|enetunreach|filtered|prohibited/i,
    checks: ['firewalls', 'forwarding', 'gates', 'routes', 'bridges', 'links', 'rules'],
  },
  { pattern: /permission denied|eacces|not permitted|eperm/i, checks: ['gates', 'kernel', 'programs', 'rules'] },
  {
    pattern: /refused|econnrefused|reset|curl: \((?:7|35|52|56)\)|couldn't connect|failed to connect/i,
    checks: ['policies', 'agent', 'rules', 'firewalls', 'dns'],
  },
  {
    pattern: /time[d ]*.?out|hang|slow|etimedout|stall|curl: \(28\)|temporarily/i,
    checks: ['firewalls', 'conntrack', 'bounds', 'forwarding', 'overlaps', 'routes', 'bridge-netfilter', 'links'],
  },
  {
    pattern: /\bmtu\b|fragment|message too long|emsgsize|large (?:packet|transfer|file)|handshake/i,
    checks: ['links', 'bridges', 'firewalls', 'conntrack'],
  },
  {
    pattern: /packet loss|lost packets|drop(?:s|ped)? packets|retransmi/i,
    checks: ['conntrack', 'links', 'bounds', 'overlaps', 'firewalls', 'bridges'],
  },
  {
    pattern: /intermittent|sometimes|flak|now and then|random/i,
    checks: ['conntrack', 'bounds', 'overlaps', 'firewalls', 'agent', 'clock', 'dns'],
  },
  { pattern: /no (?:free )?address|exhaust|all .* leased|pool|lease/i, checks: ['leases', 'leftovers', 'disk'] },
  { pattern: /ipv6|inet6/i, checks: ['ipv6', 'forwarding', 'bridges', 'kernel'] },
  { pattern: /certificate|tls|ssl|not yet valid|expired|curl: \(60\)/i, checks: ['clock', 'dns'] },
  { pattern: /port|publish|expose|already in use/i, checks: ['rules', 'firewalls', 'leftovers', 'links'] },
  { pattern: /push|registry|pull|build/i, checks: ['firewalls', 'dns', 'agent', 'policies'] },
  { pattern: /left ?over|stale|orphan|clean/i, checks: ['leftovers', 'records'] },
];

/** Checks in the order in which they explain a symptom; empty when nothing is known of it. */
export function likelyChecks(symptom: string): CheckName[] {
  return [...new Set(symptoms.filter(({ pattern }) => pattern.test(symptom)).flatMap(({ checks }) => checks))];
}

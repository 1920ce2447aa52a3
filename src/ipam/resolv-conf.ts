import type { ResultDns } from '../cni/result.ts';

/**
 * Reads the text of a resolv.conf(5) into the "dns" of a result, as host-local does for "resolvConf": name
 * servers, the domain, search domains and options; the last "domain" and the last "search" count.
 */
export function parseResolvConf(text: string): ResultDns {
  const dns: ResultDns = {};
  for (const line of text.split('\n')) {
    const [keyword = '', ...values] = line
      .replace(/[#;].*$/u, '')
      .trim()
      .split(/\s+/u);
    const [first] = values;
    if (first === undefined) continue;
    if (keyword === 'nameserver') dns.nameservers = [...(dns.nameservers ?? []), first];
    else if (keyword === 'domain') dns.domain = first;
    else if (keyword === 'search') dns.search = values;
    else if (keyword === 'options') dns.options = [...(dns.options ?? []), ...values];
  }
  return dns;
}

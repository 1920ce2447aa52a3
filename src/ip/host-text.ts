import { familyOf } from './family.ts';

/** An address, or a name, as it stands in front of ":port": of IPv6 in brackets (RFC 3986, section 3.2.2). */
export function hostText(host: string): string {
  return familyOf(host) === 6 ? `[${host}]` : host;
}

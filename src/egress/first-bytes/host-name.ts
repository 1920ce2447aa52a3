/**
 * Reads a host name as a client writes it in a request: labels of letters, digits, "-" and "_" (RFC 1123, RFC 5891 for
 * names in ASCII form). Returns it in lower case and without a trailing dot; undefined for an address, for what is
 * no name, and for one of more than 253 characters.
 */
export function readHostName(text: string): string | undefined {
  const name = text.toLowerCase().replace(/\.$/u, '');
  if (name.length > 253 || !hostName.test(name)) return undefined;
  // A last label of digits makes an IPv4 address of it, in one of the forms that browsers take (WHATWG URL, "ends in a
  // number").
  return /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/u.test(name) ? undefined : name;
}

const hostName = /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/u;

/** Reads "host" or "host:port" (RFC 3986, authority without user information). */
export function readAuthority(text: string): { readonly name: string; readonly port?: number } | undefined {
  const [, host = '', port] = /^([^:@/?#]+)(?::(\d{0,5}))?$/u.exec(text) ?? [];
  const name = readHostName(host);
  if (name === undefined) return undefined;
  if (port === undefined || port === '') return { name };
  return Number(port) > 65_535 ? undefined : { name, port: Number(port) };
}

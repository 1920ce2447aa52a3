import { domainToASCII } from 'node:url';

export type ParsedName = { readonly name: string } | { readonly refused: string; readonly expected: string };

/** Second-level labels under which country registries sell names: `*.co.uk` is as wide as `*.com`. */
const registryLabels = new Set([
  'ac',
  'co',
  'com',
  'edu',
  'go',
  'gob',
  'gov',
  'gouv',
  'ltd',
  'me',
  'mil',
  'ne',
  'net',
  'nom',
  'or',
  'org',
  'plc',
  'sch',
]);

/** Suffixes under which anybody may register a host, of companies rather than countries. */
const sharedSuffixes = new Set([
  'amazonaws.com',
  'appspot.com',
  'azurewebsites.net',
  'blogspot.com',
  'cloudfront.net',
  'fly.dev',
  'github.io',
  'gitlab.io',
  'herokuapp.com',
  'netlify.app',
  'ngrok.io',
  'pages.dev',
  'vercel.app',
  'workers.dev',
]);

/**
 * Reads a name, or a wildcard that stands for one or more labels before it ("*.example.org", not
 * "example.org" itself). Returns it in lower case, in its ASCII form (RFC 5891) and without a trailing
 * dot, or why it is refused.
 *
 * Underscores are taken: hosts with them have addresses, whatever RFC 952 says. A wildcard needs a
 * suffix that belongs to one owner: not a top-level domain, not a suffix at which anybody registers.
 * The list of such suffixes is short and ours; it stops accidents, not intent. An entry that is closing takes any.
 */
export function parseName(text: string, { isClosing = false }: { readonly isClosing?: boolean } = {}): ParsedName {
  const wildcard = text.startsWith('*.');
  const given = (wildcard ? text.slice(2) : text).replace(/\.$/, '');
  if (text === '*' || text === '*.' || text === '*.*')
    return {
      refused: isClosing ? 'it would close everything' : 'it would open everything',
      expected: isClosing
        ? 'use mode "allowlist", which opens what is listed alone'
        : 'use "preset": "unrestricted" for the public internet, or mode "open"',
    };
  if (given === '')
    return { refused: 'there is no destination', expected: 'expected a name, an address or a prefix before the port' };
  if (given.includes('*'))
    return {
      refused: '"*" stands only for whole labels at the start',
      expected: expectedWildcard(given),
    };
  const ascii = /^[\x21-\x7e]+$/.test(given) ? given.toLowerCase() : domainToASCII(given);
  const bad = badLabel(ascii);
  if (bad !== undefined)
    return {
      refused: bad,
      expected:
        'expected labels of 1 to 63 letters, digits, hyphens or underscores with dots between, at most 253 characters in all',
    };
  if (wildcard && !isClosing && isShared(ascii))
    return {
      refused: `"${ascii}" belongs to more than one owner`,
      expected: `expected a wildcard under a name of one owner, such as "*.example.${ascii}"`,
    };
  return { name: wildcard ? `*.${ascii}` : ascii };
}

/** "*github.com" means the name and those below it, which are two entries. */
function expectedWildcard(given: string): string {
  const rest = given.split('*').at(-1) ?? '';
  if (given.startsWith('*') && badLabel(rest.toLowerCase()) === undefined && rest.includes('.'))
    return `expected "*.${rest}" for the names below it, and "${rest}" for itself`;
  return `expected "*.${rest.replace(/^[^.]*\./, '') || 'example.org'}"`;
}

/** True when a rule's name covers a name: the same one, or one below a wildcard's suffix. Both in canonical form. */
export function nameCovers(rule: string, name: string): boolean {
  return rule.startsWith('*.') ? name.length > rule.length - 1 && name.endsWith(rule.slice(1)) : rule === name;
}

function badLabel(name: string): string | undefined {
  if (name === '' || name.length > 253) return 'it is not a host name';
  const label = name.split('.').find((part) => !/^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(part));
  return label === undefined ? undefined : `"${label}" is not a label of a host name`;
}

function isShared(suffix: string): boolean {
  const labels = suffix.split('.');
  if (labels.length === 1) return true;
  const [second = '', top = ''] = labels;
  return sharedSuffixes.has(suffix) || (labels.length === 2 && top.length === 2 && registryLabels.has(second));
}

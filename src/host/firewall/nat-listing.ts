import { readAnyAddress } from '../../ip/address.ts';
import { words } from './listing.ts';
import type { NatAction, NatMatch, NatRule } from './nat-rule.ts';

/** Reads what `iptables -t nat -S` or `ip6tables -t nat -S` printed. */
export function parseNatListing(text: string): Map<string, NatRule[]> {
  const chains = new Map<string, NatRule[]>();
  for (const line of text.split('\n')) {
    const [kind, chain = '', ...tokens] = words(line);
    if (kind !== '-A') continue;
    chains.set(chain, [...(chains.get(chain) ?? []), parseNatRule(line, tokens)]);
  }
  return chains;
}

const options: Readonly<Record<string, NatMatch['what']>> = {
  '-i': 'in',
  '-p': 'protocol',
  '-d': 'destination',
  '--dport': 'port',
  '--dports': 'port',
};

function parseNatRule(text: string, tokens: readonly string[]): NatRule {
  const matches: NatMatch[] = [];
  let [isRead, isNegated] = [true, false];
  for (let at = 0; at < tokens.length; at += 1) {
    const [token = '', value = ''] = tokens.slice(at, at + 2);
    if (token === '!') {
      isNegated = true;
      continue;
    }
    if (token === '-j' || token === '-g')
      return { matches, isRead, text, action: actionOf(token, value, tokens.slice(at + 2)) };
    const what = options[token];
    if (what !== undefined) matches.push({ what, values: value.split(','), isNegated });
    // What is asked about is an address of the host.
    else if (token === '--dst-type') isRead &&= value === 'LOCAL' && !isNegated;
    else if (token !== '-m' && token !== '--comment') isRead = false;
    isNegated = false;
    at += 1;
  }
  return { matches, isRead, text, action: { kind: 'nothing' } };
}

function actionOf(token: string, target: string, rest: readonly string[]): NatAction {
  const option = (name: string): string | undefined => {
    const at = rest.indexOf(name);
    return at === -1 ? undefined : rest[at + 1];
  };
  if (target === 'DNAT') return translationTo(option('--to-destination') ?? '');
  if (target === 'REDIRECT') return { kind: 'translate', ...portIn(option('--to-ports')) };
  if (target === 'RETURN') return { kind: 'return' };
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (['LOG', 'MARK', 'CONNMARK', 'NFLOG', 'TRACE'].includes(target)) return { kind: 'nothing' };
  return { kind: token === '-g' ? 'goto' : 'jump', chain: target };
}

/** "172.17.0.2:80", "[fd00::2]:80", "172.17.0.2", "172.17.0.2-172.17.0.9:80-90": of a range the first. */
function translationTo(text: string): NatAction {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([\d.]+)(?:-[\d.]+)?)?(?::(\d+))?/u.exec(text) ?? [];
  const address = bracketed ?? plain ?? (readAnyAddress(text) === undefined ? undefined : text);
  return { kind: 'translate', ...(address === undefined ? {} : { address }), ...portIn(port) };
}

function portIn(text: string | undefined): { port?: number } {
  const port = Number(text?.split('-', 1)[0]);
  return text === undefined || Number.isNaN(port) ? {} : { port };
}

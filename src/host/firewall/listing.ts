/** The filter table of one family as `iptables -S` prints it. */
export interface Listing {
  /** Policies of the built-in chains: "FORWARD" -> "DROP". */
  readonly policies: ReadonlyMap<string, string>;
  /** Rules of every chain, in order; built-in and user-defined ones. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
}

export interface Rule {
  readonly chain: string;
  /** The rule after the chain's name, as it was printed: `-i db0 -j ACCEPT`. */
  readonly text: string;
  readonly target: string | undefined;
  /** `-g`: what returns from the target does not come back to this chain. */
  readonly goto: boolean;
  readonly comment: string | undefined;
  readonly matches: readonly Match[];
}

export interface Match {
  /** Long option or, for the common ones, their short form: "-i", "-p", "--ctstate". "?" is one that we do not read. */
  readonly option: string;
  readonly value: string;
  readonly negated: boolean;
}

/** Options that {@link Match} keeps; every other one becomes "?", which may or may not match. */
const read = new Set(['-i', '-o', '-p', '--dport', '--dports', '--ctstate', '--state', '--icmp-type', '--icmpv6-type']);

/** Reads what `iptables -S` or `ip6tables -S` printed. Lines of another kind are passed over. */
export function parseListing(text: string): Listing {
  const policies = new Map<string, string>();
  const chains = new Map<string, Rule[]>();
  for (const line of text.split('\n')) {
    const [kind, chain, ...rest] = words(line);
    if (chain === undefined) continue;
    if (kind === '-P') policies.set(chain, rest[0] ?? 'ACCEPT');
    if (kind === '-P' || kind === '-N') chains.set(chain, []);
    if (kind === '-A') chains.get(chain)?.push(parseRule(chain, line.slice(`-A ${chain} `.length), rest));
  }
  return { policies, chains };
}

/** The words of a line; a quoted one keeps its spaces, `\"` within it is a quote. */
export function words(line: string): string[] {
  return Array.from(
    line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g),
    ([, quoted, bare]) => bare ?? (quoted ?? '').replace(/\\(.)/g, '$1'),
  );
}

function parseRule(chain: string, text: string, tokens: readonly string[]): Rule {
  const matches: Match[] = [];
  let comment: string | undefined;
  let negated = false;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    const value = tokens[at + 1] ?? '';
    if (token === '-j' || token === '-g') return { chain, text, target: value, goto: token === '-g', comment, matches };
    if (token === '!') {
      negated = true;
      continue;
    }
    if (token === '--comment') comment = value;
    else if (read.has(token)) matches.push({ option: token, value, negated });
    else if (token.startsWith('-') && token !== '-m') matches.push({ option: '?', value, negated });
    if (token.startsWith('-')) negated = false;
    if (token === '--comment' || token === '-m' || read.has(token)) at++;
  }
  return { chain, text, target: undefined, goto: false, comment, matches };
}

import { quote, show } from '../cni/fields.ts';
import { parseEntry, refusal, type Place } from './entry.ts';
import { aboutOnLink, onLinkNetworkOf, type OnLinkNetwork } from './on-link.ts';
import type { AddressRule, NameRule } from './policy.ts';

/** What an entry of `allow` is held to besides its form. */
export interface AllowGround {
  readonly verifyNames: boolean;
  readonly onLink: readonly OnLinkNetwork[];
}

/** Reads an entry of `allow`, or what is meant like one. Throws code 7. */
export function parseAllowEntry(
  value: unknown,
  place: Place,
  { verifyNames, onLink }: AllowGround,
): AddressRule | NameRule {
  const entry = parseEntry(value, place);
  if (entry.kind === 'address') return unlessOnLink(entry.rule, { value, place, onLink });
  if (verifyNames) refuseNamelessProtocol(entry.rule, value, place);
  return entry.rule;
}

/** Ports of protocols whose clients send no name, or wait for the server to speak first. */
const namelessPorts: ReadonlyMap<number, string> = new Map([
  [22, 'SSH'],
  [25, 'SMTP'],
  [3306, 'MySQL'],
  [5432, 'PostgreSQL'],
  [6379, 'Redis'],
  [9418, 'git'],
]);

/** What `verifyNames` would let nobody use is refused when the policy is read, and not by a connection that ends. */
function refuseNamelessProtocol({ protocol, ports, name, unchecked }: NameRule, value: unknown, place: Place): void {
  if (unchecked || ports === undefined || (protocol !== 'any' && protocol !== 'tcp')) return;
  const found = [...namelessPorts].find(([port]) => ports.from <= port && port <= ports.to);
  if (found === undefined) return;
  const [port, service] = found;
  const range = ports.from === ports.to ? `${port}` : `${ports.from}-${ports.to}`;
  throw refusal(
    show(value),
    place,
    `the first bytes of ${service} at port ${port} show no name, and "verifyNames" is on`,
    `protocols that cannot be checked (SSH, git, databases) need an entry that says so: ${quote(`${name}:${range}/tcp/unchecked`)}`,
  );
}

/** What the kernel would go on to close is not let pass as open. */
function unlessOnLink(
  rule: AddressRule,
  { value, place, onLink }: { value: unknown; place: Place; onLink: readonly OnLinkNetwork[] },
): AddressRule {
  const network = onLinkNetworkOf(rule.prefix, onLink);
  if (network === undefined) return rule;
  throw refusal(
    show(value),
    place,
    `it is in ${network.prefix}, ${aboutOnLink}`,
    'such a network is local: "allowPrivate" opens it, and "allow" does not',
  );
}

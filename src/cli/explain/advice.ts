import { nearMissOf } from '../../cni/nearest.ts';
import { covers, intervalOf } from '../../egress/interval.ts';
import type { Policy } from '../../egress/policy.ts';
import { openableBogons } from '../../egress/ranges-reserved.ts';
import { hostText } from '../../ip/host-text.ts';
import type { AskedDestination } from './destination.ts';

/** An entry of a list in a policy. */
export interface PolicyEntry {
  readonly key: 'allow' | 'allowPrivate' | 'hostPorts';
  readonly entry: string;
}

/** The entry of the policy that opens a denied destination; undefined where no entry does. */
export function openingEntry(
  rule: string,
  { asked, address }: { readonly asked: AskedDestination; readonly address: string },
): PolicyEntry | undefined {
  const [key = ''] = rule.split(' ', 1);
  const { host, port, protocol, isName } = asked;
  switch (key) {
    case 'private':
    case 'metadata':
      return { key: 'allowPrivate', entry: entryFor(asked, address) };
    case 'bogon':
      return openableBogons.some((prefix) => covers(intervalOf(prefix), intervalOf(address)))
        ? { key: 'allowPrivate', entry: entryFor(asked, address) }
        : undefined;
    case 'hostPorts':
      return { key: 'hostPorts', entry: port === undefined ? protocol : `${port}/${protocol}` };
    case 'mode':
      return { key: 'allow', entry: isName ? withService(host, asked) : entryFor(asked, address) };
    default:
      return undefined;
  }
}

/** What an operator does who wants a denied destination to be open, as one sentence without a period. */
export function adviceFor(
  rule: string,
  {
    policy,
    asked,
    address,
    theirs,
    published,
  }: {
    policy: Policy;
    asked: AskedDestination;
    address: string;
    theirs: boolean;
    /** Port of the host by which the other container is reached at what was asked for. */
    published: number | undefined;
  },
): string {
  const [key = ''] = rule.split(' ', 1);
  const opening = openingEntry(rule, { asked, address });
  const addition = opening === undefined ? '' : `add ${quote(opening.entry)} to "${opening.key}"`;
  switch (key) {
    case 'deny':
      return `take the entry out of "deny", which beats everything`;
    case 'ipv6':
      return '"ipv6": "filter" gives the container IPv6, under the same policy';
    case 'private':
    case 'hostPorts':
      return addition;
    case 'metadata':
      return `add the one address, ${quote(entryFor(asked, address))}, to "allowPrivate"; whoever reaches it may get the host's credentials`;
    case 'bogon':
      return opening === undefined ? 'nothing opens it: no public destination has such an address' : addition;
    case 'hostAccess':
      return '"hostAccess": "all" opens every address of the host; or ask at the gateway address, at one of "hostPorts"';
    case 'isolation':
      if (published !== undefined) return atPublished(published);
      return theirs
        ? `the other container's policy has to say "isolation": "bridge", and this one's too`
        : '"isolation": "bridge" in the policies of both containers';
    case 'ingress':
      if (published !== undefined) return atPublished(published);
      return 'publish the port of the other container, and ask at an address of the host';
    case 'mode':
      return `${nearWords(asked, policy)}${addition}`;
    default:
      return policy.names.length > 0 && asked.isName ? 'drawbridge refresh' : 'change the policy';
  }
}

/** A listed name that is nearly the one that was asked for, and what it means. */
function nearWords({ host, isName }: AskedDestination, { names }: Policy): string {
  if (!isName) return '';
  const listed = [...new Set(names.map(({ name }) => name))];
  if (listed.includes(`*.${host}`)) return `"*.${host}" stands for the names below "${host}" and not for it: `;
  const parent = listed.find((name) => !name.startsWith('*.') && host.endsWith(`.${name}`));
  if (parent !== undefined) return `"${parent}" is listed, and stands for no name below it ("*.${parent}" would): `;
  const near = nearMissOf(host, listed);
  return near === undefined ? '' : `"${near}" is listed, which is nearly it: `;
}

function atPublished(port: number): string {
  return `it is published: ask at port ${port} of an address of the host that this policy allows`;
}

/** What one would write into a policy: `10.7.7.7:443`. */
function entryFor(asked: AskedDestination, address: string): string {
  return withService(hostText(address), asked);
}

function withService(host: string, { protocol, port }: AskedDestination): string {
  return protocol === 'icmp' ? `${host}/icmp` : `${host}:${port}${protocol === 'tcp' ? '' : `/${protocol}`}`;
}

function quote(text: string): string {
  return `"${text}"`;
}

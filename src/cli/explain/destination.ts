import { parseName } from '../../egress/name.ts';
import { formatAddress, readAnyAddress } from '../../ip/address.ts';
import { hostText } from '../../ip/host-text.ts';
import { UsageError } from '../command.ts';

/** What a person asks about. */
export interface AskedDestination {
  /** Canonical address, or name in lower case. */
  readonly host: string;
  readonly isName: boolean;
  /** Addresses of the container that the name is of. */
  readonly container?: readonly string[];
  readonly protocol: 'tcp' | 'udp' | 'sctp' | 'icmp';
  readonly port?: number;
  /** As it is to be shown: "8.8.8.8:443/tcp". */
  readonly text: string;
}

/** In the place of a pod's name while its port is read. */
const standIn = 'pod';

/** Port that is meant when none is given. */
const usualPort = 443;

/** "shop/web", with what may follow: a pod by its namespace, where a protocol cannot be meant. */
const pod = /^(?<name>[a-z0-9][a-z0-9-]*\/(?!(?:tcp|udp|sctp|icmp|icmpv6)$)[a-z0-9][a-z0-9.-]*)(?<rest>$|[:/].*$)/i;

/**
 * Reads "DEST[:PORT[/PROTO]]": "example.org", "8.8.8.8:53/udp", "[2001:db8::1]:443", "10.0.0.1/icmp", "shop/web:80" of
 * a pod, also with a scheme and a path, as pasted. Throws {@link UsageError}.
 */
export function parseDestination(text: string): AskedDestination {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const bare =
    scheme === undefined ? text : (text.slice(scheme.length + 3).split(/[/?#]/, 1)[0] ?? '').replace(/^.*@/, '');
  const { name = '', rest } = (scheme === undefined ? pod.exec(bare)?.groups : undefined) ?? {};
  const match =
    /^(?:\[([^\]]+)\]|([^:[\]/]+)|([0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*))(?::(\d{1,5}))?(?:\/([a-z]+))?$/i.exec(
      rest === undefined ? bare : `${standIn}${rest}`,
    );
  if (match === null) throw unreadable(text, 'it is neither an address nor a name, with an optional port and protocol');
  const [, bracketed, plain, bareSix, portText, protocolText] = match;
  const protocol = (protocolText ?? 'tcp').toLowerCase().replace(/^icmpv6$/, 'icmp');
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp' && protocol !== 'icmp')
    throw unreadable(text, `there is no protocol "${protocolText}": tcp, udp, sctp and icmp are`);
  const port = portText === undefined ? (scheme === 'http' ? 80 : usualPort) : Number(portText);
  if (port < 1 || port > 65_535) throw unreadable(text, `port ${port} is not from 1 to 65535`);
  if (protocol === 'icmp' && portText !== undefined) throw unreadable(text, 'icmp has no ports');
  const { host, isName } =
    rest === undefined
      ? readHost(bracketed ?? plain ?? bareSix ?? '', text)
      : { host: name.toLowerCase(), isName: true };
  const shown = hostText(host);
  return protocol === 'icmp'
    ? { host, isName, protocol, text: `${shown}/icmp` }
    : { host, isName, protocol, port, text: `${shown}:${port}/${protocol}` };
}

function readHost(host: string, text: string): { host: string; isName: boolean } {
  const address = readAnyAddress(host);
  if (address !== undefined) return { host: formatAddress(address), isName: false };
  const name = parseName(host);
  if ('refused' in name) {
    // A name without a dot or with a local ending never stands in a policy, and is asked about all the same.
    if (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$/i.test(host) && !/^[\d.]+$/.test(host))
      return { host: host.toLowerCase(), isName: true };
    throw unreadable(text, name.refused);
  }
  if (name.name.startsWith('*.')) throw unreadable(text, 'a pattern is no destination: ask about one name');
  return { host: name.name, isName: true };
}

function unreadable(text: string, why: string): UsageError {
  return new UsageError(
    `Cannot read the destination "${text}": ${why}\nIt is written HOST[:PORT[/PROTOCOL]]: "example.org", "8.8.8.8:53/udp", "[2001:db8::1]:443", "10.0.0.1/icmp", or NAMESPACE/POD in place of HOST`,
  );
}

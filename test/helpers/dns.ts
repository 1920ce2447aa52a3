import { fileURLToPath } from 'node:url';
import type { Daemon, Host, Place } from './private-host.ts';

const program = fileURLToPath(new URL('dns.py', import.meta.url));

/** What a name stands for: see dns.py. */
export interface ZoneEntry {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly CNAME?: string;
  readonly ttl?: number;
  readonly rcode?: number;
  /** For AAAA alone. */
  readonly rcode6?: number;
  /** No answer at all. */
  readonly silent?: boolean;
  /** Seconds. */
  readonly delay?: number;
}

export type Zone = Readonly<Record<string, ZoneEntry>>;

export interface DnsServer {
  /** As "dns.upstream" takes it. */
  readonly upstream: string;
  /** Replaces the whole zone. */
  say(zone: Zone): Promise<void>;
  /** "name type" of each query so far. */
  queries(): Promise<string[]>;
  stop: Daemon['stop'];
}

/** Starts a DNS server in a private host; ready when this returns. */
export async function startDns(
  host: Host,
  zone: Zone,
  { where = host, address = '127.0.0.53', port = 53 }: { where?: Place; address?: string; port?: number } = {},
): Promise<DnsServer> {
  const file = `/run/zone-${address}-${port}.json`;
  const say = async (next: Zone): Promise<void> => {
    await host.sh(`cat > ${file}.new; mv ${file}.new ${file}`, { input: JSON.stringify(next) });
  };
  await say(zone);
  const daemon = await host.spawn(['/usr/bin/python3', '-I', '-S', program, address, String(port), file], { where });
  const lines = async (): Promise<string[]> =>
    (await host.run(['cat', daemon.log])).split('\n').filter((line) => line !== '');
  for (let tries = 0; (await lines())[0] !== 'ready'; tries++) {
    if (tries > 100 || !(await daemon.running()))
      throw new Error(`Cannot start the DNS server: ${(await lines()).join('; ')}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return {
    upstream: port === 53 ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    say,
    queries: async () => (await lines()).slice(1),
    stop: async (signal) => daemon.stop(signal),
  };
}

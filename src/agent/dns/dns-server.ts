import type { Element } from '../../nft/element.ts';
import type { Asker } from '../names/claims.ts';
import type { QueryReport } from './answer-query.ts';
import type { ListenAddress } from './listener.ts';
import type { RefusedQueries } from './process/messages.ts';

/** What the agent has of whoever answers DNS. */
export interface DnsServer {
  /** Throws {@link CniError} with code 100 when the host lacks the address, or another server has the port. */
  listen(at: ListenAddress): Promise<number>;
  unlisten(address: string): Promise<void>;
  readonly addresses: readonly string[];
  /** Takes in a change of records; settles when what is asked from now on is answered by it. */
  follow(): Promise<void>;
  /** One sentence each. */
  readonly problems: readonly string[];
  close(): Promise<void>;
}

/** What it tells, and asks for. */
export interface DnsServerOptions {
  /** Puts elements into the kernel, for the container that asks. */
  readonly open: (elements: readonly Element[], asker: Asker) => Promise<void>;
  /** A query that was answered, or could not be. */
  readonly report: (report: QueryReport) => void;
  readonly refused: (refused: readonly RefusedQueries[]) => void;
  /** It ended by itself, and is started again. */
  readonly ended: (reason: string) => void;
}

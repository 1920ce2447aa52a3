import type { Element } from '../../../nft/element.ts';
import type { Asker } from '../../names/claims.ts';
import type { QueryReport } from '../answer-query.ts';
import type { ListenAddress } from '../listener.ts';

/** What the agent tells the process that answers DNS. What has an id is answered with "done", or "failed". */
export type Order =
  | { readonly order: 'listen'; readonly id: number; readonly at: ListenAddress }
  | { readonly order: 'unlisten'; readonly id: number; readonly address: string }
  /** Records changed, or the servers that the host asks may have. */
  | { readonly order: 'follow'; readonly id: number }
  /** Elements are in the kernel, or cannot be: the answer to "open". */
  | { readonly order: 'opened'; readonly id: number; readonly failure?: string };

/** What that process tells the agent. */
export type Notice =
  | { readonly notice: 'done'; readonly id: number; readonly port?: number }
  | { readonly notice: 'failed'; readonly id: number; readonly failure: Failure }
  | { readonly notice: 'open'; readonly id: number; readonly opening: Opening }
  | {
      readonly notice: 'reports';
      readonly reports: readonly QueryReport[];
      readonly refused: readonly RefusedQueries[];
    };

/** A {@link CniError}. */
export interface Failure {
  readonly code: number;
  readonly message: string;
  readonly details?: string;
}

/** Elements that a query wants in the kernel before its answer goes out. */
export interface Opening {
  readonly elements: readonly Element[];
  readonly asker: Asker;
}

/** Queries of one container for one name and type that were refused, since it was told last. */
export interface RefusedQueries {
  readonly source: string;
  readonly policyId: string | undefined;
  readonly name: string;
  readonly type: string;
  readonly why: string;
  readonly rcode: number;
  readonly count: number;
  /** Those of them that were more than the container may ask. */
  readonly limited: number;
  /** Milliseconds that all of them took. */
  readonly took: number;
}

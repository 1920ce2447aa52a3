import { familyOf } from '../../ip/family.ts';
import type { FlowRecord } from '../../flows/flow-record.ts';
import { Feed } from '../flows/feed.ts';
import type { Service } from '../service.ts';

/** What somebody asks for who wants to see the page. */
export interface PageRequest {
  readonly listen: { readonly host: string; readonly port: number };
  readonly mayWrite: boolean;
}

/** A page that is served; `address` has its secret in it. */
export interface OpenPage {
  readonly address: string;
  close(): Promise<void>;
}

/** Serves the page, with records as `follow` tells them. Throws `CniError` when the address cannot be had. */
export type ServePage = (request: PageRequest, follow: () => AsyncIterableIterator<FlowRecord>) => Promise<OpenPage>;

export interface PageServiceOptions {
  /** How the page is made is the command line's affair, above this room; without it there is none. */
  readonly serve: ServePage | undefined;
  readonly follow: () => AsyncIterableIterator<FlowRecord>;
}

/** Serves the page for whoever asks at the socket, for as long as the one who asked is there. */
export class PageService implements Service {
  readonly name = 'page';
  readonly #options: PageServiceOptions;
  readonly #open = new Set<OpenPage>();

  constructor(options: PageServiceOptions) {
    this.#options = options;
  }

  start(): void {
    // It waits to be asked.
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#open].map(async (page) => page.close()));
  }

  health(): readonly string[] {
    return [];
  }

  /** Tells the address, and closes the page when its reader leaves. Throws for a request that makes no sense. */
  async open(params: Readonly<Record<string, unknown>>): Promise<AsyncIterableIterator<{ readonly address: string }>> {
    const { follow, serve } = this.#options;
    if (serve === undefined) throw new RangeError('This agent serves no page');
    const page = await serve(readRequest(params), follow);
    this.#open.add(page);
    const feed = new Feed<{ readonly address: string }>();
    const reader = feed.read();
    feed.push({ address: page.address });
    const told: AsyncIterableIterator<{ readonly address: string }> = {
      [Symbol.asyncIterator]: () => told,
      next: async () => reader.next(),
      return: async () => {
        this.#open.delete(page);
        await Promise.all([page.close(), reader.return?.()]);
        return { done: true, value: undefined };
      },
    };
    return told;
  }
}

function readRequest({ listen, mayWrite }: Readonly<Record<string, unknown>>): PageRequest {
  const { host, port } = (listen ?? {}) as { readonly host?: unknown; readonly port?: unknown };
  if (typeof host === 'string' && familyOf(host) !== undefined && typeof port === 'number')
    return { listen: { host, port }, mayWrite: mayWrite === true };
  throw new RangeError('"page" wants {"listen": {"host": "127.0.0.1", "port": 9441}}');
}

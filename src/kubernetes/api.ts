/**
 * The cluster's API. The client library is loaded when an agent of a cluster starts, and by nobody else: of it the
 * configuration and the watch alone, since its types of every object are many megabytes.
 */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';

/** What the API says of an object: `object` is JSON. */
export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

export interface WatchRequest {
  /** "/api/v1/pods" */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly onEvent: (event: WatchEvent) => void;
  /** Called once, when the server ends it, when it fails, and when nothing came for {@link silence}. */
  readonly onEnd: (error: unknown) => void;
}

/** What the API answers to a question for all objects of a kind: JSON, as much of it as came at once. */
export interface ListPage {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: readonly unknown[];
}

export interface ClusterApi {
  /** Address of the API server. */
  readonly server: string;
  /** Throws what the system says, and an {@link ApiError} for another answer than 200. */
  readonly list: (path: string, query: Readonly<Record<string, string>>) => Promise<ListPage>;
  /** Begins a watch. Returns what ends it. */
  readonly watch: (request: WatchRequest) => Promise<{ abort(): void }>;
}

/** The API server answered, and not with what was asked for. */
export class ApiError extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** Milliseconds that the server has for a part of a list. */
const patience = 30_000;

/**
 * Milliseconds after which a watch on which nothing came is taken for half-open, and is begun anew. The API server
 * sends a bookmark about every minute, whether or not anything changes.
 */
const silence = 90_000;

/**
 * Reads how the API is reached: from the file that KUBECONFIG names, or as a pod's account is told. Throws an error
 * that says what is missing.
 */
export async function openApi(): Promise<ClusterApi> {
  const [{ KubeConfig }, { Watch }] = await Promise.all([
    import('@kubernetes/client-node/dist/config.js'),
    import('@kubernetes/client-node/dist/watch.js'),
  ]);
  const config = new KubeConfig();
  const file = process.env['KUBECONFIG'];
  if (file === undefined || file === '') config.loadFromCluster();
  else config.loadFromFile(file);
  const server = config.getCurrentCluster()?.server ?? '';
  return {
    server,
    list: async (path, query) => {
      const options: RequestOptions = {};
      await config.applyToHTTPSOptions(options);
      return readPage(new URL(`${server}${path}?${new URLSearchParams(query).toString()}`), options);
    },
    watch: async ({ path, query, onEvent, onEnd }) => {
      const watch = new Watch(config);
      // Its own 30 seconds are less than the pause between two bookmarks.
      Object.assign(watch, { requestTimeoutMs: silence });
      return watch.watch(path, { ...query }, (type, object: unknown) => onEvent({ type, object }), onEnd);
    },
  };
}

async function readPage(url: URL, options: RequestOptions): Promise<ListPage> {
  const answer = request(url, { ...options, signal: AbortSignal.timeout(patience) });
  answer.end();
  const [response] = (await once(answer, 'response')) as [IncomingMessage];
  const body = await text(response);
  if (response.statusCode === 200) return JSON.parse(body) as ListPage;
  throw new ApiError(response.statusCode ?? 0, messageOf(body));
}

/** Of an object of kind Status. */
function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message);
  } catch {
    return body.slice(0, 200);
  }
}

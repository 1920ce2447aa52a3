import { systemReason } from '../text/system-error.ts';
import { ApiError, type ClusterApi, type WatchEvent } from './api.ts';

export interface ObjectWatchOptions<T> {
  /** "/api/v1/pods" */
  readonly path: string;
  /** Makes a value of an object; what it throws is a problem, and `unreadable` takes the object's place. */
  readonly read: (json: unknown) => T;
  readonly unreadable?: (json: unknown) => T | undefined;
  /** Called after each change, and when all there is has come. */
  readonly onChange: () => void;
}

/** Milliseconds before a watch that failed is begun anew: at first, and at the longest. */
const leastPause = 500;
const longestPause = 30_000;

/** Milliseconds before one is begun anew that ended as it should: nobody asks in a loop. */
const quickly = 100;

/** Objects that are told at once. */
const page = 500;

/** HTTP 410: the server does not remember that far back. */
const gone = 410;

/**
 * All objects of a kind, as the API tells of them. What is known stays known while the API is away: after an
 * interruption the watch goes on where it was, and where the API has forgotten that, all is told anew and replaces
 * what was known when it is whole.
 */
export class ObjectWatch<T> {
  readonly #options: ObjectWatchOptions<T>;
  #objects = new Map<string, T>();
  #version = '';
  #isSynced = false;
  #problem: string | undefined;
  readonly #unreadable = new Map<string, string>();
  /** What the server said of why it ends a watch. */
  #refusal: ApiError | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #current: { abort(): void } | undefined;
  #isStopped = false;

  constructor(options: ObjectWatchOptions<T>) {
    this.#options = options;
  }

  get values(): readonly T[] {
    return [...this.#objects.values()];
  }

  /** Whether the API has told of everything since this began. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  get problems(): readonly string[] {
    return [...(this.#problem === undefined ? [] : [this.#problem]), ...this.#unreadable.values()];
  }

  /** What was known to an agent before this one, until the API tells. */
  remember(objects: readonly (readonly [string, T])[]): void {
    if (!this.#isSynced) this.#objects = new Map(objects);
  }

  /** For {@link remember}. */
  get entries(): readonly (readonly [string, T])[] {
    return [...this.#objects];
  }

  start(api: ClusterApi): void {
    void this.#begin(api);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#current?.abort();
  }

  async #begin(api: ClusterApi): Promise<void> {
    try {
      if (this.#version === '') await this.#list(api);
      if (this.#isStopped) return;
      let hasEnded = false;
      this.#current = await api.watch({
        path: this.#options.path,
        query: { allowWatchBookmarks: 'true', resourceVersion: this.#version },
        onEvent: (event) => this.#take(event),
        onEnd: (error) => {
          hasEnded = true;
          this.#again(api, this.#refusal ?? error);
        },
      });
      // It is called before there is anything to end, where the server does not answer.
      if (!hasEnded) this.#problem = undefined;
      if (this.#isStopped) this.#current.abort();
    } catch (error) {
      this.#again(api, error);
    }
  }

  /** Reads all that there is, and puts it in the place of what was known. */
  async #list(api: ClusterApi): Promise<void> {
    const objects = new Map<string, T>();
    let place: string | undefined;
    do {
      const { items, metadata } = await api.list(this.#options.path, {
        limit: String(page),
        ...(place === undefined ? {} : { continue: place }),
      });
      for (const item of items) this.#put(objects, keyOf(item as ApiObject), item);
      this.#version = metadata.resourceVersion;
      place = metadata.continue === '' ? undefined : metadata.continue;
    } while (place !== undefined);
    for (const key of this.#unreadable.keys()) if (!objects.has(key)) this.#unreadable.delete(key);
    this.#objects = objects;
    this.#isSynced = true;
    this.#settle();
    this.#options.onChange();
  }

  /** A watch that the server ends after its time is no failure, nor is one that had heard of nothing for long. */
  #again(api: ClusterApi, error: unknown): void {
    if (this.#isStopped) return;
    this.#refusal = undefined;
    const isFailure = error !== null && error !== undefined;
    this.#failures = isFailure ? this.#failures + 1 : 0;
    if (isFailure) {
      // What is asked for is forgotten there: all has to be told anew.
      if ((error as { statusCode?: unknown }).statusCode === gone) this.#version = '';
      this.#problem = `Cannot watch "${this.#options.path}" of the cluster: ${reasonOf(error)}; what was known last holds`;
    }
    const pause = Math.min(longestPause, leastPause * 2 ** Math.min(this.#failures, 10));
    // Nodes that lost the API at once do not come back at once.
    this.#timer = setTimeout(() => void this.#begin(api), isFailure ? pause * (0.5 + Math.random()) : quickly);
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      const { code = 0, message = '' } = object as { code?: number; message?: string };
      this.#refusal = new ApiError(code, message);
      return;
    }
    const told = object as ApiObject;
    this.#version = told.metadata.resourceVersion;
    this.#settle();
    if (type === 'BOOKMARK') return;
    const key = keyOf(told);
    if (type === 'DELETED') {
      this.#objects.delete(key);
      this.#unreadable.delete(key);
    } else this.#put(this.#objects, key, object);
    this.#options.onChange();
  }

  #settle(): void {
    this.#problem = undefined;
    this.#failures = 0;
  }

  #put(into: Map<string, T>, key: string, object: unknown): void {
    try {
      into.set(key, this.#options.read(object));
      this.#unreadable.delete(key);
    } catch (error) {
      this.#unreadable.set(key, `Cannot read "${key}" of "${this.#options.path}": ${(error as Error).message}`);
      const instead = this.#options.unreadable?.(object);
      if (instead === undefined) into.delete(key);
      else into.set(key, instead);
    }
  }
}

function keyOf({ metadata: { namespace = '', name } }: ApiObject): string {
  return `${namespace}/${name}`;
}

interface ApiObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion: string;
  };
}

/** The runtime wraps what the system says. */
function reasonOf(error: unknown): string {
  const { cause, statusCode } = error as { cause?: unknown; statusCode?: unknown };
  const reason = systemReason(cause instanceof Error ? cause : error);
  return typeof statusCode === 'number' ? `the API server answers ${statusCode} (${reason})` : reason;
}

import { nearestTo } from './nearest.ts';
import type { CniError } from './errors.ts';
import { InvalidValueError, UnknownKeyError, codes } from './errors.ts';

/**
 * Reads one object of decoded JSON by key and type, and says what is wrong by its path.
 *
 * A key is matched exactly first and then without regard to case, and null means absent, as Go's
 * encoding/json has it: containerd and nerdctl send "HostPort" for hostPort. Of two spellings that
 * both differ from the asked one the last counts. Only own keys count, so "__proto__" is a key like any other.
 *
 * Every method throws {@link CniError} with code 7 (or the code given to the constructor).
 */
export class Fields {
  /** Where the object stands: "ipam.ranges[0][1]"; empty for the whole configuration. */
  readonly path: string;
  /** The object as it was decoded. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly #code: number;
  #spellings: Map<string, string> | undefined;

  constructor(value: unknown, path = '', code: number = codes.invalidConfig) {
    if (!isObject(value)) throw mismatch(path, value, 'an object', code);
    this.value = value;
    this.path = path;
    this.#code = code;
  }

  /** Whether the key is there at all, even with the value null. */
  has(key: string): boolean {
    return this.#spelling(key) !== undefined;
  }

  /** The value as it was decoded; undefined when the key is absent or null. */
  raw(key: string): unknown {
    const spelling = this.#spelling(key);
    return spelling === undefined ? undefined : (this.value[spelling] ?? undefined);
  }

  /** Every key that the object has, as it is spelled there. */
  keys(): string[] {
    return Object.keys(this.value);
  }

  string(key: string): string | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'string') return value;
    throw this.invalid(key, 'a string');
  }

  boolean(key: string): boolean | undefined {
    const value = this.raw(key);
    if (value === undefined || typeof value === 'boolean') return value;
    throw this.invalid(key, 'true or false');
  }

  /** A whole number; both limits are allowed values. */
  integer(
    key: string,
    { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {},
  ): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw this.invalid(key, describeRange(min, max));
  }

  object(key: string): Fields | undefined {
    const value = this.raw(key);
    return value === undefined ? undefined : new Fields(value, this.at(key), this.#code);
  }

  /** A list of objects. */
  objects(key: string): Fields[] | undefined {
    return this.list(key)?.map((value, index) => new Fields(value, `${this.at(key)}[${index}]`, this.#code));
  }

  /** A list of lists of objects: the "ranges" of host-local. */
  objectLists(key: string): Fields[][] | undefined {
    return this.list(key)?.map((inner, index) => {
      const path = `${this.at(key)}[${index}]`;
      if (!Array.isArray(inner)) throw mismatch(path, inner, 'a list of objects', this.#code);
      return inner.map((value: unknown, place) => new Fields(value, `${path}[${place}]`, this.#code));
    });
  }

  strings(key: string): string[] | undefined {
    return this.list(key)?.map((value, index) => {
      if (typeof value === 'string') return value;
      throw mismatch(`${this.at(key)}[${index}]`, value, 'a string', this.#code);
    });
  }

  list(key: string): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.invalid(key, 'a list');
  }

  /** An object whose values are strings, whatever its keys; those are taken as they are spelled. */
  stringMap(key: string): ReadonlyMap<string, string> | undefined {
    const map = this.object(key);
    if (map === undefined) return undefined;
    return new Map(
      Object.entries(map.value).map(([name, value]) => {
        if (typeof value === 'string') return [name, value];
        throw mismatch(map.at(name), value, 'a string', this.#code);
      }),
    );
  }

  /**
   * Refuses a key that is not one of `known`, and a key that is there in two spellings.
   * For objects in which a typing mistake must not count as an absent key: a policy.
   */
  only(known: readonly string[]): this {
    const seen = new Map<string, string>();
    for (const key of this.keys()) {
      const name = known.find((candidate) => fold(candidate) === fold(key));
      if (name === undefined) throw this.#unknown(key, known);
      const twin = seen.get(name);
      if (twin !== undefined)
        throw new InvalidValueError(
          this.path,
          `keys ${quote(twin)} and ${quote(key)} are the same key`,
          undefined,
          this.#code,
        );
      seen.set(name, key);
    }
    return this;
  }

  /** The error for a value that has the right type and is wrong all the same: `invalid('mtu', 'at most 65535')`. */
  invalid(key: string, expected: string): CniError {
    return mismatch(this.at(key), this.raw(key), expected, this.#code);
  }

  /** Path of a key of this object. */
  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  #spelling(key: string): string | undefined {
    if (Object.hasOwn(this.value, key)) return key;
    this.#spellings ??= new Map(this.keys().map((spelling) => [fold(spelling), spelling]));
    return this.#spellings.get(fold(key));
  }

  #unknown(key: string, known: readonly string[]): UnknownKeyError {
    const nearest = nearestTo(key, known);
    const hint =
      nearest === undefined ? 'it is not a known key' : `it is not a known key, the nearest one is ${quote(nearest)}`;
    return new UnknownKeyError(this.at(key), hint, `The known keys are ${known.map(quote).join(', ')}`, this.#code);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fold(key: string): string {
  return key.toLowerCase();
}

function mismatch(path: string, value: unknown, expected: string, code: number): CniError {
  const state = value === undefined ? 'it is missing' : `it is ${show(value)}`;
  return new InvalidValueError(path, `${state}, ${expected} is expected`, undefined, code);
}

function describeRange(min: number, max: number): string {
  if (min > Number.MIN_SAFE_INTEGER && max < Number.MAX_SAFE_INTEGER) return `a whole number from ${min} to ${max}`;
  if (min > Number.MIN_SAFE_INTEGER) return `a whole number of at least ${min}`;
  if (max < Number.MAX_SAFE_INTEGER) return `a whole number of at most ${max}`;
  return 'a whole number';
}

const longestShown = 80;

/**
 * A value as JSON for an error text, cut short; objects and lists only by kind, since they may be deep beyond what can
 * be printed.
 */
export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (isObject(value)) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= longestShown ? text : `${text.slice(0, longestShown)}...`;
}

/** A name in double quotes, with what is not printable escaped. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
